"""Which leads the operators' list has: filters, and what is known of a lead that is searched."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from datetime import datetime
from hashlib import sha256

from leadbridge.domain.acceptance.status import LeadStatus
from leadbridge.domain.delivery import Delivery
from leadbridge.domain.errors.problem_keys import ProblemFilter
from leadbridge.domain.fields.surnames import has_words
from leadbridge.domain.statistics.times import Stage
from leadbridge.storage.leads import Journey
from leadbridge.storage.statistics.records import REACHED_AT


@dataclass(frozen=True)
class Search:
    """What is known of the leads that are searched.

    `ids` are partners, each with the deal or the account that it would have created. `hashes` are names of indexes,
    each with a keyed hash; they are searched if no lead has one of the ids. `words` are of the person's name.
    """

    lead_id: str | None = None
    ids: tuple[tuple[str, int | str], ...] = ()
    hashes: tuple[tuple[str, str], ...] = ()
    words: str | None = None


@dataclass(frozen=True)
class LeadFilter:
    """The leads to list; None means any.

    Status, partner, outcome, stage and problem are those of one delivery; an incomplete lead has a status and problems,
    too. A delivery has a stage of the funnel if it has reached it.
    `needs_attention`: only leads with a delivery that needs a person although it is followed. `since` and `until` are
    times of reception, the second one excluded. In a list of deliveries they are those of the delivery: one to a next
    partner is received later than its lead.
    """

    status: LeadStatus | None = None
    source: str | None = None
    partner: str | None = None
    search: Search | None = None
    needs_attention: bool = False
    outcome: str | None = None
    stage: Stage | None = None
    campaign: str | None = None
    problem: ProblemFilter | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def fingerprint(self) -> str:
        """A short hash, by which the cursors of another list are refused."""
        return sha256(repr(astuple(self)).encode()).hexdigest()[:12]

    @property
    def is_indexed(self) -> bool:
        """Whether an index knows which leads fit, but for the changes of a moment. Else leads are read to compare."""
        of_delivery = (self.status, self.outcome, self.stage, self.problem)
        if self.search is not None:
            rest = (*of_delivery, self.source, self.partner, self.campaign, self.search.words)
            return not (any(rest) or self.needs_attention)
        if self.needs_attention:
            return not (self.outcome or self.stage or self.problem or self.campaign)
        return self.stage is not Stage.APPROVED and (self.campaign is None or not any(of_delivery))

    def fits(self, journey: Journey) -> bool:
        """Return whether a lead fits as it is now. The time is not compared: the list has it from the index."""
        lead, deliveries = journey.lead, journey.deliveries.values()
        if self.source not in {None, lead.source} or self.campaign not in {None, lead.campaign}:
            return False
        if self.search is not None and self.search.words is not None:
            person = lead.person
            if not has_words(f"{person.full_name or ''} {person.last_name or ''}", self.search.words):
                return False
        if self.needs_attention and not any(one.attention for one in deliveries):
            return False
        if any(self._fits_delivery(one) for one in deliveries):
            return True
        if self.outcome is not None or self.stage is not None or self.partner is not None:
            return False
        if self.problem is not None:
            problems = [(one.field, one.code.value) for one in lead.problems]
            is_listed = self.status in {None, LeadStatus.INCOMPLETE} and journey.is_incomplete
            return is_listed and self.problem.matches(problems)
        return self.status is None or self.status in journey.statuses

    def _fits_delivery(self, delivery: Delivery) -> bool:
        return (
            self.partner in {None, delivery.partner}
            and self.status in {None, delivery.state.value}
            and self.outcome in {None, delivery.outcome}
            and (self.stage is None or getattr(delivery, REACHED_AT[self.stage]) is not None)
            and (self.problem is None or self.problem.matches(delivery.problems))
        )

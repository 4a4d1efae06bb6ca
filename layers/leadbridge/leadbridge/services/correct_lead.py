"""Correct the fields of a stored lead for an operator, and deliver a lead that was incomplete."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from leadbridge.domain.acceptance.build import Chooser
from leadbridge.domain.acceptance.correction import Correction, correct_lead
from leadbridge.domain.clock import Clock
from leadbridge.domain.fetch import FetchState
from leadbridge.domain.fields.hashes import hashes_of
from leadbridge.domain.fields.reading import ReadingRules, reading_rules
from leadbridge.domain.lead import Lead
from leadbridge.domain.operator_steps import WrongState
from leadbridge.domain.routing import choose_partners
from leadbridge.services.ports.leads import CorrectionLedger, JourneyReader
from leadbridge.settings import Settings


class UnknownLead(LookupError):
    """There is no such lead."""


@dataclass(frozen=True)
class Corrector:
    """Corrects leads. `keyed_hash` hashes phones, e-mails and tax numbers for the indexes."""

    leads: JourneyReader
    ledger: CorrectionLedger
    settings: Settings
    keyed_hash: Callable[[str], str]
    clock: Clock

    def correct(
        self, lead_id: str, values: Mapping[str, Mapping[str, Any]], operator: str, *, is_confirmed: bool = False
    ) -> Correction | None:
        """Correct fields. The new values are parsed by the rules of the lead's source; None removes a value.

        A lead that was incomplete and that a partner can take now gets its deliveries in the same transaction. A worker
        that has read the old fields of a waiting delivery cannot start its attempt afterwards.

        `is_confirmed`: deliver a restored lead, although it may have been delivered before. Returns None if nothing
        changes. Raises UnknownLead, InvalidLead, SubmissionInProgress, WrongState, Conflict,
        and what the ledger raises.
        """
        journey = self.leads.journey(lead_id)
        if journey is None:
            raise UnknownLead(lead_id)
        lead = journey.lead
        if lead.erased_at is not None:
            raise WrongState("The person was erased.")
        if journey.fetch is not None and journey.fetch.state is not FetchState.FETCHED:
            raise WrongState(f"The lead's fields are not fetched: its fetch is {journey.fetch.state.value}.")
        correction = correct_lead(
            lead,
            tuple(journey.deliveries.values()),
            values,
            operator=operator,
            now=self.clock(),
            partners=self.settings.partners,
            choose=self._chooser(lead),
            rules=self._rules(lead),
            is_confirmed=is_confirmed,
        )
        if correction is not None:
            former, hashes = hashes_of(lead, self.keyed_hash), hashes_of(correction.after, self.keyed_hash)
            self.ledger.correct(correction, hashes, former)
        return correction

    def _chooser(self, lead: Lead) -> Chooser | None:
        source = self.settings.sources.get(lead.source)
        if source is None:
            return None
        return lambda asked: choose_partners(source.partners, asked.value, lead.answers)

    def _rules(self, lead: Lead) -> ReadingRules:
        source = self.settings.sources.get(lead.source)
        return ReadingRules() if source is None else reading_rules(source, self.settings.partners)

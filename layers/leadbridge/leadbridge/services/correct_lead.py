"""Change a stored lead for an operator: correct its fields, deliver one that was incomplete, add a partner."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from leadbridge.domain.acceptance.build import Chooser
from leadbridge.domain.acceptance.correction import Correction, correct_lead, open_delivery
from leadbridge.domain.clock import Clock
from leadbridge.domain.delivery import Delivery
from leadbridge.domain.fetch import FetchState
from leadbridge.domain.fields.hashes import hashes_of
from leadbridge.domain.fields.reading import ReadingRules, reading_rules
from leadbridge.domain.lead import Lead
from leadbridge.domain.operator_steps import WrongState
from leadbridge.domain.routing.rules import RoutingFacts, choose_partners
from leadbridge.services.ports.leads import CorrectionLedger, JourneyReader
from leadbridge.settings import Settings

if TYPE_CHECKING:
    from leadbridge.storage.leads import Journey


class UnknownLead(LookupError):
    """There is no such lead."""


class UnknownPartner(LookupError):
    """No partner of this name is configured."""


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
        journey = self._changeable(lead_id)
        lead = journey.lead
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
            self._write(correction)
        return correction

    def add_partner(self, lead_id: str, partner: str, operator: str, *, is_confirmed: bool = False) -> Delivery:
        """Give a lead to a further partner, or move it if it waits. Returns the new delivery.

        `is_confirmed`: two partners may have the lead. A delivery that changes meanwhile stops the write, so that
        none can reach its partner without this confirmation. Raises UnknownLead, UnknownPartner, InvalidLead with the
        missing fields, WrongState, Conflict, and what the ledger raises.
        """
        configured = self.settings.partners.get(partner)
        if configured is None:
            raise UnknownPartner(partner)
        journey = self._changeable(lead_id)
        correction = open_delivery(
            journey.lead,
            tuple(journey.deliveries.values()),
            partner,
            configured,
            operator=operator,
            now=self.clock(),
            is_confirmed=is_confirmed,
        )
        self._write(correction)
        return correction.opened[0]

    def _changeable(self, lead_id: str) -> Journey:
        """Return a lead with its deliveries. Raises UnknownLead, WrongState if its data is erased or not fetched."""
        journey = self.leads.journey(lead_id)
        if journey is None:
            raise UnknownLead(lead_id)
        if journey.lead.erased_at is not None:
            raise WrongState("The person was erased.")
        if journey.fetch is not None and journey.fetch.state is not FetchState.FETCHED:
            raise WrongState(f"The lead's fields are not fetched: its fetch is {journey.fetch.state.value}.")
        return journey

    def _write(self, correction: Correction) -> None:
        former, hashes = (hashes_of(one, self.keyed_hash) for one in (correction.before, correction.after))
        self.ledger.correct(correction, hashes, former)

    def _chooser(self, lead: Lead) -> Chooser | None:
        source = self.settings.sources.get(lead.source)
        if source is None:
            return None
        return lambda asked: choose_partners(
            source, RoutingFacts(asked.value, lead.answers, lead.received_at, self.keyed_hash)
        )

    def _rules(self, lead: Lead) -> ReadingRules:
        source = self.settings.sources.get(lead.source)
        return ReadingRules() if source is None else reading_rules(source, self.settings.partners)

"""A partner, its state and its leads in the table: what tests of pauses, circuits and caps have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Self

import pytest

from leadbridge.domain.admission import PartnerState
from leadbridge.domain.delivery import Delivery
from leadbridge.domain.lead import Lead
from leadbridge.domain.routing.intake import intake_status, window_keys
from leadbridge.runtime.budget import Budget
from leadbridge.services import find_due
from leadbridge.settings import Settings
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.queries.due_items import due_items
from leadbridge.storage.queries.partner_state import PartnerStates
from leadbridge.storage.table import Table
from quality.testkit.fixtures import Time
from quality.testkit.people import lead

AMPLE = Budget(deadline=90.0, monotonic=lambda: 0.0)
PARTNER = "leadleader"


@dataclass
class PartnerWorld:
    """A partner and its leads. A subclass has `create`, the partner's answer, and `submit`."""

    table: Table
    time: Time
    settings: Settings
    created: list[str] = field(default_factory=list)
    calls: int = 0
    seconds_per_submission: float = 10.0
    seconds_per_create: float = 5.0

    @property
    def store(self) -> LeadRepository:
        return LeadRepository(self.table)

    @property
    def states(self) -> PartnerStates:
        return PartnerStates(self.table)

    @property
    def state(self) -> PartnerState:
        return self.states.load([PARTNER]).get(PARTNER, PartnerState())

    def authorize(self, budget: Budget) -> Self:
        self.calls += 1
        return self

    def receive(self, number: int, **changes: Any) -> Lead:
        one = lead(number, received_at=self.time()).model_copy(update=changes)
        self.store.accept(one, phone_hash=None)
        return one

    def delivery(self, one: Lead, partner: str = PARTNER) -> Delivery:
        found = self.store.delivery(one.lead_id, partner)
        assert found is not None
        return found

    def sweep(self, monkeypatch: pytest.MonkeyPatch) -> tuple[list[str], float]:
        """The leads that a run of find_due queues, and how late it says that they are."""
        sent: list[str] = []

        def send_all(queue_url: str, bodies: Sequence[dict[str, Any]]) -> None:
            sent.extend(lead_id for body in bodies for lead_id in body["lead_ids"])

        monkeypatch.setattr(find_due, "send_all", send_all)
        now, partners = self.time(), self.settings.partners
        windows = window_keys(partners, now)
        states = self.states.load(partners, windows)
        intakes = {name: intake_status(partners[name], states[name].counts, now) for name in windows}
        kinds = {name: partner.kind for name, partner in partners.items()}
        find = partial(due_items, self.table)
        number, late = find_due.fill_waiting("queue", states, kinds, find, now, intakes)
        assert bool(number) == bool(sent)
        return sent, late

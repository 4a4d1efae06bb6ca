"""The world of postbacks: a lead whose delivery changes, and a tracker that fails as a test wants."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from leadbridge.domain import delivery as delivery_steps
from leadbridge.domain.delivery import Delivery
from leadbridge.domain.errors.error_codes import ErrorInfo
from leadbridge.domain.errors.partner_errors import PartnerError
from leadbridge.domain.feedback.postback import Postback
from leadbridge.domain.feedback.states import PostbackState
from leadbridge.domain.lead import Lead
from leadbridge.domain.statuses.status_change import change_status
from leadbridge.runtime import aws
from leadbridge.runtime.budget import Budget
from leadbridge.services.feedback.send_feedback import PostbackSender
from leadbridge.services.worker import Result
from leadbridge.settings.sources import TrackerSettings
from leadbridge.storage.feedback.postbacks import DUE_PARTITION, PostbackRepository
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.table import Table
from quality.testkit.fakes.blades import Blade, Ports
from quality.testkit.fixtures import TABLE, Time
from quality.testkit.people import lead

LEAD = lead()
PARTNER, TRACKER = "leadleader", "tracker"
AMPLE = Budget(deadline=90.0, monotonic=lambda: 0.0)
ON = {"submitted": "lead", "approved": "approved", "issued": "sale", "declined": "rejected"}
FEEDBACK = {
    LEAD.source: {TRACKER: TrackerSettings.model_validate({"kind": "url", "on": ON, "payout": {"issued": 25.5}})},
}


@dataclass
class FakeTracker:
    """A tracker that answers with `faults` in turn, and accepts everything after them.

    A fault that `arrives` reaches the tracker although the worker gets the error.
    """

    faults: Iterator[tuple[PartnerError | None, bool]] = field(default_factory=lambda: iter(()))
    received: list[Postback] = field(default_factory=list)
    seconds_per_postback: float = 10.0

    def load(self) -> None:
        """It has its addresses."""

    def send(self, postback: Postback, lead: Lead, kind: str, budget: Budget) -> None:
        error, arrives = next(self.faults, (None, True))
        if arrives:
            self.received.append(postback)
        if error is not None:
            raise error

    @property
    def accepted(self) -> list[str]:
        """The events that it has, each once, in the order of their first arrival."""
        return list(dict.fromkeys(one.event_id for one in self.received))


@dataclass
class World:
    """A lead, its postbacks, and all that has to do with them."""

    store: LeadRepository
    postbacks: PostbackRepository
    time: Time
    tracker: FakeTracker = field(default_factory=FakeTracker)
    dead_letters: list[str] = field(default_factory=list)
    feedback: dict[str, dict[str, TrackerSettings]] = field(default_factory=lambda: FEEDBACK)

    def sender(self, blade: Blade | None = None) -> PostbackSender:
        blade = blade or Blade(at=0)
        return PostbackSender(
            leads=Ports(self.store, blade),
            ledger=Ports(self.postbacks, blade),
            tracker=Ports(self.tracker, blade),
            feedback=self.feedback,
            clock=self.time,
            dead_letter=Ports(self, blade).bury,
            jitter=lambda: 1.0,
        )

    def bury(self, postback: Postback, error: ErrorInfo) -> None:
        self.dead_letters.append(postback.event_id)

    @property
    def delivery(self) -> Delivery:
        found = self.store.delivery(LEAD.lead_id, PARTNER)
        assert found is not None
        return found

    def submit(self) -> Delivery:
        """The partner gets the lead."""
        self.time.pass_(seconds=1)
        started = self.store.apply(delivery_steps.start_attempt(self.delivery, self.time(), timedelta(minutes=1)))
        return self.store.apply(delivery_steps.confirm(started, self.time(), 24, is_followed=True))

    def outcome(self, outcome: str | None, *, final: bool = False, status: str | None = None) -> Delivery:
        """The partner's status has an outcome."""
        self.time.pass_(seconds=1)
        change = change_status(
            self.delivery,
            self.time(),
            status or f"{outcome} {self.time()}",
            outcome=outcome,
            final=final,
            is_followed=True,
        )
        return self.store.apply(change)

    def all(self) -> list[Postback]:
        return self.postbacks.postbacks(LEAD.lead_id)

    def states(self) -> list[tuple[str, PostbackState]]:
        return [(one.event, one.state) for one in self.all()]

    def visit(self, postback: Postback, blade: Blade | None = None, budget: Budget = AMPLE) -> Result:
        return self.sender(blade).process(postback.lead_id, postback.event_id, budget)

    def visit_all(self) -> None:
        """Let the queue bring every postback up once, the newest first."""
        for postback in reversed(self.all()):
            self.visit(postback)

    def settle(self, most: int = 60) -> None:
        """Let the queue and the sweep bring postbacks up until all are settled."""
        for number in range(most):
            if not any(one.is_unsettled for one in self.all()):
                return
            self.time.pass_(seconds=10 if number < 10 else 7200)
            for due in list(self.store.due(DUE_PARTITION, self.time(), 1000)):
                self.sender().process(due.owner, due.name.rpartition("#")[2], AMPLE, overdue=True)
            self.visit_all()
        raise AssertionError(f"postbacks are left over: {self.states()}")

    @property
    def timeline(self) -> list[tuple[str, dict[str, Any]]]:
        journey = self.store.journey(LEAD.lead_id)
        assert journey is not None
        return [(one.what, dict(one.data)) for one in journey.timeline if one.what.startswith("postback_")]


@pytest.fixture
def world(store: LeadRepository, time: Time) -> World:
    store.accept(LEAD, phone_hash=None)
    table = Table(aws.dynamodb(), TABLE)
    return World(LeadRepository(table, FEEDBACK), PostbackRepository(table), time)

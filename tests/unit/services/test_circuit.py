"""The circuit of a partner: what opens it, who probes it, what closes it, and how its leads wait meanwhile."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from leadbridge.domain.admission import Circuit, PartnerState, Pause, Wait, WaitReason, find_wait
from leadbridge.domain.delivery import State
from leadbridge.domain.errors import partner_errors
from leadbridge.domain.errors.error_codes import ErrorCode
from leadbridge.domain.lead import Lead
from leadbridge.runtime import aws
from leadbridge.runtime.budget import Budget
from leadbridge.services import find_due
from leadbridge.services.submission.circuit import CircuitBreaker
from leadbridge.services.submit_lead import Submitter
from leadbridge.services.worker import LEASE_MARGIN, Outcome
from leadbridge.settings import Settings
from leadbridge.settings.sections import CircuitPolicy
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.queries.backlog import BacklogMonitor
from leadbridge.storage.queries.partner_state import PartnerStates
from leadbridge.storage.table import Table
from quality.testkit.fixtures import TABLE, Time
from quality.testkit.people import NOW
from quality.testkit.services.partner_world import AMPLE, PARTNER, PartnerWorld

OPEN_FOR, LONGEST = timedelta(seconds=30), timedelta(minutes=10)


def unavailable(retry_after: float | None = None) -> partner_errors.PartnerError:
    return partner_errors.Unavailable(PARTNER, "create", "HTTP 503", retry_after=retry_after)


def limited(retry_after: float | None = None) -> partner_errors.PartnerError:
    return partner_errors.RateLimited(PARTNER, "create", "HTTP 429", retry_after=retry_after)


@dataclass
class World(PartnerWorld):
    """A partner that answers as the test says, and its circuit."""

    error: partner_errors.PartnerError | None = None
    during: Any = None  # called while the partner is called

    def create(self, submitted: Lead, budget: Budget) -> int:
        if self.during is not None:
            during, self.during = self.during, None
            during()
        if self.error is not None:
            raise self.error
        self.created.append(submitted.lead_id)
        return 24 + len(self.created)

    def submit(self, one: Lead | int, budget: Budget = AMPLE) -> Outcome:
        """Submit a lead, or a new lead with this number."""
        one = self.receive(one) if isinstance(one, int) else one
        settings = self.settings.partners[PARTNER]
        circuit = CircuitBreaker(PARTNER, settings.circuit, self.states, self.time)
        submitter = Submitter(
            self.store, self, settings, self.time, lambda *_: None, circuit=circuit, jitter=lambda: 1.0
        )
        return submitter.process(one.lead_id, PARTNER, budget).outcome

    def open_circuit(self) -> None:
        self.error = unavailable()
        for number in range(101, 106):
            assert self.submit(number) is Outcome.RETRIED
        self.error, self.calls = None, 0
        assert self.state.circuit.opened_until == self.time() + OPEN_FOR


@pytest.fixture
def world(store: LeadRepository, time: Time, shipped_settings: Settings) -> World:
    return World(Table(aws.dynamodb(), TABLE), time, shipped_settings)


def test_it_opens_after_five_failures_and_leads_wait_outside_of_the_queue(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.open_circuit()
    one = world.receive(1)
    assert (world.submit(one), world.calls) == (Outcome.WAITING, 0)
    waiting = world.delivery(one)
    assert (waiting.state, waiting.attempts, waiting.waiting_reason) == (State.RECEIVED, 0, "circuit_open")
    assert waiting.waiting_until == world.time() + OPEN_FOR
    entry = waiting.history[-1].entry
    assert entry.what == "waiting"
    assert entry.data.keys() == {"reason", "until"}
    circuit = world.state.circuit
    assert (circuit.failures, circuit.code, circuit.since) == (5, "unavailable", world.time())
    opened = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "CircuitOpened" in line]
    assert [(line["partner"], line["CircuitOpened"]) for line in opened] == [(PARTNER, [1.0])]


def test_the_failures_of_one_lead_in_a_row_count_once(world: World) -> None:
    world.error = unavailable()
    one = world.receive(1)
    for _ in range(9):
        assert world.submit(one) is Outcome.RETRIED
        world.time.now += timedelta(hours=1)
    assert world.state.circuit.failures == 1


@pytest.mark.parametrize(
    "error",
    [
        partner_errors.Unknown(PARTNER, "create", "the reply was lost", code=ErrorCode.REPLY_LOST),
        partner_errors.Unavailable(PARTNER, "create", "no connection", code=ErrorCode.UNREACHABLE),
        limited(),
        limited(retry_after=29.0),
    ],
)
def test_what_counts(world: World, error: partner_errors.PartnerError) -> None:
    world.error = error
    for number in range(4):
        world.submit(number)
    assert (world.state.circuit.failures, world.state.circuit.is_closed) == (4, True)
    world.submit(5)
    assert not world.state.circuit.is_closed


@pytest.mark.parametrize(
    "error",
    [
        partner_errors.Rejected(PARTNER, "create", "no"),
        partner_errors.Duplicate(PARTNER, "create", "known"),
        partner_errors.Misconfigured(PARTNER, "create", "wrong password"),
        partner_errors.Unauthorized(PARTNER, "create", "wrong token"),
        partner_errors.Unavailable(PARTNER, "authorize", "no secret", code=ErrorCode.SECRET_MISSING),
    ],
)
def test_what_does_not_count(world: World, error: partner_errors.PartnerError) -> None:
    world.error = error
    for number in range(7):
        world.submit(number)
    assert world.state == PartnerState()


def test_an_answer_ends_the_row_of_failures(world: World) -> None:
    for number in range(4):
        world.error = unavailable()
        world.submit(10 * number)
        world.submit(10 * number + 1)
        world.error = None if number % 2 else partner_errors.Rejected(PARTNER, "create", "no")
        world.submit(10 * number + 2)
        assert world.state.circuit == Circuit()


@pytest.mark.parametrize(("seconds", "until"), [(30.0, 30), (299.5, 300), (86_000.0, 600)])
def test_a_retry_after_opens_it_at_once_and_not_for_longer_than_configured(
    world: World, seconds: float, until: int
) -> None:
    world.error = limited(retry_after=seconds)
    world.submit(1)
    assert world.state.circuit.opened_until == world.time() + timedelta(seconds=until)


def test_one_delivery_probes_it_and_a_success_closes_it(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.open_circuit()
    world.time.now += OPEN_FOR
    others = [world.receive(number) for number in (1, 2, 3)]
    outcomes: list[Outcome] = []
    world.during = lambda: outcomes.extend(world.submit(other) for other in others)
    assert world.submit(4) is Outcome.SUBMITTED
    assert (outcomes, world.calls) == ([Outcome.WAITING] * 3, 1)
    assert world.state == PartnerState(admits_since=world.time())
    assert world.submit(others[0]) is Outcome.SUBMITTED
    assert capsys.readouterr().out.count('"CircuitClosed":[1.0]') == 1


def test_two_workers_that_read_it_at_the_same_time_make_one_probe(world: World) -> None:
    world.open_circuit()
    world.time.now += OPEN_FOR
    policy, states = CircuitPolicy(), PartnerStates(world.table)
    seen = world.state.circuit
    permits = [CircuitBreaker(PARTNER, policy, states, world.time).enter(seen, AMPLE) for _ in range(3)]
    assert [permit is not None for permit in permits] == [True, False, False]


def test_a_failed_probe_opens_it_for_twice_as_long_up_to_the_longest(world: World) -> None:
    world.open_circuit()
    lengths = []
    for number in range(7):
        circuit = world.state.circuit
        assert circuit.opened_until is not None
        world.time.now = circuit.opened_until
        world.error = unavailable()
        assert world.submit(number) is Outcome.RETRIED
        after = world.state.circuit
        assert after.opened_until is not None
        assert (after.since, after.probe_until) == (circuit.since, None)
        lengths.append((after.opened_until - world.time()).total_seconds())
    assert lengths == [60, 120, 240, 480, 600, 600, 600]
    world.time.now += LONGEST
    world.error = None
    assert world.submit(8) is Outcome.SUBMITTED
    assert world.state.circuit == Circuit()


def test_a_probe_whose_worker_died_ends_with_its_lease(world: World) -> None:
    world.open_circuit()
    world.time.now += OPEN_FOR
    world.during = lambda: (_ for _ in ()).throw(SystemExit)
    with pytest.raises(SystemExit):
        world.submit(1)
    assert world.submit(2) is Outcome.WAITING
    world.time.now += timedelta(seconds=90) + LEASE_MARGIN
    assert world.submit(3) is Outcome.SUBMITTED


def test_a_late_probe_changes_nothing(world: World) -> None:
    world.open_circuit()
    world.time.now += OPEN_FOR

    def overtake() -> None:
        world.time.now += timedelta(seconds=90) + LEASE_MARGIN
        world.error = unavailable()
        assert world.submit(2) is Outcome.RETRIED
        world.error = None

    world.during = overtake
    world.submit(1)
    assert not world.state.circuit.is_closed


def test_a_probe_without_a_result_lets_the_next_one_start(world: World) -> None:
    world.open_circuit()
    world.time.now += OPEN_FOR
    assert world.submit(1, Budget(deadline=9.0, monotonic=lambda: 0.0)) is Outcome.RETRIED
    assert world.state.circuit.probe_until is None
    assert world.submit(2) is Outcome.SUBMITTED


def test_what_failed_before_it_opened_does_not_prolong_it(world: World) -> None:
    world.error = unavailable()

    def open_it() -> None:
        world.open_circuit()
        world.error = limited(retry_after=500.0)

    world.during = open_it
    world.submit(1)
    assert world.state.circuit.opened_until == world.time() + OPEN_FOR


def test_a_success_without_failures_writes_no_state(world: World) -> None:
    assert world.submit(1) is Outcome.SUBMITTED
    assert PartnerStates(world.table).load([PARTNER]) == {}


def test_waiting_leads_follow_after_the_probe(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.open_circuit()
    leads = [world.receive(number) for number in range(1, 8)]
    for one in leads:
        world.submit(one)
    assert world.sweep(monkeypatch) == ([], 0.0)
    world.time.now += timedelta(days=2)
    candidates, late = world.sweep(monkeypatch)
    assert (len(candidates), late) == (find_due.PROBE_CANDIDATES, 0.0)
    by_id = {one.lead_id: one for one in leads}
    for lead_id in candidates:  # what the check does that queues them
        world.store.defer(world.delivery(by_id[lead_id]), world.time() + timedelta(minutes=15))
    first, *rest = (by_id[lead_id] for lead_id in candidates)
    outcomes: list[Outcome] = []
    world.during = lambda: outcomes.extend(world.submit(other) for other in rest)
    assert (world.submit(first), outcomes) == (Outcome.SUBMITTED, [Outcome.WAITING] * 2)
    world.time.now += timedelta(seconds=60)
    queued, late = world.sweep(monkeypatch)
    assert (set(queued), late) == (by_id.keys() - {first.lead_id}, 60.0)
    assert {world.submit(by_id[lead_id]) for lead_id in queued} == {Outcome.SUBMITTED}


def test_the_wait_is_no_part_of_the_retry_window_and_of_the_backlog(world: World) -> None:
    world.error = limited(retry_after=30.0)
    one = world.receive(1)
    assert world.submit(one) is Outcome.RETRIED
    world.time.now += timedelta(seconds=30)
    world.submit(2)
    world.time.now += timedelta(seconds=20)
    assert world.submit(one) is Outcome.WAITING
    assert BacklogMonitor(world.table).oldest_waiting() == NOW + timedelta(seconds=30), "the first one does not count"
    world.time.now += timedelta(days=30)
    world.error = unavailable()
    assert world.submit(one) is Outcome.RETRIED, "fifty seconds of the window are used, and not a month"
    assert world.delivery(one).retrying_since == world.time() - timedelta(seconds=50)


def test_a_pause_counts_more_than_the_circuit() -> None:
    circuit = Circuit(opened_until=NOW + OPEN_FOR)
    assert find_wait(PartnerState(circuit=circuit), NOW) == Wait(
        WaitReason.CIRCUIT_OPEN, NOW + OPEN_FOR, is_estimate=True
    )
    assert find_wait(PartnerState(circuit=circuit), NOW + OPEN_FOR) is None
    assert find_wait(PartnerState(Pause("holidays", "ann", NOW), circuit), NOW) == Wait(WaitReason.PAUSED)

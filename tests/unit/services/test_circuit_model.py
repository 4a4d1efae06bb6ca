"""The circuit of a partner while workers die, freeze and meet at any step, and the partner comes and goes.

hypothesis draws what happens in which order. After every step no lead was created twice, and at most one probe runs. In
the end, when nothing goes wrong any more, every delivery comes to an end state and the circuit closes.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from unittest.mock import patch

from hypothesis import settings as search
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from leadbridge.domain.admission import Circuit, PartnerState, Pause, find_wait, waiting_partition
from leadbridge.domain.delivery import Delivery, State
from leadbridge.domain.lead import Lead
from leadbridge.domain.transitions import Conflict
from leadbridge.runtime import aws
from leadbridge.runtime.budget import Budget
from leadbridge.services import find_due
from leadbridge.services.submission.circuit import CircuitBreaker
from leadbridge.services.submit_lead import Submitter
from leadbridge.settings import Settings
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.queries.due_items import due_items
from leadbridge.storage.queries.partner_state import PartnerStates
from leadbridge.storage.table import Table
from quality.testkit.aws.clients import shared_session
from quality.testkit.aws.memory_dynamodb import memory_dynamodb
from quality.testkit.aws.memory_stack import CREDENTIALS
from quality.testkit.fakes.blades import Ports
from quality.testkit.fakes.workers import INVOCATION, FaultPlan, Harness, Time, Worker
from quality.testkit.fixtures import TABLE
from quality.testkit.people import lead
from quality.testkit.services.delivery_model import ANSWERS, ENDS
from quality.testkit.template import ROOT, table_definition
from tools.config import read_toml

PARTNER = "leadleader"
SETTINGS = Settings.model_validate(read_toml(ROOT / "config", "prod")).partners[PARTNER]
POLICY = SETTINGS.circuit.model_copy(update={"failures": 2})
LEADS = 4
OUTAGES = ["asked to wait", "never sent", "answer lost, and made", "answer lost, and not made"]
STEPS = st.integers(1, 16)  # the steps of a submission that is the probe
FATES = st.one_of(
    st.just(FaultPlan()),
    st.just(FaultPlan()),
    st.builds(FaultPlan, killed_at=STEPS),
    st.builds(FaultPlan, frozen_at=STEPS),
)


@dataclass
class Lender:
    """A partner without a look-up."""

    harness: Harness
    answers: str = "never sent"
    retry_after: float | None = None
    calls: int = 0
    made: Counter[str] = field(default_factory=Counter)
    seconds_per_submission: float = 15.0
    seconds_per_create: float = 10.0

    def authorize(self, budget: Budget) -> Any:
        self.calls += 1
        return Ports(self, self.harness)

    def create(self, submitted: Lead, budget: Budget) -> int:
        error, is_made = ANSWERS[self.answers]
        self.made[submitted.lead_id] += is_made
        if error is not None:
            raise error(PARTNER, "create", "as the test wants", retry_after=self.retry_after)
        return sum(self.made.values())


class WatchedStates(PartnerStates):
    """Notes the probe that runs, as the table has it, and probes that start beside it."""

    running: tuple[str, datetime] | None = None
    beside: int = 0

    def start_probe(self, partner: str, circuit: Circuit, now: datetime, until: datetime) -> str | None:
        probe = super().start_probe(partner, circuit, now, until)
        if probe is not None:
            self.beside += self.running is not None and self.running[1] > now
            self.running = probe, until
        return probe

    def _write(self, partner: str, expression: str, condition: str, values: dict[str, Any]) -> bool:
        is_written = super()._write(partner, expression, condition, values)
        if is_written and self.running is not None and values.get(":probe") == self.running[0]:
            self.running = None
        return is_written


class CircuitModel(RuleBasedStateMachine):
    """Some leads of one partner, and workers that submit them at the same time."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.stack.enter_context(patch.dict(os.environ, CREDENTIALS))
        self.stack.enter_context(patch.object(aws, "get_session", shared_session))
        self.stack.enter_context(memory_dynamodb())
        aws.reset_clients()
        aws.dynamodb().create_table(**table_definition(TABLE))
        self.time = Time()
        self.harness = Harness(self.time)
        self.table = Table(aws.dynamodb(), TABLE)
        self.store, self.states = LeadRepository(self.table), WatchedStates(self.table)
        self.partner = Lender(self.harness)
        self.leads = [self.receive(number) for number in range(LEADS)]

    def receive(self, number: int) -> Lead:
        one = lead(number, received_at=self.time.now).model_copy(update={"partners": (PARTNER,)})
        self.store.accept(one, phone_hash=None)
        return one

    # What happens

    @rule(answers=st.sampled_from(["taken", "taken", "refused", "a bad token", *OUTAGES]), asks=st.booleans())
    def the_partner_changes(self, answers: str, asks: bool) -> None:
        self.partner.answers = answers
        self.partner.retry_after = 120.0 if asks and answers == "asked to wait" else None

    @rule(number=st.integers(0, LEADS - 1), fault_plan=FATES)
    def a_worker_takes_a_lead(self, number: int, fault_plan: FaultPlan) -> None:
        self.work(self.leads[number].lead_id, fault_plan if len(self.harness.frozen) < 3 else FaultPlan())

    @rule(answers=st.sampled_from(OUTAGES))
    def it_is_down_for_all(self, answers: str) -> None:
        self.partner.answers, self.partner.retry_after = answers, None
        for one in self.leads:
            self.work(one.lead_id)

    @rule(number=st.integers(0, 2))
    def a_frozen_worker_goes_on(self, number: int) -> None:
        if self.harness.frozen:
            self.harness.resume(self.harness.frozen[number % len(self.harness.frozen)])

    @precondition(lambda self: len(self.harness.frozen) < 3)
    @rule(first=st.integers(2, 12), second=FATES, answers=st.sampled_from(["taken", *OUTAGES]))
    def new_leads_meet_at_a_half_open_circuit(self, first: int, second: FaultPlan, answers: str) -> None:
        self.states.resume(PARTNER, self.time.now)
        self.open_until_now()
        self.partner.answers = answers
        met = len(self.harness.frozen)
        for fault_plan in (FaultPlan(frozen_at=first), second):
            self.leads.append(self.receive(len(self.leads)))
            self.work(self.leads[-1].lead_id, fault_plan)
        if len(self.harness.frozen) > met:
            self.harness.resume(self.harness.frozen[met])

    @rule(seconds=st.sampled_from([1, 29, 31, 61, 89, 101, 601, 90_000]))
    def time_passes(self, seconds: int) -> None:
        self.time.advance(seconds)

    @rule(fault_plan=FATES)
    def the_sweep_runs(self, fault_plan: FaultPlan) -> None:
        for lead_id in self.due():
            self.work(lead_id, fault_plan if len(self.harness.frozen) < 3 else FaultPlan())

    @rule(is_paused=st.booleans())
    def an_operator_pauses_or_resumes(self, is_paused: bool) -> None:
        if is_paused:
            self.states.pause(PARTNER, Pause("a test", "olena", self.time.now))
        else:
            self.states.resume(PARTNER, self.time.now)

    # What must hold

    @invariant()
    def no_lead_is_created_twice(self) -> None:
        assert all(number <= 1 for number in self.partner.made.values())

    @invariant()
    def one_probe_runs_at_a_time(self) -> None:
        assert self.states.beside == 0

    @invariant()
    def the_circuit_is_whole(self) -> None:
        circuit = self.state.circuit
        if circuit.is_closed:
            assert (circuit.since, circuit.open_for, circuit.probe_until) == (None, timedelta(), None)
        else:
            assert circuit.since is not None
            assert circuit.code is not None
            assert POLICY.open_for <= circuit.open_for <= POLICY.longest
            assert circuit.opened_until is not None
            assert circuit.opened_until <= self.time.now + circuit.open_for

    @invariant()
    def what_waits_is_found_when_the_partner_gets_leads_again(self) -> None:
        waiting = {one.lead_id for one in self.leads if self.delivery(one).waits_for_partner}
        far = self.time.now + timedelta(days=1000)
        assert {item.owner for item in due_items(self.table, waiting_partition(PARTNER), far, 100)} == waiting

    def teardown(self) -> None:
        """Nothing goes wrong any more."""
        with self.stack:
            while self.harness.frozen:
                self.harness.resume(self.harness.frozen[0], kill=True)
            self.partner.answers = "taken"
            self.states.resume(PARTNER, self.time.now)
            for _ in range(8):
                self.time.advance(25_000)
                for lead_id in self.due():
                    self.work(lead_id)
            assert {self.delivery(one).state for one in self.leads} <= ENDS
            last = self.receive(len(self.leads))
            self.work(last.lead_id)
            assert self.delivery(last).state is State.SUBMITTED
            assert self.state.circuit == Circuit()
            self.no_lead_is_created_twice()
        aws.reset_clients()

    # How it happens

    def open_until_now(self) -> None:
        """Open the circuit if it is closed, and let the time pass until it is half-open."""
        if self.state.circuit.is_closed:
            self.states.open_circuit(PARTNER, self.time.now, POLICY.open_for, "unavailable")
        until = self.state.circuit.blocked_until(self.time.now)
        if until is not None:
            self.time.now = until

    @property
    def state(self) -> PartnerState:
        return self.states.load([PARTNER]).get(PARTNER, PartnerState())

    def delivery(self, one: Lead) -> Delivery:
        found = self.store.delivery(one.lead_id, PARTNER)
        assert found is not None
        return found

    def due(self) -> list[str]:
        """What the sweep queues, with its check put off as the worker of the checks does."""
        sent = [item.owner for item in due_items(self.table, PARTNER, self.time.now, 100)]

        def send_all(queue_url: str, bodies: Sequence[dict[str, Any]]) -> None:
            sent.extend(lead_id for body in bodies for lead_id in body["lead_ids"])

        states, find = {PARTNER: self.state}, partial(due_items, self.table)
        with patch.object(find_due, "send_all", send_all):
            find_due.fill_waiting("queue", states, {PARTNER: SETTINGS.kind}, find, self.time.now)
        for one in (one for one in self.leads if one.lead_id in sent):
            if (delivery := self.delivery(one)).is_waiting:
                self.store.defer(delivery, self.time.now + timedelta(minutes=15))
        return sent

    def work(self, lead_id: str, fault_plan: FaultPlan = FaultPlan()) -> None:  # noqa: B008 - it is immutable
        states = Ports(self.states, self.harness)
        submitter = Submitter(
            ledger=Ports(self.store, self.harness),
            partner=Ports(self.partner, self.harness),
            settings=SETTINGS,
            clock=lambda: self.time.now,
            dead_letter=lambda *_: None,
            circuit=CircuitBreaker(PARTNER, POLICY, states, lambda: self.time.now),
            jitter=lambda: 1.0,
        )
        budget = Budget(self.time.seconds() + INVOCATION, monotonic=self.time.seconds)
        calls, gets_none = self.partner.calls, find_wait(self.state, self.time.now) is not None
        run = partial(submitter.process, lead_id, PARTNER, budget)
        self.harness.work(Worker(self.time.seconds(), fault_plan, run, self.it_may_only_be_overtaken))
        assert not gets_none or self.partner.calls == calls, "a partner that gets no leads is not called"

    @staticmethod
    def it_may_only_be_overtaken(worker: Worker) -> None:
        assert worker.error is None or isinstance(worker.error, Conflict), worker.error


TestCircuit = CircuitModel.TestCase
TestCircuit.settings = search(max_examples=25, stateful_step_count=20, deadline=None)


def test_a_probe_that_is_frozen_until_its_lease_ends_is_followed_by_another() -> None:
    model = CircuitModel()
    model.it_is_down_for_all("never sent")
    model.open_until_now()
    model.a_worker_takes_a_lead(0, FaultPlan(frozen_at=9))
    assert model.state.circuit.probe_until is not None
    model.a_worker_takes_a_lead(1, FaultPlan())
    assert model.states.beside == 0
    model.time_passes(101)
    model.partner.answers = "taken"
    model.a_worker_takes_a_lead(2, FaultPlan())
    assert model.state.circuit == Circuit()
    model.teardown()

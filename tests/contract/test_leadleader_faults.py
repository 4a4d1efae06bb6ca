"""Lead Leader's contract, everything that can go wrong: what the client calls it, and where it leaves a delivery."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from leadbridge.domain.delivery import Delivery, State, confirm, new_delivery, start_attempt
from leadbridge.domain.errors.error_codes import ErrorCode
from leadbridge.domain.errors.partner_errors import (
    PartnerError,
    RateLimited,
    Rejected,
    Unauthorized,
    Unavailable,
    Unknown,
)
from leadbridge.services import check_status, submit_lead
from leadbridge.services.worker import Outcome, Result
from leadbridge.settings import Partner, RetryPolicy
from quality.testkit.clients.leadleader import PARTNER, SETTINGS, Clock, Operation, World, budget, lead
from quality.testkit.clients.leadleader_faults import Broken, Meaning, bytes_sent, rows
from quality.testkit.clients.raw_server import with_length
from quality.testkit.fakes.ledgers import Ledger
from quality.testkit.services.checks import check_one

# Retries that are spent with the second visit.
RETRY = RetryPolicy.model_construct(
    first_delay=timedelta(seconds=18), longest_delay=timedelta(minutes=1), give_up_after=timedelta(seconds=18)
)
HASTY = SETTINGS.model_copy(update={"retry": RETRY})

# Where one visit leaves a delivery, by what befell it.
AFTER_ONE_VISIT: dict[Meaning, State] = {
    None: State.SUBMITTED,
    Unavailable: State.RECEIVED,
    RateLimited: State.RECEIVED,
    Unauthorized: State.RECEIVED,
    Rejected: State.REJECTED,
    Unknown: State.UNKNOWN,
}
# Where it ends if the fault passes, and if it never does.
IN_THE_END = {state: state for state in State} | {State.RECEIVED: State.SUBMITTED}
IN_THE_END_OF_ALL_RETRIES = IN_THE_END | {State.RECEIVED: State.FAILED}

SUBMITTING = pytest.mark.parametrize(("operation", "broken", "meaning"), rows("authorize", "create"))
CHECKING = pytest.mark.parametrize(("operation", "broken", "meaning"), rows("authorize", "status"))


@dataclass
class Flow:
    """One lead on its way, with all of the flow that is not AWS."""

    world: World
    settings: Partner = HASTY
    ledger: Ledger = field(default_factory=Ledger)
    clock: Clock = field(default_factory=Clock)
    dead_letters: list[ErrorCode] = field(default_factory=list)

    @property
    def delivery(self) -> Delivery:
        delivery = self.ledger.delivery("ld_1", PARTNER)
        assert delivery is not None
        return delivery

    def visit(self) -> Result:
        submitter = submit_lead.Submitter(
            self.ledger,
            self.world.client(),
            self.settings,
            self.clock,
            lambda delivery, error: self.dead_letters.append(error.code),
            jitter=lambda: 1.0,
        )
        return submitter.process("ld_1", PARTNER, budget())

    def visit_to_the_end(self) -> None:
        """Come again as often as told, and once more than that."""
        for _ in range(20):
            visit = self.visit()
            if visit.retry_after is None:
                break
            self.clock.now += visit.retry_after
        else:
            pytest.fail("it comes again for ever")
        self.clock.now += timedelta(days=1)
        assert self.visit().outcome is Outcome.NO_ACTION

    def look(self) -> Result:
        checker = check_status.Checker(
            self.ledger, check_status.StatusByDeal(self.world.client()), self.settings, self.clock, jitter=lambda: 1.0
        )
        self.clock.now = max(self.clock.now, self.delivery.due_at or self.clock.now)
        return check_one(checker, "ld_1", PARTNER, budget(), at_once=True)


@pytest.fixture
def flow(world: World) -> Flow:
    flow = Flow(world)
    flow.ledger.accept(lead())
    return flow


@pytest.fixture
def submitted(flow: Flow) -> Flow:
    """A flow whose lead is a deal already."""
    deal_id = flow.world.client().authorize(budget()).create(lead(), budget())
    delivery = new_delivery("ld_1", PARTNER, "web", flow.clock.now)
    delivery = start_attempt(delivery, flow.clock.now, timedelta(minutes=1)).after
    flow.ledger.put(confirm(delivery, flow.clock.now, deal_id, is_followed=True).after)
    return flow


def assert_meant(error: PartnerError | None, meaning: Meaning, operation: Operation) -> None:
    """Exactly this error, of this operation; none where there is no meaning."""
    if meaning is None:
        assert error is None
    else:
        assert error is not None
        assert (type(error), error.operation) == (meaning, operation)


def assert_at_most_one_deal(flow: Flow) -> None:
    """At most one deal was made and a submitted delivery knows it; an unknown one was sent once; tokens differ."""
    deals = [deal["deal_id"] for deal in flow.world.remote.rows("leadleader/deals")]
    assert len(deals) <= 1
    if flow.delivery.state is State.SUBMITTED:
        assert deals == [flow.delivery.deal_id]
    if flow.delivery.state is State.UNKNOWN:
        assert flow.delivery.attempts == 1
        assert len(flow.world.remote.calls(PARTNER, "create")) <= 1
    shown = flow.world.tokens_shown()
    assert len(set(shown)) == len(shown)


@SUBMITTING
def test_each_fault_of_a_submission_to_one_of_two_lenders_has_its_meaning_and_passes(
    flow: Flow, other_lender: World, operation: Operation, broken: Broken, meaning: Meaning
) -> None:
    broken.begin(flow.world, operation)
    with ThreadPoolExecutor(1) as pool:
        at_the_other = pool.submit(lambda: other_lender.client().authorize(budget()).create(lead(), budget()))
        visit = flow.visit()
        deal_id = at_the_other.result()
    assert [deal["deal_id"] for deal in flow.world.remote.at(other_lender.partner).rows("deals")] == [deal_id]
    assert_meant(visit.error, meaning, operation)
    after_one = AFTER_ONE_VISIT[meaning]
    assert flow.delivery.state is after_one
    assert (
        (flow.delivery.next_attempt_at is not None) == (after_one is State.RECEIVED) == (visit.retry_after is not None)
    )
    assert (flow.delivery.last_error is None) == (meaning is None)

    flow.world.repair()
    flow.visit_to_the_end()
    assert flow.delivery.state is IN_THE_END[after_one]
    assert flow.dead_letters == []
    assert_at_most_one_deal(flow)


@SUBMITTING
def test_a_delivery_comes_to_an_end_even_if_the_fault_never_passes(
    flow: Flow, operation: Operation, broken: Broken, meaning: Meaning
) -> None:
    broken.begin(flow.world, operation)
    flow.visit_to_the_end()
    assert flow.delivery.state is IN_THE_END_OF_ALL_RETRIES[AFTER_ONE_VISIT[meaning]]
    assert len(flow.dead_letters) == (flow.delivery.state is State.FAILED)
    assert flow.delivery.due_at is None or flow.delivery.state is State.SUBMITTED
    assert_at_most_one_deal(flow)


@CHECKING
def test_each_fault_of_a_check_has_its_meaning_changes_nothing_and_passes(
    submitted: Flow, operation: Operation, broken: Broken, meaning: Meaning
) -> None:
    before = submitted.delivery
    broken.begin(submitted.world, operation)
    look = submitted.look()
    assert_meant(look.error, meaning, operation)
    if meaning is not None:
        assert look.outcome is Outcome.CHECK_FAILED
        kept = submitted.delivery
        assert (kept.state, kept.version, kept.deal_id) == (State.SUBMITTED, before.version, before.deal_id)
        assert look.error is not None
        if check_status.is_of_partner(look.error):
            assert kept == before, "the batch returns to the queue, and no deal is to blame"
        else:
            assert (kept.checks_failed, kept.last_error) == (1, look.error.text)
            assert kept.due_at is not None
            assert kept.due_at > submitted.clock.now

    submitted.world.repair()
    submitted.look()
    assert submitted.delivery.partner_status == "В обробці"
    assert submitted.delivery.checks_failed == 0
    assert submitted.delivery.last_error is None
    assert_at_most_one_deal(submitted)


@pytest.mark.parametrize("operation", ["authorize", "create"])
def test_a_delivery_waits_as_long_as_the_partner_asks(flow: Flow, operation: Operation) -> None:
    flow.settings = SETTINGS
    flow.world.remote.arm(PARTNER, operation, {"kind": "rate_limit", "retry_after": 60})
    assert flow.visit().retry_after == timedelta(seconds=60)
    flow.clock.now += timedelta(seconds=59)
    assert flow.visit().outcome is Outcome.RETRIED
    assert len(flow.world.remote.calls(PARTNER, "authorize")) == 1


def test_wrong_credentials_fail_a_delivery_at_once(flow: Flow) -> None:
    flow.world.vault.replace(password="wrong")
    flow.visit_to_the_end()
    assert flow.delivery.state is State.FAILED
    assert flow.dead_letters == [ErrorCode.PASSWORD_WRONG]
    assert len(flow.world.remote.calls(PARTNER)) == 1


def test_a_rotation_is_no_reason_for_a_delivery_to_fail(flow: Flow) -> None:
    flow.world.remote.rotate(PARTNER, "password")
    assert flow.visit().outcome is Outcome.SUBMITTED


@pytest.mark.parametrize("before", [[], ["a 503 first"]], ids=["untroubled", "after another failure"])
def test_a_rotation_just_after_the_secret_was_read_heals_with_the_next_visit(flow: Flow, before: list[str]) -> None:
    flow.settings = SETTINGS
    for _ in before:
        flow.world.remote.arm(PARTNER, "authorize", {"kind": "answer", "status": 503})
        flow.clock.now += flow.visit().retry_after or timedelta()
    flow.world.remote.rotate(PARTNER, "password")
    flow.world.vault.just_read = True
    again = flow.visit().retry_after
    assert again is not None
    assert again >= timedelta(seconds=5)

    flow.world.vault.just_read = False
    flow.clock.now += again
    assert flow.visit().outcome is Outcome.SUBMITTED
    assert flow.dead_letters == []


def test_a_status_that_the_settings_call_final_closes_the_delivery(submitted: Flow) -> None:
    assert submitted.look().outcome is Outcome.CHANGED
    assert submitted.look().outcome is Outcome.UNCHANGED
    submitted.world.remote.post(f"leadleader/deals/{submitted.delivery.deal_id or 0}", {"status": "Видано"})
    assert submitted.look().outcome is Outcome.CLOSED
    assert submitted.look().outcome is Outcome.NO_ACTION


def test_an_unknown_status_is_stored_as_it_is(submitted: Flow) -> None:
    submitted.world.remote.post(f"leadleader/deals/{submitted.delivery.deal_id or 0}", {"status": "Чекаємо на довідку"})
    assert submitted.look().outcome is Outcome.CHANGED
    delivery = submitted.delivery
    assert (delivery.partner_status, delivery.outcome) == ("Чекаємо на довідку", None)


@pytest.mark.parametrize(
    "status", [pytest.param("\ud800", id="a lone surrogate"), pytest.param("Я" * 300_000, id="300,000 letters")]
)
def test_a_status_that_the_table_cannot_hold_fails_the_check_and_no_more(submitted: Flow, status: str) -> None:
    """The partner's word is anything at all; it must not make a message that poisons its queue."""
    body = b'{"message": "", "status": "' + status.encode("utf-8", "backslashreplace") + b'"}'
    bytes_sent(with_length(len(body)), body).begin(submitted.world, "status")
    submitted.look()
    assert submitted.delivery.state is State.SUBMITTED

"""The state machine: whatever steps are taken in whatever order, it keeps its promises."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadbridge.domain import delivery as steps
from leadbridge.domain.acceptance.status import LeadStatus
from leadbridge.domain.admission import Wait, WaitReason, wait_for_partner
from leadbridge.domain.delivery import Change, Delivery, State, most_urgent_state, new_delivery
from leadbridge.domain.repeats import wait_for_earlier_lead
from leadbridge.domain.statuses.status_change import change_status, record_account
from leadbridge.domain.transitions import ImpossibleTransition
from quality.testkit.fakes.errors import some_error

START = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
STEPS: dict[str, Callable[[Delivery, datetime], Change]] = {
    "start_attempt": lambda d, now: steps.start_attempt(d, now, HOUR),
    "come_again": lambda d, now: steps.schedule_retry(d, now, some_error("away"), HOUR),
    "wait_for": lambda d, now: wait_for_earlier_lead(d, now, "ld_first", HOUR, due_after=HOUR),
    "wait_for_partner": lambda d, now: wait_for_partner(d, now, Wait(WaitReason.PAUSED)),
    "accepted": lambda d, now: steps.confirm(d, now, 24, is_followed=True),
    "doubt": lambda d, now: steps.mark_uncertain(d, now, some_error("lost"), HOUR),
    "exists": lambda d, now: steps.mark_duplicate(d, now, some_error("theirs")),
    "refused": lambda d, now: steps.reject(d, now, some_error("no")),
    "gave_up": lambda d, now: steps.fail(d, now, some_error("spent")),
    "lost": lambda d, now: steps.mark_unknown(d, now, some_error("lost")),
    "status": lambda d, now: change_status(d, now, "s", outcome=None, final=False, is_followed=True),
    "closed": lambda d, now: change_status(d, now, "f", outcome=None, final=True, is_followed=True),
    "account_found": lambda d, now: record_account(d, now, "a"),
}
RESTING = {State.CLOSED, State.REJECTED, State.DUPLICATE, State.SKIPPED, State.UNKNOWN, State.FAILED}


@given(st.lists(st.sampled_from(sorted(STEPS)), max_size=30))
def test_any_order_of_steps_keeps_the_promises(names: list[str]) -> None:
    delivery = new_delivery("ld_x", "leadleader", "web", START)
    now = START
    for name in names:
        now += timedelta(minutes=1)
        try:
            change = STEPS[name](delivery, now)
        except ImpossibleTransition:
            continue
        before, after = change.before, change.after
        assert not (before.state in RESTING and after.state in {State.RECEIVED, State.SUBMITTING}), "nothing is re-sent"
        assert after.version == before.version + 1
        if after.state is State.SUBMITTED and before.state is State.RECEIVED:
            assert before.is_uncertain, "nobody has what was never sent"
        assert after.attempts >= before.attempts
        assert (after.due_at is not None) == (after.state in {State.RECEIVED, State.SUBMITTING}), "a sweep finds it"
        assert (after.followed_since is not None) == (after.state is State.SUBMITTED), "its status is checked"
        if before.state is after.state is State.SUBMITTED:
            assert after.followed_since == before.followed_since, "its schedule does not begin again"
        assert after.waits_for_partner == (name == "wait_for_partner"), "another step ends the wait"
        assert (after.lease_until is not None) == (after.state is State.SUBMITTING)
        if after.state in {State.SUBMITTED, State.CLOSED}:
            assert after.deal_id == 24
        delivery = after


@pytest.mark.parametrize("state", list(State))
def test_no_flow_leaves_a_final_state_except_for_a_late_answer(state: State) -> None:
    delivery = Delivery("ld_x", "leadleader", "web", START, state=state)
    possible = []
    for name, step in STEPS.items():
        try:
            step(delivery, START)
        except ImpossibleTransition:
            continue
        possible.append(name)
    if state is State.UNKNOWN:
        assert possible == ["accepted", "exists"]
    elif state is State.CLOSED:
        assert possible == ["status", "closed", "account_found"], "a partner may open again what it had closed"
    elif state in RESTING:
        assert possible == []
    else:
        assert possible


@pytest.mark.parametrize("state", [state for state in State if state is not State.RECEIVED])
def test_an_attempt_starts_from_received_and_from_nowhere_else(state: State) -> None:
    with pytest.raises(ImpossibleTransition):
        steps.start_attempt(Delivery("ld_x", "leadleader", "web", START, state=state), START, HOUR)


def test_the_most_urgent_state_represents_the_lead() -> None:
    assert most_urgent_state([State.CLOSED, State.UNKNOWN, State.SUBMITTED]) is State.UNKNOWN
    assert most_urgent_state([]) is State.RECEIVED
    assert {most_urgent_state([state]) for state in State} == set(State)


def test_the_status_of_a_lead_is_a_state_of_its_deliveries_or_incomplete() -> None:
    assert {status.value for status in LeadStatus} == {state.value for state in State} | {"incomplete"}

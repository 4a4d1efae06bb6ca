"""A message's states: whatever steps are taken in whatever order, nothing is said twice and nothing is forgotten."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadbridge.domain import message as steps
from leadbridge.domain.errors.error_codes import ErrorCode
from leadbridge.domain.message import UNSETTLED, Message, MessageChange, MessageState, status_notification
from leadbridge.domain.message_operator_steps import retry_message_by_operator
from leadbridge.domain.transitions import OVERDUE, ImpossibleTransition
from quality.testkit.fakes.errors import some_error

START = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
STEPS: dict[str, Callable[[Message, datetime], MessageChange]] = {
    "start_sending": lambda m, now: steps.start_sending(m, now, HOUR),
    "send_again": lambda m, now: steps.schedule_retry(m, now, some_error("away"), HOUR),
    "wait_until": lambda m, now: steps.wait_until(m, now, now + HOUR),
    "sent": steps.mark_sent,
    "lost": lambda m, now: steps.mark_unknown(m, now, some_error("lost")),
    "gave_up": lambda m, now: steps.fail(m, now, some_error("spent")),
    "no_channel": steps.no_channel,
    "skip": lambda m, now: steps.skip(m, now, "nothing is said of this", ErrorCode.NOT_CONFIGURED),
}
NEW = status_notification("ld_x", "leadleader", 7, "Видано", START)


def possible(message: Message) -> set[str]:
    """The steps that may be taken from here."""
    found = set()
    for name, step in STEPS.items():
        try:
            step(message, START)
        except ImpossibleTransition:
            continue
        found.add(name)
    return found


@given(st.lists(st.sampled_from(sorted(STEPS)), max_size=30))
def test_any_order_of_steps_keeps_the_promises(names: list[str]) -> None:
    message, now, sends = NEW, START, 0
    for name in names:
        now += timedelta(minutes=1)
        try:
            change = STEPS[name](message, now)
        except ImpossibleTransition:
            continue
        before, after = change.before, change.after
        answered = {MessageState.SENT, MessageState.PENDING, MessageState.FAILED}
        assert before.state in UNSETTLED or (before.state is MessageState.UNKNOWN and after.state in answered)
        assert after.version == before.version + 1
        assert after.attempts >= before.attempts
        assert (after.due_at is not None) == (after.state in UNSETTLED), "whatever is not settled wants to be looked at"
        assert after.due_at is None or after.due_at > now
        assert (after.lease_until is not None) == (after.state is MessageState.SENDING)
        assert after.next_attempt_at is None or after.state is MessageState.PENDING
        assert (after.sent_at is not None) == (after.state is MessageState.SENT)
        sends += after.state is MessageState.SENDING
        assert after.attempts >= sends, "every send was counted"
        message = after


@pytest.mark.parametrize("state", [state for state in MessageState if state not in UNSETTLED])
def test_what_is_settled_stays_so_but_for_an_answer_that_came_late(state: MessageState) -> None:
    settled = Message("ld_x", "1", START, state=state)
    answers = {"sent", "send_again", "gave_up"}
    assert possible(settled) == (answers if state is MessageState.UNKNOWN else set())


def test_late_answer_that_nothing_was_sent_counts_no_second_attempt() -> None:
    unknown = steps.mark_unknown(steps.start_sending(NEW, START, HOUR).after, START + HOUR, some_error("lost")).after
    assert steps.schedule_retry(unknown, START + HOUR, some_error("away"), HOUR).after.attempts == 1


def test_a_pending_message_goes_out_only_by_way_of_sending() -> None:
    assert possible(NEW) == set(STEPS) - {"sent", "lost"}
    sending = steps.start_sending(NEW, START, HOUR).after
    assert possible(sending) == {"sent", "lost", "send_again", "gave_up"}


def test_a_send_is_an_attempt_and_its_failure_is_not_a_second_one() -> None:
    sending = steps.start_sending(NEW, START, HOUR).after
    waiting = steps.schedule_retry(sending, START, some_error("slow down"), HOUR).after
    assert (waiting.attempts, waiting.first_attempt_at, waiting.last_error) == (1, START, "slow down")
    assert (waiting.next_attempt_at, waiting.due_at) == (START + HOUR, START + HOUR + OVERDUE)
    looked_up = steps.schedule_retry(waiting, START + HOUR, some_error("away"), HOUR).after
    assert (looked_up.attempts, looked_up.first_attempt_at) == (2, START)


def test_waiting_for_the_morning_is_no_attempt() -> None:
    waiting = steps.wait_until(NEW, START, START + HOUR).after
    assert (waiting.attempts, waiting.first_attempt_at, waiting.next_attempt_at) == (0, None, START + HOUR)


@pytest.mark.parametrize("after", [timedelta(0), timedelta(milliseconds=1), HOUR])
def test_a_lease_holds_until_its_end_and_no_longer(after: timedelta) -> None:
    sending = steps.start_sending(NEW, START, HOUR).after
    assert not NEW.is_lease_expired(START + 2 * HOUR)
    assert sending.is_lease_expired(START + after) == (after >= HOUR)
    assert sending.due_at == sending.lease_until


@given(
    st.tuples(st.integers(0, 10**9), st.integers(1, 999_999)), st.tuples(st.integers(0, 10**9), st.integers(1, 999_999))
)
def test_ids_sort_by_age_and_each_version_has_its_own(one: tuple[int, int], other: tuple[int, int]) -> None:
    def id_of(age: int, version: int) -> str:
        return status_notification("ld_x", "leadleader", version, "s", START + timedelta(milliseconds=age)).message_id

    assert (id_of(*one) < id_of(*other)) == (one < other)


def test_the_timeline_names_the_subject_and_never_the_text() -> None:
    text = Message("ld_x", "1", START, text="Ваш код 1234", account_id="a")
    template = Message("ld_x", "1", START, template_id="t1")
    assert [one.subject for one in (NEW, text, template)] == ["Видано", "an operator's text", "template t1"]
    change = steps.fail(NEW, START, some_error("the token was refused"))
    assert (change.what, change.detail) == ("message_failed", "Видано: the token was refused")


def test_only_steps_that_matter_to_an_operator_have_an_entry() -> None:
    lines = {name: STEPS[name](NEW, START).what for name in sorted(possible(NEW))}
    assert lines == {
        "gave_up": "message_failed",
        "no_channel": "message_no_channel",
        "send_again": None,
        "skip": "message_skipped",
        "start_sending": None,
        "wait_until": "message_delayed",
    }


def at(minutes: int, version: int, partner: str = "leadleader") -> Message:
    return status_notification("ld_x", partner, version, f"s{version}", START + timedelta(minutes=minutes))


def order(*messages: Message) -> list[tuple[str | None, int | None]]:
    return [(one.partner, one.delivery_version) for one in steps.sort_for_sending(messages)]


def test_order_of_a_deliverys_messages_is_that_of_its_versions_whatever_the_clocks_say() -> None:
    ahead, behind, last = at(10, 2), at(0, 3), at(5, 4)
    assert order(last, behind, ahead) == [("leadleader", 2), ("leadleader", 3), ("leadleader", 4)]
    assert (behind.is_newer_than(ahead), ahead.is_newer_than(behind)) == (True, False)


@given(st.lists(st.tuples(st.integers(0, 60), st.sampled_from(["leadleader", "matchtrade"])), max_size=12))
def test_order_between_deliveries_is_one_for_all_and_breaks_no_version_order(made: list[tuple[int, str]]) -> None:
    messages = [at(minutes, number, partner) for number, (minutes, partner) in enumerate(made, 2)]
    ordered = steps.sort_for_sending(messages)
    assert ordered == steps.sort_for_sending(reversed(messages))
    for partner in ("leadleader", "matchtrade"):
        versions = [one.delivery_version for one in ordered if one.partner == partner]
        assert versions == sorted(versions, key=lambda version: version or 0)


def test_message_about_another_delivery_or_of_an_operator_is_never_newer() -> None:
    by_hand = steps.operator_message("ld_x", START, "1", account_id=None, template_id=None, text="x", variables={})
    mirror = steps.status_crm_note("ld_x", "leadleader", 9, "s", START)
    for one in (at(9, 9, "matchtrade"), by_hand, mirror):
        assert not one.is_newer_than(at(0, 2))
        assert not at(0, 2).is_newer_than(one)
    assert not replace(by_hand, message_id="2").is_newer_than(by_hand)


@pytest.mark.parametrize("newer", list(MessageState))
def test_retry_skips_a_message_only_after_a_newer_one_that_may_have_arrived(newer: MessageState) -> None:
    failed = replace(at(0, 2), state=MessageState.FAILED, due_at=None)
    change = retry_message_by_operator(failed, START, "olena", others=[failed, replace(at(1, 3), state=newer)])
    is_skipped = newer in steps.MAY_HAVE_ARRIVED
    assert change.after.state is (MessageState.SKIPPED if is_skipped else MessageState.PENDING)
    assert change.after.last_error_code == (ErrorCode.SUPERSEDED if is_skipped else None)
    assert (change.also is not None) == (newer is MessageState.PENDING)
    if is_skipped:
        assert (change.what, change.after.due_at) == ("message_skipped", None)
        assert "olena" in (change.detail or "")

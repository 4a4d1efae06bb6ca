"""When a message is said: in its turn, and at a decent hour."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from leadbridge.domain import message as steps
from leadbridge.domain.errors import partner_errors
from leadbridge.domain.message import UNSETTLED, Message, MessageState, status_notification
from leadbridge.domain.message_operator_steps import retry_message_by_operator
from leadbridge.domain.transitions import OutOfOrder
from leadbridge.services.worker import MAX_ORDER_POLL, ORDER_POLL, Outcome, Result
from leadbridge.storage.messages import DUE_PARTITION
from quality.testkit.fakes.blades import Blade, Killed
from quality.testkit.people import lead
from quality.testkit.services.messages import LEAD, NIGHT, PARTNER, World, answers, fails, settings, world

__all__ = ["world"]


def test_a_newer_message_waits_for_a_pending_one(world: World) -> None:
    older, newer = world.status("Погоджено"), world.status("Очікує")
    assert world.visit(newer) == Result(Outcome.WAITING, retry_after=ORDER_POLL)
    assert world.messenger.asked == []
    assert world.visit(older).outcome is Outcome.SENT
    assert world.visit(newer).outcome is Outcome.SENT
    assert world.messenger.texts == ["Статус: Погоджено.", "Статус: Очікує."]
    assert world.now_of(newer).attempts == 1, "a turn that is waited for is no attempt"


def test_a_newer_message_waits_for_one_that_is_being_sent(world: World) -> None:
    older, newer = world.status("Погоджено"), world.status("Очікує")
    with pytest.raises(Killed):
        world.visit(older, Blade(at=15))
    assert world.state(older) is MessageState.SENDING
    assert world.visit(newer) == Result(Outcome.WAITING, retry_after=ORDER_POLL)
    world.time.pass_(hours=1)
    assert world.visit(newer) == Result(Outcome.WAITING, retry_after=MAX_ORDER_POLL), (
        "a lost worker still stands before it"
    )
    assert world.visit(older).outcome is Outcome.UNKNOWN
    assert world.visit(newer).outcome is Outcome.SENT


def test_a_newer_message_waits_for_one_that_is_retried(world: World) -> None:
    older, middle, newer = world.status("1"), world.status("2"), world.status("3")
    world.messenger.on_send = answers(fails(partner_errors.RateLimited, retry_after=300.0))
    assert world.visit(older).retry_after == timedelta(seconds=300)
    world.time.pass_(seconds=100)
    assert world.visit(middle) == Result(Outcome.WAITING, retry_after=timedelta(seconds=200))
    assert world.visit(newer) == Result(Outcome.WAITING, retry_after=timedelta(seconds=200))
    world.time.pass_(seconds=200)
    turn = world.visit(newer).retry_after
    assert turn is not None
    assert ORDER_POLL < turn < MAX_ORDER_POLL, "the longer it has waited the less often it looks"
    assert [world.visit(message).outcome for message in (older, middle, newer)] == [Outcome.SENT] * 3
    assert world.messenger.texts == ["Статус: 1.", "Статус: 2.", "Статус: 3."]


@pytest.mark.parametrize("state", [state for state in MessageState if state not in UNSETTLED])
def test_a_settled_message_blocks_no_other(world: World, state: MessageState) -> None:
    world.add(
        replace(status_notification(LEAD.lead_id, PARTNER, 2, "Погоджено", world.time()), state=state, due_at=None)
    )
    newer = world.status("Очікує")
    assert world.visit(newer).outcome is Outcome.SENT
    assert world.messenger.texts == ["Статус: Очікує."]


def test_a_message_waits_only_for_messages_to_the_same_person(world: World) -> None:
    other = lead(2)
    world.store.accept(other, phone_hash=None)
    world.status("Погоджено", other)
    world.by_hand("acc-2", account_id="acc-2", text="Вітаю")
    assert world.visit(world.status("Очікує")).outcome is Outcome.SENT


def test_an_operators_message_does_not_wait_for_notifications(world: World) -> None:
    older, by_hand, newer = world.status("1"), world.by_hand(text="Вітаю"), world.by_hand(text="І ще")
    assert world.visit(newer).outcome is Outcome.WAITING
    for message in (by_hand, newer, older):
        assert world.visit(message).outcome is Outcome.SENT
    assert world.messenger.texts == ["Вітаю", "І ще", "Статус: 1."]


def retry(world: World, message: Message) -> Message:
    others = world.outbox.messages(message.owner)
    return world.outbox.apply(retry_message_by_operator(world.now_of(message), world.time(), "olena", others=others))


def test_retried_message_is_skipped_once_a_newer_one_was_sent(world: World) -> None:
    world.messenger.on_send = answers(fails(partner_errors.Misconfigured), fails(partner_errors.Misconfigured), None)
    older, middle, newer = world.status("1"), world.status("2"), world.status("3")
    for message in (older, middle):
        assert world.visit(message).outcome is Outcome.FAILED
    retry(world, older)
    assert world.visit(newer).outcome is Outcome.WAITING, "the older one is pending again"
    assert world.visit(older).outcome is Outcome.SENT
    assert world.visit(newer).outcome is Outcome.SENT
    assert retry(world, middle).state is MessageState.SKIPPED
    assert world.visit(middle) == Result(Outcome.NO_ACTION)
    assert world.messenger.texts == ["Статус: 1.", "Статус: 3."]


def test_message_that_is_retried_while_a_newer_one_is_being_sent_waits_for_its_outcome(world: World) -> None:
    world.messenger.on_send = answers(fails(partner_errors.Misconfigured))
    older, newer = world.status("1"), world.status("2")
    world.visit(older)
    lease = timedelta(minutes=1)
    world.outbox.apply(steps.start_sending(newer, world.time(), lease))
    retry(world, older)
    assert world.visit(older) == Result(Outcome.WAITING, retry_after=ORDER_POLL)
    world.time.pass_(hours=1)
    assert world.visit(newer).outcome is Outcome.UNKNOWN, "the worker was lost"
    assert world.visit(older).outcome is Outcome.SKIPPED
    assert world.now_of(older).last_error_code == "superseded"
    assert ("message_skipped", {"kind": "notification", "status": "1", "error_code": "superseded"}) in world.facts


def test_worker_that_found_no_older_message_does_not_send_after_the_older_one_is_retried(world: World) -> None:
    """The retry comes between its look at the line and its send."""
    world.messenger.on_send = answers(fails(partner_errors.Misconfigured))
    older, newer = world.status("1"), world.status("2")
    world.visit(older)
    find = world.messenger.find

    def retry_first(person: Any, budget: Any) -> Any:
        world.messenger.find = find  # type: ignore[method-assign]
        retry(world, older)
        return find(person, budget)

    world.outbox.forget(LEAD.lead_id)
    world.messenger.find = retry_first  # type: ignore[method-assign]
    assert world.visit(newer) == Result(Outcome.NO_ACTION)
    assert world.visit(newer).outcome is Outcome.WAITING
    for message in (older, newer):
        assert world.visit(message).outcome is Outcome.SENT
    assert world.messenger.texts == ["Статус: 1.", "Статус: 2."]


def test_retried_message_does_not_go_out_after_a_newer_one_that_the_operator_did_not_read(world: World) -> None:
    """The operator and both workers read the line before anything is written to it."""
    world.messenger.on_send = answers(fails(partner_errors.Misconfigured))
    older = world.status("1")
    world.visit(older)
    read_by_operator = world.outbox.messages(LEAD.lead_id)
    world.status("2")
    lease = timedelta(minutes=1)
    _, newer_read = world.outbox.messages(LEAD.lead_id)
    world.outbox.apply(retry_message_by_operator(read_by_operator[0], world.time(), "olena", others=read_by_operator))
    older_read, _ = world.outbox.messages(LEAD.lead_id)
    sending = world.outbox.apply(steps.start_sending(newer_read, world.time(), lease))
    world.outbox.apply(steps.mark_sent(sending, world.time()))
    with pytest.raises(OutOfOrder):
        world.outbox.apply(steps.start_sending(older_read, world.time(), lease))
    assert world.visit(older).outcome is Outcome.SKIPPED


def test_worker_whose_line_was_used_meanwhile_looks_again_soon(world: World) -> None:
    world.messenger.on_send = answers(fails(partner_errors.Misconfigured))
    older, newer = world.status("1"), world.status("2")
    world.visit(older)
    find = world.messenger.find

    def send_other_first(person: Any, budget: Any) -> Any:
        world.messenger.find = find  # type: ignore[method-assign]
        other = next(one for one in world.outbox.messages(LEAD.lead_id) if one.message_id == third.message_id)
        world.outbox.apply(steps.start_sending(other, world.time(), timedelta(minutes=1)))
        return find(person, budget)

    third = world.status("3")
    world.outbox.forget(LEAD.lead_id)
    world.messenger.find = send_other_first  # type: ignore[method-assign]
    assert world.visit(newer) == Result(Outcome.WAITING, retry_after=ORDER_POLL)
    assert world.state(newer) is MessageState.PENDING
    assert world.messenger.texts == []


def test_order_is_that_of_the_deliverys_versions_though_the_workers_clocks_disagree(world: World) -> None:
    first = world.status("1")
    world.time.pass_(minutes=-10)  # the second worker's clock is behind
    second = world.status("2")
    assert world.visit(second).outcome is Outcome.WAITING
    assert [world.visit(message).outcome for message in (first, second)] == [Outcome.SENT] * 2
    assert world.messenger.texts == ["Статус: 1.", "Статус: 2."]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "again_at", "phone"),
    [
        ("2026-03-01T18:59", None, "+380500000001"),
        ("2026-03-01T19:00", "2026-03-02T06:00", "+380500000001"),
        ("2026-03-01T23:30", "2026-03-02T06:00", "+380500000001"),
        ("2026-03-02T05:58", "2026-03-02T06:00", "+380500000001"),
        ("2026-03-02T06:00", None, "+380500000001"),
        ("2026-03-01T19:30", None, "+48501234567"),
        ("2026-03-01T20:00", "2026-03-02T07:00", "+48501234567"),
        # Kyiv's clocks go forward on 29 March, and back on 25 October
        ("2026-03-28T20:00", "2026-03-29T05:00", "+380500000001"),
        ("2026-10-24T20:00", "2026-10-25T06:00", "+380500000001"),
    ],
)
def test_no_message_is_sent_in_the_quiet_hours_of_the_persons_zone(
    world: World, now: str, again_at: str | None, phone: str
) -> None:
    world.settings = settings(quiet_hours=NIGHT)
    person = lead(2, phone=phone)
    world.store.accept(person, phone_hash=None)
    message = world.status("Погоджено", person)
    world.time.now = at(now)
    visit = world.visit(message)
    if again_at is None:
        assert visit.outcome is Outcome.SENT
        return
    assert visit == Result(Outcome.WAITING, retry_after=at(again_at) - at(now))
    assert world.messenger.asked == []
    world.time.now = at(again_at) - timedelta(seconds=1)
    assert world.visit(message) == Result(Outcome.WAITING, retry_after=timedelta(seconds=1))
    world.time.now = at(again_at)
    assert world.visit(message).outcome is Outcome.SENT
    assert world.now_of(message).attempts == 1


def test_a_night_has_one_line_however_often_the_message_comes(world: World) -> None:
    world.settings = settings(quiet_hours=NIGHT)
    message = world.status("Погоджено")
    world.time.now = at("2026-03-01T20:00")
    for _ in range(5):
        world.visit(message)
        world.time.pass_(minutes=30)
    assert world.timeline == [("message_delayed", "2026-03-02T06:00:00.000Z")]
    assert list(world.store.due(DUE_PARTITION, at("2026-03-02T06:00"), 10)) == [], "it is not missed meanwhile"


def test_what_came_by_night_is_said_in_the_morning_in_order(world: World) -> None:
    world.settings = settings(quiet_hours=NIGHT)
    world.time.now = at("2026-03-01T20:00")
    messages = [world.status(str(number)) for number in range(4)]
    for message in reversed(messages):
        world.visit(message)
    assert world.messenger.sent == []
    world.time.now = at("2026-03-02T06:00")
    world.rounds(*messages)
    assert world.messenger.texts == [f"Статус: {number}." for number in range(4)]


@pytest.mark.parametrize("words", [{"text": "Вітаю"}, {"template_id": "t2"}])
def test_an_operator_may_write_at_night(world: World, words: dict[str, str]) -> None:
    world.settings = settings(quiet_hours=NIGHT)
    world.time.now = at("2026-03-01T20:00")
    assert world.visit(world.by_hand(**words)).outcome is Outcome.SENT
    assert world.visit(world.by_hand("acc-2", account_id="acc-2", **words)).outcome is Outcome.SENT

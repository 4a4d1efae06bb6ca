"""Sending: a worker may die anywhere, a message may come twice, two may work at once; each is said once."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from leadbridge.domain.errors import partner_errors
from leadbridge.domain.lead import Lead
from leadbridge.domain.message import MessageState
from leadbridge.domain.recipient import Contact, Content, Recipient
from leadbridge.runtime.budget import Budget
from leadbridge.services.worker import Outcome, Result
from leadbridge.storage.messages import DUE_PARTITION
from quality.testkit.fakes.blades import Blade, Killed
from quality.testkit.people import lead
from quality.testkit.services.messages import (
    ACCOUNT,
    AMPLE,
    BY_SMS,
    FOR_GOOD,
    NIGHT,
    NOT_SENT,
    PARTNER,
    Answers,
    Messenger,
    World,
    always,
    answers,
    fails,
    settings,
    world,
)

__all__ = ["world"]


def test_a_message_is_said_once_however_often_it_comes(world: World) -> None:
    message = world.status("Погоджено")
    assert world.visit(message) == Result(Outcome.SENT)
    assert world.visit(message) == Result(Outcome.NO_ACTION)
    assert world.messenger.sent == [("acc-1", Content(text="Статус: Погоджено."))]
    kept = world.now_of(message)
    assert (kept.state, kept.attempts, kept.sent_at, kept.due_at) == (MessageState.SENT, 1, world.time(), None)
    assert world.timeline == [("message_sent", "Погоджено")]


def test_a_template_goes_out_as_a_template(world: World) -> None:
    world.visit(world.status("Видано"))
    assert world.messenger.sent == [("acc-1", Content(template_id="t1", variables={"deal": ""}))]


def test_the_language_is_the_one_that_the_messenger_knows(world: World) -> None:
    world.messenger.known = Recipient("acc-1", "en_US")
    world.visit(world.status("Погоджено"))
    world.visit(world.status("Очікує"))
    assert world.messenger.texts == ["Status: Погоджено.", "Status: Очікує."], "and it is remembered with the account"


def known(world: World, of: Lead) -> None:
    world.outbox.remember(of.lead_id, Contact("acc-1"))
    world.messenger = Messenger()


def found(world: World, of: Lead) -> None:
    world.messenger = Messenger(known=ACCOUNT)


def made(world: World, of: Lead) -> None:
    world.messenger = Messenger(makes=ACCOUNT)


def invited(world: World, of: Lead) -> None:
    world.settings = settings(channel=BY_SMS)
    world.messenger = Messenger(invites=True, comes_when_invited=True)


def without_channel(world: World, of: Lead) -> None:
    world.messenger = Messenger()


def held_up_by_a_limit(world: World, of: Lead) -> None:
    limits = [fails(partner_errors.RateLimited, retry_after=1.0), None]
    world.messenger = Messenger(known=ACCOUNT, on_find=iter(limits), on_send=iter(limits))


def refused(world: World, of: Lead) -> None:
    world.messenger = Messenger(known=ACCOUNT, on_send=always(fails(partner_errors.Rejected)))


def unanswered(world: World, of: Lead) -> None:
    world.messenger = Messenger(known=ACCOUNT, on_send=answers(fails(partner_errors.Unknown)))


def at_night(world: World, of: Lead) -> None:
    world.settings = settings(quiet_hours=NIGHT)
    world.time.now = datetime(2026, 3, 2, 20, tzinfo=UTC)
    world.messenger = Messenger(known=ACCOUNT)


def of_no_interest(world: World, of: Lead) -> None:
    world.settings = settings(notifications={PARTNER: {"default": {"on": False}}})


SENT, UNKNOWN = MessageState.SENT, MessageState.UNKNOWN
FAILED, NO_CHANNEL, SKIPPED = MessageState.FAILED, MessageState.NO_CHANNEL, MessageState.SKIPPED


@pytest.mark.parametrize(
    ("scene", "ends", "steps_of_first_visit"),
    [
        # before and after each call, only before one that raises:
        # messages, lead, delivery, the contact and what makes it known, then: the claim, the send, its outcome
        (known, {SENT}, 14),
        (found, {SENT}, 18),
        (made, {SENT}, 22),
        (invited, {SENT, NO_CHANNEL}, 18),
        (without_channel, {NO_CHANNEL}, 18),
        (held_up_by_a_limit, {SENT}, 11),
        (refused, {FAILED}, 19),
        (unanswered, {UNKNOWN}, 17),
        (at_night, {SENT}, 8),
        (of_no_interest, {SKIPPED}, 8),
    ],
)
def test_a_worker_killed_at_any_step_loses_no_message_and_says_none_twice(
    world: World, scene: Callable[[World, Lead], None], ends: set[MessageState], steps_of_first_visit: int
) -> None:
    for step in range(1, steps_of_first_visit + 2):
        person = lead(100 + step)
        world.store.accept(person, phone_hash=None)
        scene(world, person)
        messenger = world.messenger
        message = world.status("Погоджено", person)
        blade = Blade(at=step)
        try:
            world.visit(message, blade)
            died = False
        except Killed:
            died = True
        assert died == (step <= steps_of_first_visit), "the steps tried are all there are"
        at_death = world.state(message)

        world.rounds(message)

        said = len(messenger.sent)
        assert said <= 1
        assert messenger.asked.count("invite") <= 1
        if at_death is MessageState.SENDING:
            assert world.state(message) is UNKNOWN
        else:
            assert world.state(message) in ends
            assert said == (world.state(message) is SENT)
        if world.state(message) is FAILED:
            assert world.dead_letters[-1][0] == message.message_id


def test_behind_a_worker_killed_at_any_step_the_next_message_is_said_in_its_turn(world: World) -> None:
    for step in range(1, 19):
        person = lead(200 + step)
        world.store.accept(person, phone_hash=None)
        world.messenger = Messenger(known=ACCOUNT)
        messages = [world.status(f"крок {number}", person) for number in range(2)]
        with pytest.raises(Killed):
            world.visit(messages[0], Blade(at=step))
        world.rounds(*messages)
        told = [f"Статус: крок {number}." for number in range(2)]
        if world.state(messages[0]) is UNKNOWN:
            assert world.messenger.texts[-1:] == told[1:]
            assert world.messenger.texts in (told, told[1:])
        else:
            assert world.messenger.texts == told


def test_a_lost_worker_is_noticed_when_its_lease_runs_out_and_no_sooner(world: World) -> None:
    message = world.status("Погоджено")
    with pytest.raises(Killed):
        world.visit(message, Blade(at=16))  # after the send
    assert world.state(message) is MessageState.SENDING
    world.time.pass_(seconds=world.messenger.seconds_per_send)
    assert world.visit(message) == Result(Outcome.NO_ACTION)
    assert world.sender().process(message.owner, message.message_id, AMPLE, overdue=True) == Result(Outcome.NO_ACTION)
    world.time.pass_(seconds=10)
    assert [due.name for due in world.store.due(DUE_PARTITION, world.time(), 10)] == [message.message_id]
    assert world.sender().process(message.owner, message.message_id, AMPLE, overdue=True) == Result(Outcome.UNKNOWN)
    assert world.facts == [
        ("message_unknown", {"kind": "notification", "status": "Погоджено", "error_code": "worker_lost"})
    ]
    assert world.messenger.texts == ["Статус: Погоджено."]


def test_message_that_is_overdue_is_sent_by_the_sweep_though_the_bus_carries_nothing(world: World) -> None:
    message = world.status("Погоджено")
    world.time.pass_(minutes=15)
    assert world.sender().process(message.owner, message.message_id, AMPLE, overdue=True) == Result(Outcome.SENT)
    assert world.messenger.texts == ["Статус: Погоджено."]
    world.time.pass_(days=400)
    assert world.sender().process(message.owner, message.message_id, AMPLE, overdue=True) == Result(Outcome.NO_ACTION)


def test_sweep_moves_the_due_time_on_and_makes_no_new_version(world: World) -> None:
    """A new version would be announced: the sweep must not need the way that it secures."""
    message = world.status("Погоджено")
    world.messenger.seconds_per_message = 1000.0  # there is never time to send
    waits = []
    for _ in range(4):
        due_at = world.now_of(message).due_at
        assert due_at is not None
        world.time.now = due_at
        assert world.sender().process(message.owner, message.message_id, AMPLE, overdue=True).outcome is Outcome.WAITING
        after = world.now_of(message).due_at
        assert after is not None
        waits.append((after - due_at) / timedelta(minutes=1))
    assert waits == [15, 30, 60, 120]
    assert world.now_of(message) == replace(message, due_at=after)


def test_due_time_is_not_moved_on_over_a_change(world: World) -> None:
    message = world.status("Погоджено")
    later = world.time() + timedelta(hours=1)
    world.outbox.defer(message, later)
    world.outbox.defer(message, later + timedelta(hours=1))  # another sweep was first
    moved = world.now_of(message)
    assert moved.due_at == later
    world.visit(message)
    world.outbox.defer(moved, later + timedelta(hours=2))
    assert world.now_of(message).due_at is None


@dataclass
class LeaseLost(Messenger):
    """While this one does `when`, another worker visits the same message."""

    when: str = "find"
    other: Callable[[], Result] | None = None
    saw: list[Result] = field(default_factory=list)

    def _asked(self, what: str, says: Answers, budget: Budget) -> None:
        if what == self.when and self.other is not None and not self.saw:
            self.saw.append(self.other())
        super()._asked(what, says, budget)


@pytest.mark.parametrize(
    ("when", "slower", "quicker"),
    [("find", Outcome.NO_ACTION, Outcome.SENT), ("send", Outcome.SENT, Outcome.NO_ACTION)],
)
def test_of_two_workers_at_once_only_one_sends(world: World, when: str, slower: Outcome, quicker: Outcome) -> None:
    message = world.status("Погоджено")
    others = Messenger(known=ACCOUNT)
    slow = LeaseLost(known=ACCOUNT, when=when, other=lambda: world.visit(message))
    world.messenger = others
    sender = replace(world.sender(), messenger=slow)
    assert sender.process(message.owner, message.message_id, AMPLE).outcome is slower
    assert [visit.outcome for visit in slow.saw] == [quicker]
    assert len(others.sent) + len(slow.sent) == 1
    assert world.state(message) is SENT


def test_two_workers_at_once_make_a_person_once(world: World) -> None:
    message = world.status("Погоджено")
    others = Messenger(makes=Recipient("acc-2"))
    slow = LeaseLost(makes=ACCOUNT, when="find", other=lambda: world.visit(message))
    world.messenger = others
    replace(world.sender(), messenger=slow).process(message.owner, message.message_id, AMPLE)
    world.messenger = Messenger()
    world.rounds(message)
    assert world.state(message) is SENT
    assert (others.asked + slow.asked).count("make") == 1


def test_two_workers_at_once_invite_a_person_once(world: World) -> None:
    world.settings = settings(channel=BY_SMS)
    message = world.status("Погоджено")
    others = Messenger(invites=True)
    slow = LeaseLost(invites=True, when="find", other=lambda: world.visit(message))
    world.messenger = others
    replace(world.sender(), messenger=slow).process(message.owner, message.message_id, AMPLE)
    assert (others.asked + slow.asked).count("invite") == 1


@pytest.mark.parametrize("error", [*NOT_SENT, *FOR_GOOD])
def test_of_two_workers_at_once_the_one_that_failed_takes_nothing_back(
    world: World, error: type[partner_errors.PartnerError]
) -> None:
    """While this worker's search fails, another one has said it."""
    message = world.status("Погоджено")
    others = world.messenger
    slow = LeaseLost(when="find", other=lambda: world.visit(message), on_find=answers(fails(error)))
    sender = replace(world.sender(), messenger=slow)
    visit = sender.process(message.owner, message.message_id, AMPLE)
    assert (visit.outcome, visit.retry_after) == (Outcome.NO_ACTION, None)
    assert world.state(message) is SENT
    assert len(others.sent) == 1


def test_an_answer_that_comes_after_the_lease_ran_out_is_still_believed(world: World) -> None:
    message = world.status("Погоджено")

    def sweep() -> Result:
        world.time.pass_(hours=1)
        return world.visit(message)

    slow = LeaseLost(known=ACCOUNT, when="send", other=sweep)
    sender = replace(world.sender(), messenger=slow)
    assert sender.process(message.owner, message.message_id, AMPLE).outcome is Outcome.SENT
    assert [visit.outcome for visit in slow.saw] == [Outcome.UNKNOWN]
    assert world.state(message) is SENT

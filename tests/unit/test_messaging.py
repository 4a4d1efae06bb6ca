"""Sending: a worker may die anywhere, a message may come twice; each is said once, in its turn, at a decent hour."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any

import pytest

from leadbridge import aws, errors
from leadbridge.budget import Budget
from leadbridge.leads import delivery as delivery_steps
from leadbridge.leads.checking import ByDeal, Checker
from leadbridge.leads.checking import Outcome as Looked
from leadbridge.leads.delivery import State
from leadbridge.leads.events import MessageChanged
from leadbridge.leads.lead import Lead, Person
from leadbridge.leads.message import UNSETTLED, Message, MessageState, about_status, by_operator
from leadbridge.leads.messaging import LONGEST_TURN, TURN, Account, Outcome, Sender, Visit
from leadbridge.leads.outbox import DUE_PARTITION, Contact, Outbox
from leadbridge.leads.store import Store
from leadbridge.leads.wording import Content
from leadbridge.partners.http import Transport
from leadbridge.partners.leeloo import Client, Leeloo
from leadbridge.partners.leeloo.messenger import LeelooMessenger
from leadbridge.settings import Settings
from leadbridge.settings.messages import Messages
from leadbridge.shipping import read_toml
from tests.blades import Blade, Killed, Ports
from tests.people import lead
from tests.template import ROOT, template
from tests.unit.conftest import TABLE, Context, Time, queue

LEAD = lead()
AMPLE = Budget(deadline=90.0, monotonic=lambda: 0.0)
PARTNER = "leadleader"
ACCOUNT = Account("acc-1", "uk_UA", "person-1")
TOLD = {
    "default": {"text": {"uk": "Статус: {status}.", "en": "Status: {status}."}},
    "statuses": {"Скасовано": {"on": False}, "Видано": {"template_id": "t1", "variables": {"deal": "{deal_id}"}}},
}
SURELY_NOT_SENT = (errors.Unavailable, errors.RateLimited, errors.Unauthorized)
FOR_GOOD = (errors.Rejected, errors.Misconfigured)

type Answers = Iterator[errors.PartnerError | None]


def settings(**changes: Any) -> Messages:
    """The shipped configuration with a table or two changed; nothing of a lead is mirrored."""
    values: dict[str, Any] = {
        **read_toml(ROOT / "config", "prod")["messages"],
        "quiet_hours": {"on": False, "from": "21:00", "to": "08:00"},
        "time_zones": {"default": "Europe/Kyiv", "+48": "Europe/Warsaw"},
        "channel": {"wait_for_sms": "24h"},
        "retry": {"first_delay": "10s", "longest_delay": "1h", "give_up_after": "24h"},
        "told": {PARTNER: TOLD},
        "mirror": {"on": False},
    }
    return Messages.model_validate(values | changes)


NIGHT = {"on": True, "from": "21:00", "to": "08:00"}
BY_SMS = {"wait_for_sms": "24h", "sms_connection": "c1", "lead_tool": "l1"}


def fails(error: type[errors.PartnerError], **kwargs: Any) -> errors.PartnerError:
    return error("leeloo", "call", "as the test wants", **kwargs)


def always(error: errors.PartnerError) -> Answers:
    while True:
        yield error


def answers(*given: errors.PartnerError | None) -> Answers:
    return iter(given)


@dataclass
class Messenger:
    """A messenger that knows one person or nobody, remembers all it did, and takes nothing that makes no sense."""

    known: Account | None = None
    makes: Account | None = None
    invites: bool = False
    comes_when_invited: bool = False
    on_find: Answers = field(default_factory=answers)
    on_make: Answers = field(default_factory=answers)
    on_invite: Answers = field(default_factory=answers)
    on_send: Answers = field(default_factory=answers)
    asked: list[str] = field(default_factory=list)
    sent: list[tuple[str, Content]] = field(default_factory=list)
    seconds_per_message: float = 20.0
    seconds_per_send: float = 5.0

    def find(self, person: Person, budget: Budget) -> Account | None:
        self._asked("find", self.on_find, budget)
        return self.known

    def make(self, person: Person, budget: Budget) -> Account | None:
        assert self.known is None, "nobody is made twice"
        self._asked("make", self.on_make, budget)
        self.known = self.makes
        return self.makes

    def invite(self, person: Person, budget: Budget) -> bool:
        assert self.known is None, "nobody is invited who is here"
        self._asked("invite", self.on_invite, budget)
        if self.invites and self.comes_when_invited:
            self.known = ACCOUNT
        return self.invites

    def send(self, account_id: str, content: Content, budget: Budget) -> None:
        assert account_id
        assert (content.text is None) != (content.template_id is None), "something is said, in one way"
        self._asked("send", self.on_send, budget)
        self.sent.append((account_id, content))

    def note(self, person_id: str, content: Content, budget: Budget) -> None:
        raise AssertionError("nothing is mirrored here")

    def _asked(self, what: str, says: Answers, budget: Budget) -> None:
        assert budget.allows(self.seconds_per_send)
        self.asked.append(what)
        if error := next(says, None):
            raise error

    @property
    def texts(self) -> list[str | None]:
        """What was said, in order."""
        return [content.text or content.template_id for _, content in self.sent]


@dataclass
class World:
    """A lead, messages to its person, and all that has to do with them."""

    store: Store
    outbox: Outbox
    time: Time
    settings: Messages = field(default_factory=settings)
    messenger: Messenger = field(default_factory=lambda: Messenger(known=ACCOUNT))
    dead_letters: list[tuple[str, str, MessageState]] = field(default_factory=list)
    version: int = 1

    def sender(self, blade: Blade | None = None) -> Sender:
        blade = blade or Blade(at=0)
        return Sender(
            leads=Ports(self.store, blade),
            book=Ports(self.outbox, blade),
            messenger=Ports(self.messenger, blade),
            settings=self.settings,
            clock=self.time,
            dead_letter=Ports(self, blade).bury,
            jitter=lambda: 1.0,
        )

    def bury(self, message: Message, reason: str) -> None:
        self.dead_letters.append((message.message_id, reason, self.now_of(message).state))

    def status(self, status: str, of: Lead = LEAD) -> Message:
        """A new message about a status, a second younger than the last."""
        self.time.pass_(seconds=1)
        self.version += 1
        return self.add(about_status(of.lead_id, PARTNER, self.version, status, self.time()))

    def by_hand(self, owner: str = LEAD.lead_id, account_id: str | None = None, **words: Any) -> Message:
        """A new message in an operator's own words, a second younger than the last."""
        self.time.pass_(seconds=1)
        said = {"template_id": None, "text": None, "variables": {}} | words
        self.version += 1
        return self.add(by_operator(owner, self.time(), str(self.version), account_id=account_id, **said))

    def add(self, message: Message) -> Message:
        assert self.outbox.add(message)
        return message

    def visit(self, message: Message, blade: Blade | None = None, budget: Budget = AMPLE) -> Visit:
        return self.sender(blade).visit(message.owner, message.message_id, budget)

    def now_of(self, message: Message) -> Message:
        """The message as it is now."""
        return next(one for one in self.outbox.messages(message.owner) if one.message_id == message.message_id)

    def state(self, message: Message) -> MessageState:
        return self.now_of(message).state

    def rounds(self, *messages: Message, most: int = 40) -> None:
        """Let the schedule and the queue bring messages up until all are settled, as often as it takes."""
        for number in range(most):
            left = [one for one in self.outbox.messages(messages[0].owner) if one.state in UNSETTLED]
            if not left:
                return
            self.time.pass_(minutes=20 if number < 10 else 120)
            for due in list(self.store.due(DUE_PARTITION, self.time(), 1000)):
                self.sender().announce_again(due.owner, due.name)
            for message in reversed(left):
                self.visit(message)
        raise AssertionError("messages are left over")

    @property
    def timeline(self) -> list[tuple[str, str | None]]:
        journey = self.store.journey(LEAD.lead_id)
        assert journey is not None
        lines = [(entry.what, entry.detail) for entry in journey.timeline]
        return [line for line in lines if line[0].startswith("message_")]


@pytest.fixture
def world(store: Store, time: Time) -> World:
    store.accept(LEAD, phone_hash=None)
    return World(store, Outbox(aws.dynamodb(), TABLE), time)


def test_a_message_is_said_once_however_often_it_comes(world: World) -> None:
    message = world.status("Погоджено")
    assert world.visit(message) == Visit(Outcome.SENT)
    assert world.visit(message) == Visit(Outcome.NOTHING_TO_DO)
    assert world.messenger.sent == [("acc-1", Content(text="Статус: Погоджено."))]
    kept = world.now_of(message)
    assert (kept.state, kept.attempts, kept.sent_at, kept.due_at) == (MessageState.SENT, 1, world.time(), None)
    assert world.timeline == [("message_sent", "Погоджено")]


def test_a_template_goes_out_as_a_template(world: World) -> None:
    world.visit(world.status("Видано"))
    assert world.messenger.sent == [("acc-1", Content(template_id="t1", variables={"deal": ""}))]


def test_the_language_is_the_one_that_the_messenger_knows(world: World) -> None:
    world.messenger.known = Account("acc-1", "en_US")
    world.visit(world.status("Погоджено"))
    world.visit(world.status("Очікує"))
    assert world.messenger.texts == ["Status: Погоджено.", "Status: Очікує."], "and it is remembered with the account"


# --- a worker killed anywhere ---------------------------------------------------------------------------------------


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
    limits = [fails(errors.RateLimited, retry_after=1.0), None]
    world.messenger = Messenger(known=ACCOUNT, on_find=iter(limits), on_send=iter(limits))


def refused(world: World, of: Lead) -> None:
    world.messenger = Messenger(known=ACCOUNT, on_send=always(fails(errors.Rejected)))


def answered_by_nobody(world: World, of: Lead) -> None:
    world.messenger = Messenger(known=ACCOUNT, on_send=answers(fails(errors.Unknown)))


def at_night(world: World, of: Lead) -> None:
    world.settings = settings(quiet_hours=NIGHT)
    world.time.now = datetime(2026, 3, 2, 20, tzinfo=UTC)
    world.messenger = Messenger(known=ACCOUNT)


def of_no_interest(world: World, of: Lead) -> None:
    world.settings = settings(told={PARTNER: {"default": {"on": False}}})


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
        (answered_by_nobody, {UNKNOWN}, 17),
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
    assert world.visit(message) == Visit(Outcome.NOTHING_TO_DO)
    assert world.sender().announce_again(message.owner, message.message_id) == Visit(Outcome.NOTHING_TO_DO)
    world.time.pass_(seconds=10)
    assert [due.name for due in world.store.due(DUE_PARTITION, world.time(), 10)] == [message.message_id]
    assert world.sender().announce_again(message.owner, message.message_id) == Visit(Outcome.UNKNOWN)
    assert world.timeline == [("message_unknown", "Погоджено: the worker was lost while the partner was being called")]
    assert world.messenger.texts == ["Статус: Погоджено."]


def test_what_nobody_brought_up_is_announced_again(world: World) -> None:
    message = world.status("Погоджено")
    sender = world.sender()
    assert sender.announce_again(message.owner, message.message_id) == Visit(Outcome.NOTHING_TO_DO), "not due yet"
    world.time.pass_(minutes=15)
    assert sender.announce_again(message.owner, message.message_id) == Visit(Outcome.ANNOUNCED_AGAIN)
    announced = MessageChanged.of(world.now_of(message))
    assert (announced.state, announced.retry_scheduled) == (MessageState.PENDING, False)
    assert sender.announce_again(message.owner, message.message_id) == Visit(Outcome.NOTHING_TO_DO)
    assert world.visit(message) == Visit(Outcome.SENT)
    world.time.pass_(days=400)
    assert sender.announce_again(message.owner, message.message_id) == Visit(Outcome.NOTHING_TO_DO)


# --- two at once ----------------------------------------------------------------------------------------------------


@dataclass
class Overtaken(Messenger):
    """While this one does `when`, another worker visits the same message."""

    when: str = "find"
    other: Callable[[], Visit] | None = None
    saw: list[Visit] = field(default_factory=list)

    def _asked(self, what: str, says: Answers, budget: Budget) -> None:
        if what == self.when and self.other is not None and not self.saw:
            self.saw.append(self.other())
        super()._asked(what, says, budget)


@pytest.mark.parametrize(
    ("when", "slower", "quicker"),
    [("find", Outcome.NOTHING_TO_DO, Outcome.SENT), ("send", Outcome.SENT, Outcome.NOTHING_TO_DO)],
)
def test_of_two_workers_at_once_only_one_sends(world: World, when: str, slower: Outcome, quicker: Outcome) -> None:
    message = world.status("Погоджено")
    others = Messenger(known=ACCOUNT)
    slow = Overtaken(known=ACCOUNT, when=when, other=lambda: world.visit(message))
    world.messenger = others
    sender = replace(world.sender(), messenger=slow)
    assert sender.visit(message.owner, message.message_id, AMPLE).outcome is slower
    assert [visit.outcome for visit in slow.saw] == [quicker]
    assert len(others.sent) + len(slow.sent) == 1
    assert world.state(message) is SENT


def test_two_workers_at_once_make_a_person_once(world: World) -> None:
    message = world.status("Погоджено")
    others = Messenger(makes=Account("acc-2"))
    slow = Overtaken(makes=ACCOUNT, when="find", other=lambda: world.visit(message))
    world.messenger = others
    replace(world.sender(), messenger=slow).visit(message.owner, message.message_id, AMPLE)
    world.messenger = Messenger()
    world.rounds(message)
    assert world.state(message) is SENT
    assert (others.asked + slow.asked).count("make") == 1


def test_two_workers_at_once_invite_a_person_once(world: World) -> None:
    world.settings = settings(channel=BY_SMS)
    message = world.status("Погоджено")
    others = Messenger(invites=True)
    slow = Overtaken(invites=True, when="find", other=lambda: world.visit(message))
    world.messenger = others
    replace(world.sender(), messenger=slow).visit(message.owner, message.message_id, AMPLE)
    assert (others.asked + slow.asked).count("invite") == 1


@pytest.mark.parametrize("error", [*SURELY_NOT_SENT, *FOR_GOOD])
def test_of_two_workers_at_once_the_one_that_failed_takes_nothing_back(
    world: World, error: type[errors.PartnerError]
) -> None:
    """While this worker's search fails, another one has said it."""
    message = world.status("Погоджено")
    others = world.messenger
    slow = Overtaken(when="find", other=lambda: world.visit(message), on_find=answers(fails(error)))
    sender = replace(world.sender(), messenger=slow)
    visit = sender.visit(message.owner, message.message_id, AMPLE)
    assert (visit.outcome, visit.again) == (Outcome.NOTHING_TO_DO, None)
    assert world.state(message) is SENT
    assert len(others.sent) == 1


def test_an_answer_that_comes_after_the_lease_ran_out_is_still_believed(world: World) -> None:
    message = world.status("Погоджено")

    def sweep() -> Visit:
        world.time.pass_(hours=1)
        return world.visit(message)

    slow = Overtaken(known=ACCOUNT, when="send", other=sweep)
    sender = replace(world.sender(), messenger=slow)
    assert sender.visit(message.owner, message.message_id, AMPLE).outcome is Outcome.SENT
    assert [visit.outcome for visit in slow.saw] == [Outcome.UNKNOWN]
    assert world.state(message) is SENT


# --- one after the other --------------------------------------------------------------------------------------------


def test_a_newer_message_waits_for_a_pending_one(world: World) -> None:
    older, newer = world.status("Погоджено"), world.status("Очікує")
    assert world.visit(newer) == Visit(Outcome.WAITS, again=TURN)
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
    assert world.visit(newer) == Visit(Outcome.WAITS, again=TURN)
    world.time.pass_(hours=1)
    assert world.visit(newer) == Visit(Outcome.WAITS, again=LONGEST_TURN), "a lost worker still stands before it"
    assert world.visit(older).outcome is Outcome.UNKNOWN
    assert world.visit(newer).outcome is Outcome.SENT


def test_a_newer_message_waits_as_long_as_one_that_comes_again(world: World) -> None:
    older, middle, newer = world.status("1"), world.status("2"), world.status("3")
    world.messenger.on_send = answers(fails(errors.RateLimited, retry_after=300.0))
    assert world.visit(older).again == timedelta(seconds=300)
    world.time.pass_(seconds=100)
    assert world.visit(middle) == Visit(Outcome.WAITS, again=timedelta(seconds=200))
    assert world.visit(newer) == Visit(Outcome.WAITS, again=timedelta(seconds=200))
    world.time.pass_(seconds=200)
    turn = world.visit(newer).again
    assert turn is not None
    assert TURN < turn < LONGEST_TURN, "the longer it has waited the less often it looks"
    assert [world.visit(message).outcome for message in (older, middle, newer)] == [Outcome.SENT] * 3
    assert world.messenger.texts == ["Статус: 1.", "Статус: 2.", "Статус: 3."]


@pytest.mark.parametrize("state", [state for state in MessageState if state not in UNSETTLED])
def test_nobody_waits_for_a_message_that_is_settled(world: World, state: MessageState) -> None:
    world.add(replace(about_status(LEAD.lead_id, PARTNER, 2, "Погоджено", world.time()), state=state, due_at=None))
    newer = world.status("Очікує")
    assert world.visit(newer).outcome is Outcome.SENT
    assert world.messenger.texts == ["Статус: Очікує."]


def test_nobody_waits_for_somebody_elses_message(world: World) -> None:
    other = lead(2)
    world.store.accept(other, phone_hash=None)
    world.status("Погоджено", other)
    world.by_hand("acc-2", account_id="acc-2", text="Вітаю")
    assert world.visit(world.status("Очікує")).outcome is Outcome.SENT


def test_an_operators_message_does_not_wait_for_what_is_told_by_itself(world: World) -> None:
    older, by_hand, newer = world.status("1"), world.by_hand(text="Вітаю"), world.by_hand(text="І ще")
    assert world.visit(newer).outcome is Outcome.WAITS
    for message in (by_hand, newer, older):
        assert world.visit(message).outcome is Outcome.SENT
    assert world.messenger.texts == ["Вітаю", "І ще", "Статус: 1."]


# --- at a decent hour -----------------------------------------------------------------------------------------------


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
def test_nobody_is_written_to_at_night_by_their_own_clock(
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
    assert visit == Visit(Outcome.WAITS, again=at(again_at) - at(now))
    assert world.messenger.asked == []
    world.time.now = at(again_at) - timedelta(seconds=1)
    assert world.visit(message) == Visit(Outcome.WAITS, again=timedelta(seconds=1))
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
    assert world.timeline == [("message_waits", "2026-03-02T06:00:00.000Z")]
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


# --- to the right account -------------------------------------------------------------------------------------------


def test_an_account_that_was_found_is_remembered_and_not_looked_for_again(world: World) -> None:
    world.visit(world.status("1"))
    assert world.outbox.contact(LEAD.lead_id) == Contact("acc-1", "person-1", "uk_UA")
    world.messenger.known = None
    world.visit(world.status("2"))
    assert world.messenger.asked == ["find", "send", "send"]
    assert [account_id for account_id, _ in world.messenger.sent] == ["acc-1", "acc-1"]


def test_who_is_not_found_is_made_known_once(world: World) -> None:
    world.messenger = Messenger(makes=Account("acc-new"))
    assert world.visit(world.status("1")).outcome is Outcome.SENT
    assert world.visit(world.status("2")).outcome is Outcome.SENT
    assert world.messenger.asked == ["find", "make", "send", "send"]
    assert world.outbox.contact(LEAD.lead_id) == Contact("acc-new")


def test_who_is_neither_found_nor_made_has_no_channel(world: World) -> None:
    world.messenger = Messenger()
    message = world.status("Погоджено")
    assert world.visit(message) == Visit(Outcome.NO_CHANNEL)
    assert world.timeline == [("message_no_channel", "Погоджено")]
    world.messenger.known = ACCOUNT
    assert world.visit(message) == Visit(Outcome.NOTHING_TO_DO)
    assert world.visit(world.status("Очікує")).outcome is Outcome.SENT, "the next message looks anew"
    assert world.dead_letters == []


def test_an_operators_message_to_an_account_looks_for_nobody(world: World) -> None:
    message = world.by_hand("acc-9", account_id="acc-9", text="Вітаю, {name}!", variables={"name": "Ольго"})
    assert world.visit(message).outcome is Outcome.SENT
    assert world.messenger.asked == ["send"]
    assert world.messenger.sent == [("acc-9", Content(text="Вітаю, Ольго!"))]


def test_an_operators_message_to_a_lead_finds_the_account(world: World) -> None:
    assert world.visit(world.by_hand(template_id="t2", variables={"a": "b"})).outcome is Outcome.SENT
    assert world.messenger.sent == [("acc-1", Content(template_id="t2", variables={"a": "b"}))]


def test_an_invitation_by_sms_is_sent_once_and_waited_for(world: World) -> None:
    world.settings = settings(channel=BY_SMS)
    world.messenger = Messenger(invites=True)
    first, second = world.status("1"), world.status("2")
    for _ in range(12):
        visit = world.visit(first)
        assert visit.outcome is Outcome.WAITS
        assert visit.again is not None
        assert world.visit(second).outcome is Outcome.WAITS
        world.time.now += visit.again
    assert world.messenger.asked.count("invite") == 1
    world.messenger.known = ACCOUNT
    assert world.visit(first).outcome is Outcome.SENT
    assert world.visit(second).outcome is Outcome.SENT
    assert world.messenger.texts == ["Статус: 1.", "Статус: 2."]


@pytest.mark.parametrize("wait_for_sms", ["1h", "24h", "48h"])
def test_who_does_not_come_when_invited_has_no_channel_after_a_while(world: World, wait_for_sms: str) -> None:
    """However long the wait is: nothing went wrong, so there is nothing for an operator to do."""
    world.settings = settings(channel=BY_SMS | {"wait_for_sms": wait_for_sms})
    world.messenger = Messenger(invites=True)
    message = world.status("Погоджено")
    began, visit = world.time(), world.visit(message)
    while visit.again is not None:
        world.time.now += visit.again
        visit = world.visit(message)
    assert visit == Visit(Outcome.NO_CHANNEL)
    wait = world.settings.channel.wait_for_sms
    assert wait <= world.time() - began <= wait + timedelta(hours=1)
    assert world.dead_letters == []
    assert world.visit(world.status("Очікує")) == Visit(Outcome.NO_CHANNEL), "and nobody is asked twice"
    assert world.messenger.asked.count("invite") == 1


def test_an_invitation_after_trouble_is_waited_for_in_full(world: World) -> None:
    world.settings = settings(channel=BY_SMS)
    world.messenger = Messenger(invites=True, on_find=answers(*[fails(errors.Unavailable)] * 12))
    message = world.status("Погоджено")
    visit = world.visit(message)
    while visit.again is not None:
        world.time.now += visit.again
        visit = world.visit(message)
    assert visit == Visit(Outcome.NO_CHANNEL)
    assert world.dead_letters == []


@pytest.mark.parametrize("error", SURELY_NOT_SENT)
def test_an_invitation_that_surely_was_not_sent_is_sent_later(world: World, error: type[errors.PartnerError]) -> None:
    world.settings = settings(channel=BY_SMS)
    world.messenger = Messenger(invites=True, comes_when_invited=True, on_invite=answers(fails(error)))
    message = world.status("Погоджено")
    assert world.visit(message).outcome is Outcome.COMES_AGAIN
    world.rounds(message)
    assert world.state(message) is SENT
    assert world.messenger.asked.count("invite") == 2


def test_an_invitation_whose_fate_nobody_knows_is_not_sent_again(world: World) -> None:
    world.settings = settings(channel=BY_SMS)
    world.messenger = Messenger(invites=True, on_invite=always(fails(errors.Unknown)))
    message = world.status("Погоджено")
    world.rounds(message)
    assert world.messenger.asked.count("invite") == 1
    assert world.state(message) is NO_CHANNEL


@pytest.mark.parametrize("error", [None, *FOR_GOOD])
def test_who_was_not_invited_after_all_is_not_waited_for(world: World, error: type[errors.PartnerError] | None) -> None:
    """Somebody without a phone, or settings that are wrong: the second message is no other than the first."""
    world.settings = settings(channel=BY_SMS)
    world.messenger = Messenger(invites=False, on_invite=iter([fails(error)] * 2 if error else []))
    first = world.visit(world.status("1"))
    assert first.outcome is (Outcome.FAILED if error else Outcome.NO_CHANNEL)
    assert world.visit(world.status("2")).outcome is first.outcome


# --- when it does not work ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [*SURELY_NOT_SENT, errors.Unknown])
@pytest.mark.parametrize("where", ["on_find", "on_make"])
def test_a_failed_search_is_always_repeated(world: World, where: str, error: type[errors.PartnerError]) -> None:
    world.messenger = Messenger(makes=ACCOUNT)
    setattr(world.messenger, where, answers(fails(error)))
    message = world.status("Погоджено")
    visit = world.visit(message)
    assert (visit.outcome, visit.again) == (Outcome.COMES_AGAIN, timedelta(seconds=10))
    kept = world.now_of(message)
    assert (kept.state, kept.attempts, kept.last_error) == (MessageState.PENDING, 1, "as the test wants")
    world.time.pass_(seconds=9)
    assert world.visit(message) == Visit(Outcome.WAITS, again=timedelta(seconds=1))
    world.time.pass_(seconds=20)  # whoever may have made the person keeps the claim for a moment
    assert world.visit(message).outcome is Outcome.SENT
    assert world.now_of(message).attempts == 2


@pytest.mark.parametrize("error", SURELY_NOT_SENT)
def test_a_send_that_surely_was_not_processed_is_repeated(world: World, error: type[errors.PartnerError]) -> None:
    world.messenger.on_send = answers(fails(error), fails(error))
    message = world.status("Погоджено")
    waits = []
    while (visit := world.visit(message)).outcome is Outcome.COMES_AGAIN:
        assert visit.again is not None
        assert isinstance(visit.error, error)
        waits.append(visit.again.total_seconds())
        world.time.now += visit.again
    assert (visit.outcome, waits) == (Outcome.SENT, [10, 20])
    assert len(world.messenger.sent) == 1
    assert world.timeline == [("message_sent", "Погоджено")], "what came right in the end is no news"


def test_retry_after_is_honoured_when_it_is_the_longer_wait_and_to_reason(world: World) -> None:
    waits = [600.0, 1.0, 10.0**9]
    world.messenger.on_send = iter([fails(errors.RateLimited, retry_after=wait) for wait in waits])
    message = world.status("Погоджено")
    assert world.visit(message).again == timedelta(seconds=600)
    world.time.pass_(seconds=600)
    assert world.visit(message).again == timedelta(seconds=20)
    world.time.pass_(seconds=20)
    assert world.visit(message).again == timedelta(hours=24)


def test_after_a_day_of_trying_it_fails_and_an_operator_is_called_first(world: World) -> None:
    world.messenger.on_send = always(fails(errors.Unavailable))
    message = world.status("Погоджено")
    began, visit = world.time(), world.visit(message)
    while visit.again is not None:
        world.time.now += visit.again
        visit = world.visit(message)
    assert visit.outcome is Outcome.FAILED
    assert timedelta(hours=24) <= world.time() - began <= timedelta(hours=25)
    assert world.dead_letters == [(message.message_id, "as the test wants", MessageState.SENDING)]
    assert world.timeline == [("message_failed", "Погоджено: as the test wants")]
    assert world.visit(message) == Visit(Outcome.NOTHING_TO_DO)


@pytest.mark.parametrize("error", FOR_GOOD)
@pytest.mark.parametrize("where", ["on_find", "on_make", "on_send"])
def test_what_cannot_work_fails_at_once_and_an_operator_is_called_first(
    world: World, where: str, error: type[errors.PartnerError]
) -> None:
    world.messenger = Messenger(makes=ACCOUNT)
    setattr(world.messenger, where, answers(fails(error)))
    message = world.status("Погоджено")
    visit = world.visit(message)
    assert visit.outcome is Outcome.FAILED
    assert isinstance(visit.error, error)
    assert world.state(message) is FAILED
    ((buried, reason, state_then),) = world.dead_letters
    assert (buried, reason) == (message.message_id, "as the test wants")
    assert state_then in UNSETTLED, "a word too many is better than one too few"
    assert world.visit(message) == Visit(Outcome.NOTHING_TO_DO)
    assert world.messenger.sent == []


def test_a_lost_reply_to_a_send_is_never_resent(world: World) -> None:
    world.messenger.on_send = answers(fails(errors.Unknown))
    message = world.status("Погоджено")
    assert world.visit(message).outcome is Outcome.UNKNOWN
    for _ in range(5):
        world.time.pass_(hours=5)
        assert world.visit(message) == Visit(Outcome.NOTHING_TO_DO)
        assert world.sender().announce_again(message.owner, message.message_id) == Visit(Outcome.NOTHING_TO_DO)
    assert world.messenger.asked.count("send") == 1
    assert (world.state(message), world.now_of(message).due_at) == (UNKNOWN, None)
    assert world.dead_letters == []


def test_what_nothing_is_said_of_is_skipped(world: World) -> None:
    message = world.status("Скасовано")
    assert world.visit(message) == Visit(Outcome.SKIPPED)
    assert world.messenger.asked == []
    assert world.timeline == [("message_skipped", "Скасовано: nothing is said of this")]


def test_the_words_are_those_of_the_day_on_which_it_is_said(world: World) -> None:
    """A status that was switched off while its message waited is not told."""
    message = world.status("Погоджено")
    world.messenger.on_find = answers(fails(errors.Unavailable))
    world.visit(message)
    world.settings = settings(told={PARTNER: {"default": {"on": False}}})
    world.time.pass_(seconds=10)
    assert world.visit(message) == Visit(Outcome.SKIPPED)


def test_a_message_of_a_lead_that_was_erased_is_skipped(world: World) -> None:
    nobody = lead(7)
    message = world.status("Погоджено", nobody)
    by_hand = world.by_hand(nobody.lead_id, text="Вітаю")
    assert world.visit(message) == Visit(Outcome.SKIPPED)
    assert world.visit(by_hand) == Visit(Outcome.SKIPPED)
    assert world.messenger.asked == []


def test_a_message_that_is_gone_is_let_go(world: World) -> None:
    assert world.sender().visit(LEAD.lead_id, "2026#none", AMPLE) == Visit(Outcome.NOTHING_TO_DO)
    assert world.sender().announce_again("ld_nobody", "2026#none") == Visit(Outcome.NOTHING_TO_DO)


def test_without_time_for_a_whole_message_none_is_begun(world: World) -> None:
    message = world.status("Погоджено")
    brief = Budget(deadline=22.0, reserve=3.0, monotonic=lambda: 0.0)
    assert world.visit(message, budget=brief) == Visit(Outcome.WAITS, again=timedelta())
    assert world.messenger.asked == []


def test_when_the_search_took_all_the_time_nothing_is_sent_in_a_hurry(world: World) -> None:
    moments = iter([0.0])  # there is time at first, and none after the search
    budget = Budget(deadline=24.0, reserve=3.0, monotonic=lambda: next(moments, 20.0))
    message = world.status("Погоджено")
    world.messenger.seconds_per_message = 20.0
    sender = replace(world.sender(), messenger=Patient(known=ACCOUNT))
    assert sender.visit(message.owner, message.message_id, budget) == Visit(Outcome.WAITS, again=timedelta())
    assert world.now_of(message) == message
    assert world.outbox.contact(LEAD.lead_id).account_id == "acc-1", "what was found is kept"


@dataclass
class Patient(Messenger):
    """Looks for people however little time is left."""

    def _asked(self, what: str, says: Answers, budget: Budget) -> None:
        assert what == "find"


# --- where messages come from, and the function ---------------------------------------------------------------------


@dataclass
class Lender:
    """A partner that says the next of its statuses."""

    says: Iterator[str]
    seconds_per_check: float = 10.0

    def status(self, deal_id: int, budget: Budget) -> str:
        return next(self.says)


@pytest.fixture
def deal(world: World) -> World:
    """The lead has become a deal."""
    delivery = world.store.delivery(LEAD.lead_id, PARTNER)
    assert delivery is not None
    started = world.store.apply(delivery_steps.start_attempt(delivery, world.time(), timedelta(minutes=1)))
    world.store.apply(delivery_steps.accepted(started, world.time(), 24, timedelta(minutes=2)))
    return world


def look(world: World, shipped: Settings, lender: Any) -> Looked:
    world.time.pass_(seconds=1)
    checker = Checker(world.store, ByDeal(lender), shipped.partners[PARTNER], world.time)
    return checker.look(LEAD.lead_id, PARTNER, AMPLE, at_once=True).outcome


def test_each_status_from_the_second_on_asks_for_one_message(deal: World, shipped_settings: Settings) -> None:
    said = ["В обробці", "В обробці", "Погоджено", "Погоджено", "В обробці", "Видано", "Видано"]
    lender = Lender(iter(said))
    for _ in said:
        look(deal, shipped_settings, lender)
    messages = deal.outbox.messages(LEAD.lead_id)
    assert [message.partner_status for message in messages] == ["Погоджено", "В обробці", "Видано"]
    assert all(message.state is MessageState.PENDING and message.due_at is not None for message in messages)
    deal.rounds(*messages)
    assert deal.messenger.texts == ["Статус: Погоджено.", "Статус: В обробці.", "t1"]
    assert deal.messenger.sent[-1][1].variables == {"deal": "24"}


def test_two_workers_with_one_answer_ask_for_one_message(deal: World, shipped_settings: Settings) -> None:
    look(deal, shipped_settings, Lender(iter(["В обробці"])))

    class Both(Lender):
        """While this one asks, another worker has noted the same answer."""

        def status(self, deal_id: int, budget: Budget) -> str:
            look(deal, shipped_settings, Lender(iter(["Погоджено"])))
            return "Погоджено"

    assert look(deal, shipped_settings, Both(iter(()))) is Looked.NOTHING_TO_DO
    assert [message.partner_status for message in deal.outbox.messages(LEAD.lead_id)] == ["Погоджено"]


def test_a_status_that_closes_the_deal_is_told_too(deal: World, shipped_settings: Settings) -> None:
    lender = Lender(iter(["В обробці", "Видано"]))
    assert [look(deal, shipped_settings, lender) for _ in range(2)] == [Looked.CHANGED, Looked.CLOSED]
    delivery = deal.store.delivery(LEAD.lead_id, PARTNER)
    assert delivery is not None
    assert delivery.state is State.CLOSED
    assert [message.partner_status for message in deal.outbox.messages(LEAD.lead_id)] == ["Видано"]


@pytest.fixture
def send_message(
    world: World,
    shipped_settings: Settings,
    function: Callable[[str], ModuleType],
    monkeypatch: pytest.MonkeyPatch,
) -> ModuleType:
    """The function, with a messenger of the test's."""
    monkeypatch.setenv("QUEUE_URL", queue("messages"))
    monkeypatch.setenv("DEAD_LETTER_QUEUE_URL", queue("messages-dead"))
    app = function("send_message")
    monkeypatch.setattr(app, "leeloo", lambda timeouts, **api: None)
    monkeypatch.setattr(app, "LeelooMessenger", lambda leeloo, channel: world.messenger)
    return app


def records(*bodies: Any) -> dict[str, Any]:
    return {
        "Records": [
            {"messageId": f"m{number}", "receiptHandle": f"r{number}", "body": json.dumps(body)}
            for number, body in enumerate(bodies)
        ]
    }


def changed(message: Message) -> dict[str, Any]:
    return {"detail-type": "MessageChanged", "detail": MessageChanged.of(message).detail()}


def test_the_function_sends_the_message_that_the_event_names(
    world: World, send_message: ModuleType, context: Context
) -> None:
    message = world.by_hand(text="Вітаю")
    assert send_message.handler(records(changed(message), changed(message)), context) == {"batchItemFailures": []}
    assert world.messenger.texts == ["Вітаю"]


def test_the_function_announces_what_find_due_found(
    world: World, send_message: ModuleType, function: Callable[[str], ModuleType], context: Context
) -> None:
    world.by_hand(text="Вітаю")
    (due,) = world.store.due(DUE_PARTITION, world.time() + timedelta(days=1), 10)
    body = function("find_due").message_body(due)
    assert send_message.handler(records(body), context) == {"batchItemFailures": []}
    (announced,) = world.outbox.messages(LEAD.lead_id)
    assert (announced.state, announced.version) == (MessageState.PENDING, 2)
    assert world.messenger.sent == [], "it is the queue that brings it"


def test_a_dead_letter_says_whose_it_was_and_none_of_the_words(
    world: World, send_message: ModuleType, context: Context
) -> None:
    world.messenger.on_send = answers(fails(errors.Misconfigured))
    message = world.by_hand(text="Ваш код 1234")
    assert send_message.handler(records(changed(message)), context) == {"batchItemFailures": []}
    (letter,) = aws.sqs().receive_message(QueueUrl=send_message.os.environ["DEAD_LETTER_QUEUE_URL"])["Messages"]
    assert json.loads(letter["Body"]) == {
        "lead_id": LEAD.lead_id,
        "message_id": message.message_id,
        "step": "send",
        "reason": "as the test wants",
    }


def test_the_functions_time_is_enough_for_a_whole_message(shipped_settings: Settings) -> None:
    properties = template()["Resources"]["SendMessage"]["Properties"]
    messages = shipped_settings.messages
    leeloo = Leeloo(Client(Transport("leeloo", messages.timeouts), None))  # type: ignore[arg-type]
    messenger = LeelooMessenger(leeloo, messages.channel)
    budget = Budget(deadline=properties["Timeout"] - 5.0, monotonic=lambda: 0.0)  # a cold start takes a few seconds
    assert budget.allows(messenger.seconds_per_message)
    assert messenger.seconds_per_send < messenger.seconds_per_message
    visible = template()["Resources"]["MessageQueue"]["Properties"]["VisibilityTimeout"]
    assert visible >= 6 * properties["Timeout"]


def test_an_account_that_leeloo_no_longer_takes_is_looked_for_once_more(world: World) -> None:
    world.messenger = Messenger(known=ACCOUNT, on_send=answers(fails(errors.Rejected)))
    world.outbox.remember(LEAD.lead_id, Contact("an account of last year"))
    message = world.status("Погоджено")
    visit = world.visit(message)
    assert visit.outcome is Outcome.COMES_AGAIN
    assert visit.again is not None
    world.time.now += visit.again
    assert world.visit(message).outcome is Outcome.SENT
    assert world.messenger.asked == ["send", "find", "send"]


def test_credentials_that_may_just_have_been_changed_are_tried_once_more(world: World) -> None:
    unsure = errors.Misconfigured("leeloo", "call", "as the test wants", retry_after=5.0, certain=False)
    world.messenger = Messenger(known=ACCOUNT, on_find=answers(unsure))
    message = world.status("Погоджено")
    assert world.visit(message).outcome is Outcome.COMES_AGAIN
    world.time.pass_(minutes=1)
    assert world.visit(message).outcome is Outcome.SENT


def test_a_mirror_makes_nobody_and_holds_up_no_message(world: World) -> None:
    world.messenger = Messenger(makes=ACCOUNT)
    told = world.status("Погоджено")
    mirror = replace(told, message_id=f"{told.message_id}#mirror", is_mirror=True)
    assert world.outbox.add(mirror)
    assert world.visit(mirror).outcome is Outcome.SKIPPED
    assert world.messenger.asked == ["find"]
    assert world.visit(told).outcome is Outcome.SENT

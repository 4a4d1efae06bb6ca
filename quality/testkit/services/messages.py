"""The world of a message: its lead, a messenger that says what a test wants, and all that brings messages up."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from leadbridge.domain.errors import partner_errors
from leadbridge.domain.errors.error_codes import ErrorInfo
from leadbridge.domain.lead import Lead, Person
from leadbridge.domain.message import UNSETTLED, Message, MessageState, operator_message, status_notification
from leadbridge.domain.recipient import Content, Recipient
from leadbridge.runtime import aws
from leadbridge.runtime.budget import Budget
from leadbridge.services.send_message import Sender
from leadbridge.services.worker import Result
from leadbridge.settings.messages import MessageSettings
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.messages import DUE_PARTITION, MessageRepository
from leadbridge.storage.table import Table
from quality.testkit.fakes.blades import Blade, Ports
from quality.testkit.fixtures import TABLE, Time
from quality.testkit.people import lead
from quality.testkit.template import ROOT
from tools.config import read_toml

LEAD = lead()
AMPLE = Budget(deadline=90.0, monotonic=lambda: 0.0)
PARTNER = "leadleader"
ACCOUNT = Recipient("acc-1", "uk_UA", "person-1")
NOTIFICATIONS = {
    "default": {"text": {"uk": "Статус: {status}.", "en": "Status: {status}."}},
    "statuses": {"Скасовано": {"on": False}, "Видано": {"template_id": "t1", "variables": {"deal": "{deal_id}"}}},
}
NOT_SENT = (partner_errors.Unavailable, partner_errors.RateLimited, partner_errors.Unauthorized)
FOR_GOOD = (partner_errors.Rejected, partner_errors.Misconfigured)

type Answers = Iterator[partner_errors.PartnerError | None]


def settings(**changes: Any) -> MessageSettings:
    """The shipped configuration with a table or two changed; CRM notes are off."""
    values: dict[str, Any] = {
        **read_toml(ROOT / "config", "prod")["messages"],
        "quiet_hours": {"on": False, "from": "21:00", "to": "08:00"},
        "time_zones": {"default": "Europe/Kyiv", "+48": "Europe/Warsaw"},
        "channel": {"wait_for_sms": "24h"},
        "retry": {"first_delay": "10s", "longest_delay": "1h", "give_up_after": "24h"},
        "notifications": {PARTNER: NOTIFICATIONS},
        "crm_note": {"on": False},
    }
    return MessageSettings.model_validate(values | changes)


NIGHT = {"on": True, "from": "21:00", "to": "08:00"}
BY_SMS = {"wait_for_sms": "24h", "sms_connection": "c1", "lead_tool": "l1"}


def fails(error: type[partner_errors.PartnerError], **kwargs: Any) -> partner_errors.PartnerError:
    return error("leeloo", "call", "as the test wants", **kwargs)


def always(error: partner_errors.PartnerError) -> Answers:
    while True:
        yield error


def answers(*given: partner_errors.PartnerError | None) -> Answers:
    return iter(given)


@dataclass
class Messenger:
    """A messenger that knows at most one person, records all calls, and refuses calls that make no sense."""

    known: Recipient | None = None
    makes: Recipient | None = None
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

    def find(self, person: Person, budget: Budget) -> Recipient | None:
        self._asked("find", self.on_find, budget)
        return self.known

    def make(self, person: Person, budget: Budget) -> Recipient | None:
        assert self.known is None, "no person is made twice"
        self._asked("make", self.on_make, budget)
        self.known = self.makes
        return self.makes

    def invite(self, person: Person, budget: Budget) -> bool:
        assert self.known is None, "a known person is not invited"
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

    store: LeadRepository
    outbox: MessageRepository
    time: Time
    settings: MessageSettings = field(default_factory=settings)
    messenger: Messenger = field(default_factory=lambda: Messenger(known=ACCOUNT))
    dead_letters: list[tuple[str, str, MessageState]] = field(default_factory=list)
    answers: list[tuple[str, int]] = field(default_factory=list)
    version: int = 1

    def sender(self, blade: Blade | None = None) -> Sender:
        blade = blade or Blade(at=0)
        return Sender(
            leads=Ports(self.store, blade),
            ledger=Ports(self.outbox, blade),
            messenger=Ports(self.messenger, blade),
            settings=self.settings,
            clock=self.time,
            dead_letter=Ports(self, blade).bury,
            save_answer=Ports(self, blade).save,
            jitter=lambda: 1.0,
        )

    def bury(self, message: Message, error: ErrorInfo) -> None:
        self.dead_letters.append((message.message_id, error.text, self.now_of(message).state))

    def save(self, message: Message, error: ErrorInfo) -> None:
        self.answers.append((message.message_id, message.attempts))

    def status(self, status: str, of: Lead = LEAD) -> Message:
        """A new message about a status, a second younger than the last."""
        self.time.pass_(seconds=1)
        self.version += 1
        return self.add(status_notification(of.lead_id, PARTNER, self.version, status, self.time()))

    def by_hand(self, owner: str = LEAD.lead_id, account_id: str | None = None, **words: Any) -> Message:
        """A new message in an operator's own words, a second younger than the last."""
        self.time.pass_(seconds=1)
        said = {"template_id": None, "text": None, "variables": {}} | words
        self.version += 1
        return self.add(operator_message(owner, self.time(), str(self.version), account_id=account_id, **said))

    def add(self, message: Message) -> Message:
        assert self.outbox.add(message)
        return message

    def visit(self, message: Message, blade: Blade | None = None, budget: Budget = AMPLE) -> Result:
        return self.sender(blade).process(message.owner, message.message_id, budget)

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
                self.sender().process(due.owner, due.name, AMPLE, overdue=True)
            for message in reversed(left):
                self.visit(message)
        raise AssertionError("messages are left over")

    @property
    def timeline(self) -> list[tuple[str, str | None]]:
        journey = self.store.journey(LEAD.lead_id)
        assert journey is not None
        lines = [(entry.what, entry.detail) for entry in journey.timeline]
        return [line for line in lines if line[0].startswith("message_")]

    @property
    def facts(self) -> list[tuple[str, dict[str, Any]]]:
        """The timeline's entries about messages, by their data."""
        journey = self.store.journey(LEAD.lead_id)
        assert journey is not None
        return [(one.what, dict(one.data)) for one in journey.timeline if one.what.startswith("message_")]


@pytest.fixture
def world(store: LeadRepository, time: Time) -> World:
    store.accept(LEAD, phone_hash=None)
    return World(store, MessageRepository(Table(aws.dynamodb(), TABLE)), time)

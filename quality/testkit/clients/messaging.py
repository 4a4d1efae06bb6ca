"""The messaging flow around Leeloo's real client: a table and a queue in memory, workers, a clock that a test moves.

What is in memory is as strict as what it stands for: writes are conditional and take the way through the table's own
encoding, each is announced as the stream and the rule do it, and the queue brings back what a visit wants again.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from threading import RLock
from typing import Any

from leadbridge.domain.delivery import Change, Delivery, State
from leadbridge.domain.events import MessageChanged
from leadbridge.domain.lead import Lead
from leadbridge.domain.message import UNSETTLED, Message, MessageChange, MessageState
from leadbridge.domain.recipient import Contact
from leadbridge.domain.transitions import Conflict, overdue_wait
from leadbridge.services.ports.messages import Messenger
from leadbridge.services.send_message import Sender
from leadbridge.services.worker import Outcome, Result
from leadbridge.settings.messages import MessageSettings
from leadbridge.storage import items
from leadbridge.storage.messages import message_item, message_of
from quality.testkit.clients.leadleader import Clock
from quality.testkit.clients.leeloo import budget
from quality.testkit.fakes.ledgers import Ledger
from quality.testkit.template import ROOT
from tools.config import read_toml

LENDER = "leadleader"
TICK = timedelta(minutes=1)  # how often the schedule looks for what is due


def settings(**changes: Any) -> MessageSettings:
    """The shipped configuration, but that it says `Статус: {status}.`, at any hour, with tables changed by a test."""
    values: dict[str, Any] = {
        **read_toml(ROOT / "config", "prod")["messages"],
        "quiet_hours": {"on": False, "from": "21:00", "to": "08:00"},
        "notifications": {LENDER: {"default": {"text": {"uk": "Статус: {status}."}}}},
        "crm_note": {"on": False},
    }
    return MessageSettings.model_validate(values | changes)


class Book:
    """Messages and contacts. Listeners are called with each message that is written."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._messages: dict[str, dict[str, items.Item]] = defaultdict(dict)
        self._contacts: dict[str, Contact] = {}
        self._claims: dict[str, tuple[datetime, datetime | None]] = {}
        self.listening: Callable[[Message], None] = lambda _: None

    def add(self, message: Message) -> bool:
        """Store a new message; False if it is here already."""
        with self._lock:
            if message.message_id in self._messages[message.owner]:
                return False
            self._put(message)
            return True

    def apply(self, change: MessageChange, *, retry_for: float = 0.0) -> Message:
        """Write a change; raises Conflict if somebody was quicker."""
        changes = [change] if change.also is None else [change, change.also]
        with self._lock:
            for one in changes:
                kept = self.message(one.after.owner, one.after.message_id)
                if kept is None or kept.version != one.before.version:
                    raise Conflict
            for one in changes:
                self._put(one.after)
            return change.after

    def defer(self, message: Message, due_at: datetime) -> None:
        """Move the time at which a message is due, without an event."""
        with self._lock:
            kept = self.message(message.owner, message.message_id)
            if kept is not None and (kept.version, kept.due_at) == (message.version, message.due_at):
                item = message_item(replace(kept, due_at=due_at))
                self._messages[message.owner][message.message_id] = items.encode(item)

    def message(self, owner: str, message_id: str) -> Message | None:
        """One message."""
        with self._lock:
            item = self._messages[owner].get(message_id)
        return None if item is None else message_of(items.decode(item))

    def messages(self, owner: str) -> list[Message]:
        """All messages of one owner, oldest first."""
        with self._lock:
            found = sorted(self._messages[owner].items())
        return [message_of(items.decode(item)) for _, item in found]

    def contact(self, lead_id: str) -> Contact:
        """What is known of the person's account."""
        with self._lock:
            _, inviting_since = self._claims.get(lead_id, (None, None))
            return self._contacts.get(lead_id, Contact(asked_at=inviting_since))

    def remember(self, lead_id: str, contact: Contact) -> None:
        """Note where the person can be written to."""
        with self._lock:
            if contact.account_id or self.contact(lead_id).account_id is None:
                self._contacts[lead_id] = contact

    def claim(self, lead_id: str, now: datetime, until: datetime, *, to_invite: bool) -> bool:
        """Be the one who makes or invites the person until then."""
        with self._lock:
            claimed_until, inviting_since = self._claims.get(lead_id, (now, None))
            if lead_id in self._contacts or claimed_until > now or inviting_since is not None:
                return False
            self._claims[lead_id] = (until, now if to_invite else None)
            return True

    def forget(self, lead_id: str) -> None:
        """Know nothing of the person's account any more."""
        with self._lock:
            self._claims.pop(lead_id, None)
            self._contacts.pop(lead_id, None)

    def everything(self) -> Iterator[Message]:
        """All messages of all owners."""
        return (message for owner in [*self._messages] for message in self.messages(owner))

    def _put(self, message: Message) -> None:
        self._messages[message.owner][message.message_id] = items.encode(message_item(message))
        self.listening(message)


class Table(Ledger):
    """Leads and deliveries; the messages that a delivery's change asks for are written with it."""

    def __init__(self, book: Book) -> None:
        super().__init__()
        self._book = book

    def deal(self, lead: Lead, deal_id: int) -> None:
        """Store a lead that has become a deal, its status unknown."""
        self.accept(lead)
        at = lead.received_at
        self.put(
            Delivery(
                lead.lead_id,
                LENDER,
                lead.source,
                at,
                state=State.SUBMITTED,
                submitted_at=at,
                deal_id=deal_id,
                due_at=at,
            )
        )

    def apply(self, change: Change, *, retry_for: float = 0.0) -> Delivery:
        """Write a delivery's change with its messages; raises Conflict."""
        written = super().apply(change)
        for message in change.messages:
            self._book.add(message)
        return written


@dataclass
class Queue:
    """Brings each message when it is visible, those of one moment in any order. `receives` counts how often."""

    clock: Clock
    chance: random.Random
    receives: Counter[int] = field(default_factory=Counter)
    _waiting: list[tuple[datetime, int, str, str]] = field(default_factory=list)
    _numbers: count[int] = field(default_factory=count)
    _lock: RLock = field(default_factory=RLock)

    def put(self, owner: str, message_id: str) -> None:
        """Put something in, visible at once."""
        with self._lock:
            heapq.heappush(self._waiting, (self.clock(), next(self._numbers), owner, message_id))

    def put_back(self, number: int, owner: str, message_id: str, after: timedelta) -> None:
        """Let something be seen again `after` from now, in whole seconds as SQS counts."""
        seconds = int(max(0.0, after.total_seconds()) + 0.999)
        with self._lock:
            heapq.heappush(self._waiting, (self.clock() + timedelta(seconds=seconds), number, owner, message_id))

    def take(self) -> list[tuple[int, str, str]]:
        """All that is visible."""
        taken: list[tuple[int, str, str]] = []
        with self._lock:
            while self._waiting and self._waiting[0][0] <= self.clock():
                _, number, owner, message_id = heapq.heappop(self._waiting)
                taken.append((number, owner, message_id))
        self.receives.update(number for number, _, _ in taken)
        self.chance.shuffle(taken)
        return taken

    @property
    def next_at(self) -> datetime | None:
        """When something will be visible."""
        return self._waiting[0][0] if self._waiting else None


@dataclass
class Office:
    """Workers at one queue, and the schedule that looks for what is due. `copies` of each announcement arrive."""

    table: Table
    book: Book
    clock: Clock
    queue: Queue
    senders: Sequence[Sender]
    copies: int = 1
    visits: list[Result] = field(default_factory=list)
    dead_letters: list[str] = field(default_factory=list)
    _ticked_at: datetime | None = None

    @classmethod
    def of(
        cls,
        messengers: Sequence[Messenger],
        configuration: MessageSettings,
        clock: Clock,
        *,
        copies: int = 1,
        seed: int = 1,
    ) -> Office:
        """An office with a worker for each messenger."""
        book, chance = Book(), random.Random(seed)
        table = Table(book)
        dead_letters: list[str] = []
        senders = [
            Sender(
                leads=table,
                ledger=book,
                messenger=messenger,
                settings=configuration,
                clock=clock,
                dead_letter=lambda message, error: dead_letters.append(f"{message.message_id}: {error.text}"),
                jitter=chance.random,
            )
            for messenger in messengers
        ]
        office = cls(table, book, clock, Queue(clock, chance), senders, copies, dead_letters=dead_letters)
        book.listening = office.announce
        return office

    def announce(self, message: Message) -> None:
        """What the stream and the rule do with each message that is written."""
        changed = MessageChanged.of(message)
        if changed.state is MessageState.PENDING and not changed.retry_scheduled:
            for _ in range(self.copies):
                self.queue.put(changed.owner, changed.message_id)

    def work(self) -> int:
        """Have the workers visit all that is visible now, side by side; return how much it was."""
        batch = self.queue.take()
        workers = len(self.senders)
        shares = [(sender, batch[number::workers]) for number, sender in enumerate(self.senders)]
        if workers == 1:
            done = [_visited(*shares[0])]
        else:
            with ThreadPoolExecutor(workers) as pool:
                done = list(pool.map(lambda share: _visited(*share), shares))
        for share, visits in zip(shares, done, strict=True):
            for (number, owner, message_id), visit in zip(share[1], visits, strict=True):
                self.visits.append(visit)
                if visit.retry_after is not None:
                    self.queue.put_back(number, owner, message_id, visit.retry_after)
        return len(batch)

    def work_until_all_is_settled(self, longest: timedelta) -> timedelta:
        """Let time pass from one thing that happens to the next; return how long it took."""
        began = self.clock()
        while self.work() or self._unsettled():
            assert self.clock() - began <= longest, "messages are left over"
            next_at = self.queue.next_at or self.clock() + TICK
            self.clock.now = max(self.clock(), next_at)
            self._tick()
        return self.clock() - began

    def outcomes(self) -> Counter[Outcome]:
        """What the visits came to."""
        return Counter(visit.outcome for visit in self.visits)

    def _unsettled(self) -> bool:
        return any(message.state in UNSETTLED for message in self.book.everything())

    def _tick(self) -> None:
        now = self.clock()
        if self._ticked_at is not None and now - self._ticked_at < TICK:
            return
        self._ticked_at = now
        for message in self.book.everything():
            if message.due_at is not None and message.due_at <= now:
                if message.state is MessageState.PENDING:
                    self.book.defer(message, now + overdue_wait(message.waiting_since, now))
                self.queue.put(message.owner, message.message_id)


def _visited(sender: Sender, share: Sequence[tuple[int, str, str]]) -> list[Result]:
    return [sender.process(owner, message_id, budget(1000)) for _, owner, message_id in share]

"""The state in memory: people, channels, messages, orders, and how the API shows each."""

import itertools
import secrets
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from devstack.sandbox.leeloo import company
from devstack.sandbox.leeloo.company import Offer, PaymentCredit, Tunnel
from devstack.sandbox.partner import Clock, Rows, rfc3339

MANUAL = "MANUAL"
RESOLVED = "RESOLVED"
NOT_DEFINED = "NOT_DEFINED"


@dataclass(frozen=True, slots=True)
class Message:
    """A sent message, rendered. `number` counts all messages; `at` is in seconds since the epoch."""

    id: str
    number: int
    at: float
    account: "Account"
    text: str
    template_id: str | None
    variables: Mapping[str, str] | None

    def as_row(self) -> dict[str, Any]:
        at = rfc3339(self.at)
        return {"id": self.id, "text": self.text, "type": "OUT", "read": False, "createdAt": at, "updatedAt": at}

    def as_json(self) -> dict[str, Any]:
        """The message in the control."""
        return {
            "number": self.number,
            "message_id": self.id,
            "at": rfc3339(self.at),
            "account_id": self.account.id,
            "from": self.account.kind,
            "person_id": self.account.person.id,
            "phone": self.account.person.phone,
            "text": self.text,
            "template_id": self.template_id,
            "variables": self.variables,
        }


@dataclass(slots=True)
class Account:
    """A person's channel. `kind` is `from` in the API. The chat is oldest first."""

    id: str
    person: "Person"
    kind: str
    connection_id: str | None
    created_at: float
    last_message_at: float | None = None
    chat: deque[Message] = field(default_factory=deque)

    @property
    def status(self) -> str:
        return NOT_DEFINED if self.connection_id is None else "ACTIVE"

    def as_row(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "person_id": self.person.id,
            "name": self.person.name,
            "from": self.kind,
            "botStatus": self.status,
            "lastMessageTime": _instant(self.last_message_at),
            "createdAt": rfc3339(self.created_at),
            "utmMarks": {},
        }

    def as_json(self) -> dict[str, Any]:
        """The channel as a part of its person."""
        return {
            "account_id": self.id,
            "connection_id": self.connection_id,
            "connection_status": self.status,
            "from": self.kind,
        }


@dataclass(slots=True)
class Order:
    """The price is the offer's until an update changes it."""

    id: str
    person: "Person"
    offer: Offer
    payment: PaymentCredit
    price: Decimal
    currency: str
    created_at: float
    updated_at: float
    status: str = "OPENED"

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "title": self.offer.title,
            "price": number(self.price),
            "currency": self.currency,
            "status": self.status,
            "createdAt": rfc3339(self.created_at),
            "updatedAt": rfc3339(self.updated_at),
        }


@dataclass(slots=True)
class Person:
    """A person may have several channels. `subscriptions` are the entries into tunnels, as the API shows them."""

    id: str
    name: str
    phone: str | None
    email: str | None
    created_at: float
    updated_at: float
    tag_ids: list[str] = field(default_factory=list)
    accounts: list[Account] = field(default_factory=list)
    user_ids: list[str] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    subscriptions: list[dict[str, Any]] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    custom_fields: dict[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def tags(self) -> list[str]:
        return [company.TAGS[tag_id].name for tag_id in self.tag_ids]

    @property
    def last_message_at(self) -> float | None:
        return max((each.last_message_at for each in self.accounts if each.last_message_at is not None), default=None)

    def as_row(self) -> dict[str, Any]:
        """A person in a list."""
        return {
            "id": self.id,
            "name": self.name,
            "email": self.email,
            "phone": self.phone,
            "tags": self.tags,
            "accounts": [account.as_json() for account in self.accounts],
            "lastMessageTime": _instant(self.last_message_at),
        }

    def as_json(self) -> dict[str, Any]:
        """A single person."""
        return {
            "id": self.id,
            "name": self.name,
            "tags": self.tags,
            "gender": NOT_DEFINED,
            "phone": self.phone,
            "email": self.email,
            "locale": NOT_DEFINED,
            "accounts": [account.as_json() for account in self.accounts],
            "subscribeHistory": self.subscriptions,
            "links": {"contactedUsers": self.user_ids, "orders": [order.id for order in self.orders]},
            "custom_fields": list(self.custom_fields.values()),
            "created_at": rfc3339(self.created_at),
            "updated_at": rfc3339(self.updated_at),
        }


class State:
    """Ids are 24 hex digits: the second, a part of this run, a counter. None repeats, also after a reset."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.people = Rows[str, Person]()
        self.accounts = Rows[str, Account]()
        self.messages = Rows[str, Message]()
        self.orders = Rows[str, Order]()
        self._run = secrets.token_hex(5)
        self._ids = itertools.count(1)
        self._numbers = itertools.count(1)

    def new_id(self) -> str:
        return f"{int(self.clock()) & 0xFFFFFFFF:08x}{self._run}{next(self._ids) & 0xFFFFFF:06x}"

    def now(self) -> str:
        return rfc3339(self.clock())

    def stamps(self) -> dict[str, str]:
        return {"createdAt": self.now(), "updatedAt": self.now()}

    def add_person(self, name: str, phone: str | None, email: str | None, kinds: Iterable[str]) -> Person:
        """Add a person with a channel of each kind (`TELEGRAM`, `MANUAL`…)."""
        now = self.clock()
        person = Person(self.new_id(), name, phone, email, now, now)
        connections = {connection.type: connection.id for connection in company.CONNECTIONS.values()}
        for kind in kinds:
            account = Account(self.new_id(), person, kind, connections.get(kind), now)
            person.accounts.append(account)
            self.accounts.add(account.id, account)
        self.people.add(person.id, person)
        return person

    def subscribe(
        self, person: Person, tunnel: Tunnel, *, block_id: str | None = None, tool_id: str | None = None
    ) -> None:
        """Enter a tunnel, manually at a block or through a lead tool."""
        entry = {"tunnel_id": tunnel.id, "tunnel_block_id": block_id, "leadgentool_id": tool_id}
        person.subscriptions.append({**entry, "createdAt": self.now()})
        person.updated_at = self.clock()

    def send(
        self, account: Account, text: str, template_id: str | None = None, variables: Mapping[str, str] | None = None
    ) -> Message:
        """Add a message to the person's chat, also if the text is repeated."""
        message = Message(self.new_id(), next(self._numbers), self.clock(), account, text, template_id, variables)
        account.chat.append(message)
        account.last_message_at = message.at
        oldest = self.messages.add(message.id, message)
        if oldest is not None:
            oldest.account.chat.popleft()
        return message

    def add_order(self, person: Person, offer: Offer, payment: PaymentCredit) -> Order:
        now = self.clock()
        order = Order(self.new_id(), person, offer, payment, offer.price, offer.currency, now, now)
        person.orders.append(order)
        oldest = self.orders.add(order.id, order)
        if oldest is not None:
            oldest.person.orders.remove(oldest)
        return order

    def clear(self) -> None:
        for rows in (self.people, self.accounts, self.messages, self.orders):
            rows.clear()


def number(amount: Decimal) -> int | float:
    return int(amount) if amount == amount.to_integral_value() else float(amount)


def _instant(at: float | None) -> str | None:
    return None if at is None else rfc3339(at)

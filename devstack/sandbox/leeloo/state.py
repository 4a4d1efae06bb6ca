"""The state in memory: people, channels, messages, orders. Attributes that the API shows have its names."""

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

NOT_DEFINED = "NOT_DEFINED"


class Shown:
    """A thing of which the API shows attributes."""

    def shown(self, names: str) -> dict[str, Any]:
        return {name: getattr(self, name) for name in names.split()}


@dataclass
class Message(Shown):
    """A sent message, rendered. `number` counts all messages."""

    id: str
    number: int
    createdAt: str
    account: "Account"
    text: str
    template_id: str | None
    variables: Mapping[str, str] | None

    def as_row(self) -> dict[str, Any]:
        return {**self.shown("id text createdAt"), "type": "OUT", "read": False, "updatedAt": self.createdAt}

    def as_json(self) -> dict[str, Any]:
        account, person = self.account, self.account.person
        whose = {"account_id": account.account_id, "from": account.kind, "person_id": person.id, "phone": person.phone}
        return {"message_id": self.id, "at": self.createdAt, **whose, **self.shown("number text template_id variables")}


@dataclass
class Account(Shown):
    """A person's channel. `kind` is `from` in the API. The chat is oldest first."""

    account_id: str
    person: "Person"
    kind: str
    connection_id: str | None
    createdAt: str
    lastMessageTime: str | None = None
    chat: deque[Message] = field(default_factory=deque)

    @property
    def connection_status(self) -> str:
        return NOT_DEFINED if self.connection_id is None else "ACTIVE"

    def as_row(self) -> dict[str, Any]:
        whose = {"id": self.account_id, "person_id": self.person.id, "name": self.person.name, "from": self.kind}
        times = self.shown("lastMessageTime createdAt")
        return {**whose, **times, "botStatus": self.connection_status, "utmMarks": {}}

    def as_json(self) -> dict[str, Any]:
        """The channel as a part of its person."""
        return {**self.shown("account_id connection_id connection_status"), "from": self.kind}


@dataclass
class Order(Shown):
    """The price is the offer's until an update changes it."""

    id: str
    person: "Person"
    offer: Offer
    payment: PaymentCredit
    amount: Decimal
    currency: str
    createdAt: str
    updatedAt: str
    status: str = "OPENED"

    @property
    def price(self) -> int | float:
        return number(self.amount)

    def as_json(self) -> dict[str, Any]:
        return {"title": self.offer.title, **self.shown("id price currency status createdAt updatedAt")}


@dataclass
class Person(Shown):
    """A person may have several channels. `subscribeHistory` are the entries into tunnels."""

    id: str
    name: str
    phone: str | None
    email: str | None
    created_at: str
    updated_at: str
    tags: list[str] = field(default_factory=list)
    channels: list[Account] = field(default_factory=list)
    user_ids: list[str] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    subscribeHistory: list[dict[str, Any]] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    fields: dict[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def accounts(self) -> list[dict[str, Any]]:
        return [account.as_json() for account in self.channels]

    @property
    def lastMessageTime(self) -> str | None:  # noqa: N802
        return max((each.lastMessageTime for each in self.channels if each.lastMessageTime is not None), default=None)

    def as_row(self) -> dict[str, Any]:
        return self.shown("id name email phone tags accounts lastMessageTime")

    def as_json(self) -> dict[str, Any]:
        return {
            **self.shown("id name tags phone email accounts subscribeHistory created_at updated_at"),
            "gender": NOT_DEFINED,
            "locale": NOT_DEFINED,
            "custom_fields": list(self.fields.values()),
            "links": {"contactedUsers": self.user_ids, "orders": [order.id for order in self.orders]},
        }


class State:
    """Ids are 24 hex digits: the second, a part of this run, a counter. None repeats, also after a reset."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.people = Rows[str, Person]()
        self.accounts = Rows[str, Account]()
        self.messages = Rows[str, Message]()
        self.orders = Rows[str, Order]()
        self._run = secrets.token_hex(5)
        self._ids = itertools.count(1)
        self._numbers = itertools.count(1)

    def new_id(self) -> str:
        return f"{int(self._clock()) & 0xFFFFFFFF:08x}{self._run}{next(self._ids) & 0xFFFFFF:06x}"

    def now(self) -> str:
        return rfc3339(self._clock())

    def stamps(self) -> dict[str, str]:
        return {"createdAt": self.now(), "updatedAt": self.now()}

    def add_person(self, name: str, phone: str | None, email: str | None, kinds: Iterable[str]) -> Person:
        """Add a person with a channel of each kind (`TELEGRAM`, `MANUAL`…)."""
        person = Person(self.new_id(), name, phone, email, self.now(), self.now())
        connections = {connection.type: connection.id for connection in company.CONNECTIONS.values()}
        for kind in kinds:
            account = Account(self.new_id(), person, kind, connections.get(kind), self.now())
            person.channels.append(account)
            self.accounts.add(account.account_id, account)
        self.people.add(person.id, person)
        return person

    def enter(self, person: Person, tunnel: Tunnel, block_id: str | None = None, tool_id: str | None = None) -> None:
        """Enter a tunnel, manually at a block or through a lead tool."""
        person.updated_at = self.now()
        entry = {"tunnel_id": tunnel.id, "tunnel_block_id": block_id, "leadgentool_id": tool_id}
        person.subscribeHistory.append({**entry, "createdAt": person.updated_at})

    def send(
        self, account: Account, text: str, template_id: str | None = None, variables: Mapping[str, str] | None = None
    ) -> Message:
        """Add a message to the person's chat, also if the text is repeated."""
        message = Message(self.new_id(), next(self._numbers), self.now(), account, text, template_id, variables)
        account.chat.append(message)
        account.lastMessageTime = message.createdAt
        oldest = self.messages.add(message.id, message)
        if oldest is not None:
            oldest.account.chat.popleft()
        return message

    def add_order(self, person: Person, offer: Offer, payment: PaymentCredit) -> Order:
        order = Order(self.new_id(), person, offer, payment, offer.price, offer.currency, self.now(), self.now())
        person.orders.append(order)
        self.orders.add(order.id, order)
        return order

    def clear(self) -> None:
        for rows in (self.people, self.accounts, self.messages, self.orders):
            rows.clear()


def number(amount: Decimal) -> int | float:
    return int(amount) if amount == amount.to_integral_value() else float(amount)

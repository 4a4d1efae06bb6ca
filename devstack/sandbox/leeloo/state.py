"""The state in memory: people, channels, messages, orders."""

import itertools
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from devstack.sandbox.leeloo.company import Offer, PaymentCredit, Tunnel, connection_of_type
from devstack.sandbox.leeloo.ids import Ids
from devstack.sandbox.partner import Clock
from devstack.sandbox.rows import Rows

MANUAL = "MANUAL"
OPENED = "OPENED"
RESOLVED = "RESOLVED"


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


@dataclass(frozen=True, slots=True)
class Subscription:
    """A person's entry into a tunnel, manually into a block or through a lead tool."""

    tunnel_id: str
    block_id: str | None
    leadgentool_id: str | None
    at: float


@dataclass(slots=True)
class Person:
    """A person may have several channels."""

    id: str
    name: str
    phone: str | None
    email: str | None
    created_at: float
    updated_at: float
    tag_ids: list[str] = field(default_factory=list)
    accounts: list[Account] = field(default_factory=list)
    user_ids: list[str] = field(default_factory=list)
    order_ids: list[str] = field(default_factory=list)
    subscriptions: list[Subscription] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    custom_fields: dict[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def last_message_at(self) -> float | None:
        return max((each.last_message_at for each in self.accounts if each.last_message_at is not None), default=None)


@dataclass(slots=True)
class Order:
    """The price is the offer's until an update changes it."""

    id: str
    person: Person
    offer: Offer
    payment: PaymentCredit
    price: Decimal
    currency: str
    created_at: float
    updated_at: float
    status: str = OPENED


class State:
    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.ids = Ids(clock)
        self.people = Rows[str, Person]()
        self.accounts = Rows[str, Account]()
        self.messages = Rows[str, Message]()
        self.orders = Rows[str, Order]()
        self._numbers = itertools.count(1)

    def add_person(self, name: str, phone: str | None, email: str | None, kinds: Iterable[str]) -> Person:
        """Add a person with a channel of each kind (`TELEGRAM`, `MANUAL`…)."""
        now = self.clock()
        person = Person(self.ids.new(), name, phone, email, now, now)
        for kind in kinds:
            connection = connection_of_type(kind)
            account = Account(self.ids.new(), person, kind, None if connection is None else connection.id, now)
            person.accounts.append(account)
            self.accounts.add(account.id, account)
        self.people.add(person.id, person)
        return person

    def subscribe(
        self, person: Person, tunnel: Tunnel, *, block_id: str | None = None, tool_id: str | None = None
    ) -> None:
        now = self.clock()
        person.subscriptions.append(Subscription(tunnel.id, block_id, tool_id, now))
        person.updated_at = now

    def send(
        self, account: Account, text: str, template_id: str | None = None, variables: Mapping[str, str] | None = None
    ) -> Message:
        """Add a message to the person's chat, also if the text is repeated."""
        message = Message(self.ids.new(), next(self._numbers), self.clock(), account, text, template_id, variables)
        account.chat.append(message)
        account.last_message_at = message.at
        oldest = self.messages.add(message.id, message)
        if oldest is not None:
            oldest.account.chat.popleft()
        return message

    def add_order(self, person: Person, offer: Offer, payment: PaymentCredit) -> Order:
        now = self.clock()
        order = Order(self.ids.new(), person, offer, payment, offer.price, offer.currency, now, now)
        person.order_ids.append(order.id)
        self.orders.add(order.id, order)
        return order

    def orders_of(self, person: Person) -> list[Order]:
        """Oldest first."""
        return [order for order in map(self.orders.get, person.order_ids) if order is not None]

    def clear(self) -> None:
        for rows in (self.people, self.accounts, self.messages, self.orders):
            rows.clear()

"""The books after a run: what forms, table, partners and dead-letter queues say, and the checks that compare them.

A check is a function that yields a violation for each lead of which the books do not agree; its name stands in
docs/reliability.md beside what it proves.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from devstack.sandbox.profile import Made
from leadbridge.domain.delivery import Delivery, State
from leadbridge.domain.fetch import Fetch
from leadbridge.domain.lead import Lead
from leadbridge.domain.message import Message
from leadbridge.domain.timeline import Entry
from leadbridge.services.dead_letters import DeadLetter
from leadbridge.settings import Partner
from leadbridge.storage import items
from leadbridge.storage.fetches import fetch_of
from leadbridge.storage.messages import message_of

if TYPE_CHECKING:
    from quality.chaos.people import Post


@dataclass(frozen=True)
class Violation:
    """What does not hold: the check that says so, the lead (or what else it is about), and in what."""

    check: str
    lead_id: str
    what: str


@dataclass(frozen=True)
class Posted:
    """What a form was told: the id of the post, the lead's id, and whom it is about. `phone` is E.164."""

    post_id: str
    lead_id: str
    phone: str
    email: str
    tax_number: str = ""

    @classmethod
    def of(cls, post: Post, lead_id: str) -> Posted:
        """A post that was taken as this lead."""
        visitor = post.visitor
        tax_number = "" if visitor.is_incomplete else visitor.tax_number
        return cls(post.post_id, lead_id, visitor.phone, visitor.email, tax_number)

    def is_in(self, client: Mapping[str, str]) -> bool:
        """Whether a deal's client is this person."""
        return self.phone.endswith(client["telephone"]) and self.tax_number in {"", client["stateCode"]}


@dataclass(frozen=True)
class Create:
    """One create call about a lead, by its `number` in the partner's log.

    `is_heard`: the partner's answer came back to a worker that lived on to write it down.
    """

    lead_id: str
    partner: str
    number: int
    is_heard: bool


@dataclass(frozen=True)
class File:
    """All that the table holds of one lead; `steps` are the timeline's entries by their keys."""

    lead: Lead
    deliveries: Mapping[str, Delivery]
    messages: Sequence[Message]
    fetch: Fetch | None
    steps: Mapping[str, Entry]
    others: Sequence[dict[str, Any]]

    @classmethod
    def of(cls, found: Iterable[dict[str, Any]]) -> File | None:
        """The file of a lead's items, decoded; None where the lead itself is missing."""
        lead, fetch = None, None
        deliveries: dict[str, Delivery] = {}
        messages: list[Message] = []
        steps: dict[str, Entry] = {}
        others = []
        for values in found:
            match values["sk"].partition("#")[0]:
                case "LEAD":
                    lead = items.lead_of(values)
                case "DELIVERY":
                    delivery = items.delivery_of(values)
                    deliveries[delivery.partner] = delivery
                case "EVENT":
                    steps[values["sk"]] = items.entry_of(values)
                case "MESSAGE":
                    messages.append(message_of(values))
                case "FETCH":
                    fetch = fetch_of(values)
                case _:
                    others.append(values)
        return None if lead is None else cls(lead, deliveries, messages, fetch, steps, others)


@dataclass(frozen=True)
class Books:
    """Everybody's word after a run.

    `table` is every item, decoded. `calls`, `made` and `sent` are the sandbox's own: calls to create, what came of
    them, messages that reached people. `waiting` is how many messages each queue (dead letters apart) holds.
    `counted_sources` have a quota; of `dedup_sources` a person's second lead counts as the first. `to_be_erased` are
    the leads that an operator had erased. `failures` are what went wrong though nothing that this run did explains it:
    of whom, what, and how often. A message that goes out may be `under_way` for so long. `struck_posts` is how many
    workers were struck while they took a form's post, None where that is not known. `creates` are the create calls that
    workers made, `partners` their settings. `now` is when the books were read. `index_key` is the key of the hashes in
    the table. `expired` are the leads whose own item had left the table before they were erased.
    """

    posted: Sequence[Posted]
    table: Sequence[dict[str, Any]]
    calls: Sequence[dict[str, Any]] = ()
    made: Sequence[Made] = ()
    sent: Sequence[dict[str, Any]] = ()
    letters: Sequence[DeadLetter] = ()
    waiting: Mapping[str, int] = field(default_factory=dict)
    counted_sources: frozenset[str] = frozenset()
    dedup_sources: frozenset[str] = frozenset()
    to_be_erased: frozenset[str] = frozenset()
    failures: Mapping[tuple[str, str], int] = field(default_factory=dict)
    under_way: timedelta = timedelta(minutes=1)
    struck_posts: int | None = 0
    creates: Sequence[Create] = ()
    partners: Mapping[str, Partner] = field(default_factory=dict)
    now: datetime | None = None
    index_key: str | None = None
    expired: frozenset[str] = frozenset()

    @cached_property
    def files(self) -> dict[str, File]:
        """What the table holds, by lead."""
        by_lead: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for values in self.table:
            kind, _, lead_id = values["pk"].partition("#")
            if kind == "LEAD":
                by_lead[lead_id].append(values)
        files = {lead_id: File.of(found) for lead_id, found in by_lead.items()}
        return {lead_id: file for lead_id, file in files.items() if file is not None}

    @cached_property
    def _made_by_id(self) -> dict[tuple[str, int | str], Made]:
        return {(one.partner, one.id): one for one in self.made}

    def made_as(self, delivery: Delivery) -> Made | None:
        """What the partner has under the id of a delivery."""
        return None if delivery.created is None else self._made_by_id.get((delivery.partner, delivery.created))

    @cached_property
    def who(self) -> dict[str, Posted]:
        """Whom each lead is about, as its form said."""
        return {posted.lead_id: posted for posted in self.posted}

    def waits_for_ever(self, delivery: Delivery) -> bool:
        """Whether it is a repeat of a lead that the partner may or may not have.

        Such a repeat waits until a person settles the first lead.
        """
        first_id = delivery.waits_for
        if delivery.state is not State.RECEIVED or first_id is None or first_id not in self.files:
            return False
        first = self.files[first_id].deliveries.get(delivery.partner)
        return first is not None and first.state is State.UNKNOWN

    def leads_of(self, *, phone: str | None = None, email: str | None = None) -> list[str]:
        """The leads of a phone as Lead Leader has it (0XXXXXXXXX), or of an e-mail."""
        return [
            lead_id
            for lead_id, posted in self.who.items()
            if (phone is not None and posted.phone.endswith(phone))
            or (email is not None and posted.email.casefold() == email.casefold())
        ]


type Check = Callable[[Books], Iterator[tuple[str, str]]]

CHECKS: dict[str, Check] = {}


def check(function: Check) -> Check:
    """Enter a check into the list under its own name; it yields leads and what is wrong with each."""
    CHECKS[function.__name__] = function
    return function

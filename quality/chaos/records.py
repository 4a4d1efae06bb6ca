"""What a run writes down: who posted what, what operators did, and the table's items of each lead."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from leadbridge.domain.delivery import Delivery
from leadbridge.domain.feedback.postback import Postback
from leadbridge.domain.fetch import Fetch
from leadbridge.domain.lead import Lead
from leadbridge.domain.message import Message
from leadbridge.domain.timeline import Entry
from leadbridge.storage import items
from leadbridge.storage.feedback.postbacks import postback_of
from leadbridge.storage.fetches import fetch_of
from leadbridge.storage.messages import message_of
from quality.chaos.people import Post

CORRECTED, ADDED = 200, 201  # the statuses of an accepted correction, and of a further partner
NAME, AMOUNT, TERM = "person.full_name", "loan.amount", "loan.term"


@dataclass(frozen=True)
class Posted:
    """A form's post that was accepted. `phone` is E.164.

    `values` are the person's true values by lead field, `typed` what was typed instead, `unusable` the fields that were
    left empty or cannot be read.
    """

    post_id: str
    lead_id: str
    phone: str
    email: str
    tax_number: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    typed: Mapping[str, str] = field(default_factory=dict)
    unusable: frozenset[str] = frozenset()

    @classmethod
    def of(cls, post: Post, lead_id: str) -> Self:
        one = post.visitor
        identity = (one.phone, one.email, one.tax_number)
        return cls(post.post_id, lead_id, *identity, values=one.values, typed=one.typed, unusable=one.unusable)

    @property
    def missing_values(self) -> dict[str, str]:
        """The true values of the fields that are unusable."""
        return {path: self.values[path] for path in sorted(self.unusable)}

    def is_in(self, client: Mapping[str, str]) -> bool:
        """Whether a deal's client is this person."""
        return self.phone.endswith(client["telephone"]) and self.tax_number in {"", client["stateCode"]}


@dataclass(frozen=True)
class Refused:
    """A form's post that was answered with 422."""

    post_id: str
    source: str
    unusable: frozenset[str]


@dataclass(frozen=True)
class Create:
    """A create call, by its `number` in the partner's log. `is_answered`: a worker got the answer and survived."""

    lead_id: str
    partner: str
    number: int
    is_answered: bool


@dataclass
class Pause:
    """A pause of a partner: since when it is confirmed, and until when no one tried to end it."""

    partner: str
    since: datetime | None = None
    until: datetime | None = None


@dataclass
class Correction:
    """An operator's correction: its values by lead field, and its status, 0 without an answer.

    `began` and `ended` count the beginnings and the ends of all corrections. `ended` is None if it may still take
    effect. `calls` is the number of the partners' last call when it was answered.
    """

    lead_id: str
    values: Mapping[str, str]
    began: int
    status: int = 0
    ended: int | None = None
    calls: int = 0

    @property
    def is_accepted(self) -> bool:
        return self.status == CORRECTED

    @property
    def may_have_worked(self) -> bool:
        return self.is_accepted or not 400 <= self.status < 500

    def precedes(self, other: Correction) -> bool:
        """Whether it certainly took effect before another one began, if it did at all."""
        return self.ended is not None and self.ended < other.began


@dataclass
class AddedPartner:
    """An operator's call that gives a lead to a further partner, and its status, 0 without an answer.

    `fallbacks` and `next_on` are the lead's order before the call, which removes them.
    """

    lead_id: str
    partner: str
    is_confirmed: bool = False
    fallbacks: Mapping[str, str] = field(default_factory=dict)
    next_on: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    status: int = 0


@dataclass(frozen=True)
class LeadRecord:
    """The table's items of one lead. `timeline` has the entries by key."""

    lead: Lead
    deliveries: Mapping[str, Delivery]
    messages: Sequence[Message]
    fetch: Fetch | None
    timeline: Mapping[str, Entry]
    other_items: Sequence[dict[str, Any]]
    postbacks: Sequence[Postback] = ()

    @property
    def is_erased(self) -> bool:
        return self.lead.erased_at is not None

    @property
    def is_incomplete(self) -> bool:
        return bool(self.lead.problems) and not self.is_erased

    @property
    def corrected(self) -> frozenset[str]:
        """The fields that an operator corrected, by the timeline."""
        return frozenset(str(name) for one in self.entries("corrected") for name in one.data.get("fields", ()))

    def entries(self, *what: str, partner: str | None = None) -> list[Entry]:
        """The timeline's entries of some kinds, about one partner if given."""
        return [one for one in self.timeline.values() if one.what in what and partner in {None, one.partner}]

    @classmethod
    def of(cls, found: Iterable[dict[str, Any]]) -> Self | None:
        """Group decoded items. None if the lead itself is missing."""
        lead, fetch = None, None
        deliveries: dict[str, Delivery] = {}
        messages: list[Message] = []
        postbacks: list[Postback] = []
        steps: dict[str, Entry] = {}
        others = []
        for values in found:
            match values["sk"].partition("#")[0]:
                case "LEAD":
                    lead = items.lead_of(values)
                    steps |= [items.first_entry(lead)]
                case "DELIVERY":
                    delivery = items.delivery_of(values)
                    deliveries[delivery.partner] = delivery
                    steps |= items.history_of(delivery)
                case "EVENT":
                    steps[values["sk"]] = items.entry_of(values)
                case "MESSAGE":
                    messages.append(message_of(values))
                case "FETCH":
                    fetch = fetch_of(values)
                case "FEEDBACK":
                    postbacks.append(postback_of(values))
                case _:
                    others.append(values)
        return None if lead is None else cls(lead, deliveries, messages, fetch, steps, others, postbacks)


@dataclass(frozen=True)
class LeadOrder:
    """The partners of a lead by its rules, until `ended_at`, when an operator chose the first partner; None for never.

    `first` is the first partner of each order. `added` are the partners that operators chose, `confirmed` those of them
    that they chose although another partner might have the lead.
    """

    fallbacks: Mapping[str, str]
    next_on: Mapping[str, tuple[str, ...]]
    first: frozenset[str]
    ended_at: datetime | None
    added: frozenset[str]
    confirmed: frozenset[str]

    def is_valid_at(self, moment: datetime) -> bool:
        """Whether the rules decided on the next partner at a moment."""
        return self.ended_at is None or moment < self.ended_at

    @classmethod
    def of(cls, record: LeadRecord, calls: Iterable[AddedPartner]) -> Self:
        """The order of a lead. `calls` are the operators' calls for all leads."""
        lead, chosen = record.lead, record.entries("partner_added")
        added = frozenset(entry.partner for entry in chosen if entry.partner is not None)
        own = [one for one in calls if one.lead_id == lead.lead_id] if added else []
        before: Lead | AddedPartner = next((one for one in own if one.fallbacks and not lead.fallbacks), lead)
        first = frozenset({*lead.partners} - added | before.fallbacks.keys()) - set(before.fallbacks.values())
        confirmed = {one.partner for one in own if one.is_confirmed and not 400 <= one.status < 500}
        ended_at = min((entry.at for entry in chosen), default=None)
        return cls(before.fallbacks, before.next_on, first, ended_at, added, added & confirmed)

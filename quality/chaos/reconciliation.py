"""The records of a run (forms, table, partners, queues), and the list of checks that compare them.

A check is a function that yields a violation for each lead whose records disagree; docs/reliability.md lists them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from devstack.sandbox.profile import PartnerRecord
from leadbridge.domain.admission import WaitReason
from leadbridge.domain.delivery import Delivery, State
from leadbridge.domain.feedback.postback import FeedbackRules, Postback
from leadbridge.domain.fetch import Fetch
from leadbridge.domain.lead import Lead
from leadbridge.domain.message import Message
from leadbridge.domain.timeline import Entry
from leadbridge.services.dead_letters.queues import DeadLetter
from leadbridge.settings import Partner
from leadbridge.storage import items
from leadbridge.storage.feedback.postbacks import postback_of
from leadbridge.storage.fetches import fetch_of
from leadbridge.storage.links import CAP
from leadbridge.storage.messages import message_of
from quality.chaos.lead_orders import LeadOrder

if TYPE_CHECKING:
    from quality.chaos.corrections import Correction
    from quality.chaos.lead_orders import AddedPartner
    from quality.chaos.people import Post


@dataclass(frozen=True)
class Violation:
    """`lead_id` is the lead, or whatever else the violation is about."""

    check: str
    lead_id: str
    what: str


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
    def of(cls, post: Post, lead_id: str) -> Posted:
        visitor = post.visitor
        found = cls(post.post_id, lead_id, visitor.phone, visitor.email, visitor.tax_number)
        return replace(found, values=visitor.values, typed=visitor.typed, unusable=visitor.unusable)

    @property
    def missing_values(self) -> dict[str, str]:
        """The true values of the fields that are unusable."""
        return {path: self.values[path] for path in sorted(self.unusable)}

    def is_in(self, client: Mapping[str, str]) -> bool:
        """Whether a deal's client is this person."""
        return self.phone.endswith(client["telephone"]) and self.tax_number in {"", client["stateCode"]}


@dataclass
class Pause:
    """A pause of a partner: since when it is confirmed, and until when no one tried to end it."""

    partner: str
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class Route:
    """Where a source sends leads: its orders of partners, and the weights of each.

    `refuses`: nothing is stored that no partner can take.
    """

    orders: tuple[tuple[str, ...], ...]
    refuses: bool = False
    weights: tuple[Mapping[str, int], ...] = ()


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
    def is_incomplete(self) -> bool:
        return bool(self.lead.problems) and self.lead.erased_at is None

    @property
    def corrected(self) -> frozenset[str]:
        """The fields that an operator corrected, by the timeline."""
        entries = (one for one in self.timeline.values() if one.what == "corrected")
        return frozenset(str(name) for one in entries for name in one.data.get("fields", ()))

    @classmethod
    def of(cls, found: Iterable[dict[str, Any]]) -> LeadRecord | None:
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
class Snapshot:
    """All records after a run.

    table: every item, decoded
    calls, partner_records, sent_messages: the sandbox's create calls, what it created, the messages it delivered
    queue_sizes: messages in each queue, without dead letters
    counted_sources: sources with a quota
    dedup_sources: sources in which a person's second lead counts as the first
    failures: unexplained failures: component and text, with the count
    send_window: how long a message that was being sent may take to arrive
    faulted_posts: workers that got a fault while they received a post; None if unknown
    expired: leads whose own item expired before they were erased
    posts, refused: the ids of all posts; those that were answered with 422
    routes: of each source; empty if unknown
    corrections, pauses, added_partners: all of the run
    listed_incomplete: the leads in the list of incomplete ones; None if unknown
    overwritten: leads with a delivery of which a write replaced a step of another one, and the versions
    has_statistics: whether update_stats has counted the leads
    feedback: what trackers learn, by source and tracker
    tracker_events: what the sandbox's tracker accepted, in order
    is_in_real_time: the run does not wait for the next hour of a cap
    """

    posted: Sequence[Posted]
    table: Sequence[dict[str, Any]]
    calls: Sequence[dict[str, Any]] = ()
    partner_records: Sequence[PartnerRecord] = ()
    sent_messages: Sequence[dict[str, Any]] = ()
    dead_letters: Sequence[DeadLetter] = ()
    queue_sizes: Mapping[str, int] = field(default_factory=dict)
    counted_sources: frozenset[str] = frozenset()
    dedup_sources: frozenset[str] = frozenset()
    to_be_erased: frozenset[str] = frozenset()
    failures: Mapping[tuple[str, str], int] = field(default_factory=dict)
    send_window: timedelta = timedelta(minutes=1)
    faulted_posts: int | None = 0
    creates: Sequence[Create] = ()
    partners: Mapping[str, Partner] = field(default_factory=dict)
    now: datetime | None = None
    index_key: str | None = None
    expired: frozenset[str] = frozenset()
    posts: frozenset[str] = frozenset()
    refused: Sequence[Refused] = ()
    routes: Mapping[str, Route] = field(default_factory=dict)
    corrections: Sequence[Correction] = ()
    pauses: Sequence[Pause] = ()
    added_partners: Sequence[AddedPartner] = ()
    listed_incomplete: frozenset[str] | None = None
    overwritten: Sequence[tuple[str, str]] = ()
    has_statistics: bool = False
    feedback: FeedbackRules = field(default_factory=dict)
    tracker_events: Sequence[dict[str, Any]] = ()
    is_in_real_time: bool = False

    @cached_property
    def leads(self) -> dict[str, LeadRecord]:
        by_lead: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for values in self.table:
            kind, _, lead_id = values["pk"].partition("#")
            if kind == "LEAD":
                by_lead[lead_id].append(values)
        records = {lead_id: LeadRecord.of(found) for lead_id, found in by_lead.items()}
        return {lead_id: record for lead_id, record in records.items() if record is not None}

    @cached_property
    def _partner_records_by_id(self) -> dict[tuple[str, int | str], PartnerRecord]:
        return {(one.partner, one.id): one for one in self.partner_records}

    def partner_record_of(self, delivery: Delivery) -> PartnerRecord | None:
        """The partner's record with the id of a delivery."""
        if delivery.created is None:
            return None
        return self._partner_records_by_id.get((delivery.partner, delivery.created))

    @cached_property
    def people_by_lead(self) -> dict[str, Posted]:
        return {posted.lead_id: posted for posted in self.posted}

    @cached_property
    def orders(self) -> dict[str, LeadOrder]:
        """The order of each lead's partners."""
        return {lead_id: LeadOrder.of(record, self.added_partners) for lead_id, record in self.leads.items()}

    @cached_property
    def cap_counts(self) -> dict[tuple[str, str], int]:
        """The counts of all caps, by partner and window."""
        return {
            (values["pk"].partition("#")[2], values["sk"].removeprefix(CAP)): int(values["leads"])
            for values in self.table
            if values["sk"].startswith(CAP)
        }

    def may_remain(self, delivery: Delivery) -> bool:
        """Whether a waiting delivery may still wait at the end of a run."""
        return self.waits_for_operator(delivery) or self._waits_for_cap(delivery)

    def _waits_for_cap(self, delivery: Delivery) -> bool:
        """Whether it waits for the next hour, because a cap is used up."""
        partner = self.partners.get(delivery.partner)
        if not self.is_in_real_time or self.now is None or partner is None or partner.intake is None:
            return False
        count = self.cap_counts.get((delivery.partner, f"{self.now:%Y-%m-%dT%H}"), 0)
        is_full = partner.intake.per_hour is not None and count >= partner.intake.per_hour
        return is_full and delivery.waits_for_partner and delivery.waiting_reason == WaitReason.CAPPED

    def waits_for_operator(self, delivery: Delivery) -> bool:
        """Whether it is a repeat of a lead whose delivery is unknown. It waits until a person resolves that lead."""
        first_id = delivery.waits_for
        if delivery.state is not State.RECEIVED or first_id is None or first_id not in self.leads:
            return False
        first = self.leads[first_id].deliveries.get(delivery.partner)
        return first is not None and first.state is State.UNKNOWN

    def leads_of(self, *, phone: str | None = None, email: str | None = None) -> list[str]:
        """The leads with a phone in Lead Leader's form (0XXXXXXXXX), or with an e-mail."""
        return [
            lead_id
            for lead_id, posted in self.people_by_lead.items()
            if (phone is not None and posted.phone.endswith(phone))
            or (email is not None and posted.email.casefold() == email.casefold())
        ]


type Check = Callable[[Snapshot], Iterator[tuple[str, str]]]

CHECKS: dict[str, Check] = {}


def check(function: Check) -> Check:
    """Register a check under its own name. It yields leads, and what is wrong with each."""
    CHECKS[function.__name__] = function
    return function

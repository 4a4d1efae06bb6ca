"""The records of a run (forms, table, partners, queues), and the list of checks that compare them.

A check is a function that yields a violation for each lead whose records disagree; docs/reliability.md lists them.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from devstack.partners import partner_profiles
from devstack.sandbox.profile import PartnerRecord
from leadbridge.domain.admission import WaitReason
from leadbridge.domain.delivery import Delivery, State
from leadbridge.domain.feedback.postback import FeedbackRules
from leadbridge.domain.fetch import FetchState
from leadbridge.domain.message import UNSETTLED
from leadbridge.services.dead_letters.queues import DeadLetter
from leadbridge.settings import Partner
from leadbridge.storage.links import CAP
from quality.chaos.records import AddedPartner, Correction, Create, LeadOrder, LeadRecord, Pause, Posted, Refused

type Item = dict[str, Any]


@dataclass(frozen=True)
class Violation:
    """`lead_id` is the lead, or whatever else the violation is about."""

    check: str
    lead_id: str
    what: str


@dataclass(frozen=True)
class Route:
    """Where a source sends leads: its orders of partners, and the weights of each.

    `refuses`: nothing is stored that no partner can take.
    """

    orders: tuple[tuple[str, ...], ...]
    refuses: bool = False
    weights: tuple[Mapping[str, int], ...] = ()


@dataclass(frozen=True)
class Snapshot:
    """All records after a run."""

    posted: Sequence[Posted]
    table: Sequence[Item]  # every item, decoded
    calls: Sequence[Item] = ()  # the create calls in the sandbox's log
    partner_records: Sequence[PartnerRecord] = ()
    sent_messages: Sequence[Item] = ()
    dead_letters: Sequence[DeadLetter] = ()
    queue_sizes: Mapping[str, int] = field(default_factory=dict)  # without dead letters
    counted_sources: frozenset[str] = frozenset()  # sources with a quota
    dedup_sources: frozenset[str] = frozenset()  # in which a person's second lead counts as the first
    to_be_erased: frozenset[str] = frozenset()
    failures: Mapping[tuple[str, str], int] = field(default_factory=dict)  # unexplained, by component and text
    send_window: timedelta = timedelta(minutes=1)  # how long a message that was being sent may take to arrive
    faulted_posts: int | None = 0  # workers that got a fault while they received a post; None if unknown
    creates: Sequence[Create] = ()
    partners: Mapping[str, Partner] = field(default_factory=dict)
    now: datetime | None = None
    index_key: str | None = None
    expired: frozenset[str] = frozenset()  # leads whose own item expired before they were erased
    posts: frozenset[str] = frozenset()  # the ids of all posts
    refused: Sequence[Refused] = ()
    routes: Mapping[str, Route] = field(default_factory=dict)  # of each source
    corrections: Sequence[Correction] = ()
    pauses: Sequence[Pause] = ()
    added_partners: Sequence[AddedPartner] = ()
    listed_incomplete: frozenset[str] | None = None  # the leads in that list; None if unknown
    overwritten: Sequence[tuple[str, str]] = ()  # leads with a delivery of which a write replaced another one's step
    has_statistics: bool = False  # update_stats has counted the leads
    feedback: FeedbackRules = field(default_factory=dict)
    tracker_events: Sequence[Item] = ()  # what the tracker accepted, in order
    is_in_real_time: bool = False  # the run does not wait for the next hour of a cap

    @cached_property
    def items_by_lead(self) -> dict[str, list[Item]]:
        found: dict[str, list[Item]] = defaultdict(list)
        for values in self.table:
            kind, _, lead_id = values["pk"].partition("#")
            if kind == "LEAD":
                found[lead_id].append(values)
        return dict(found)

    @cached_property
    def leads(self) -> dict[str, LeadRecord]:
        records = {lead_id: LeadRecord.of(found) for lead_id, found in self.items_by_lead.items()}
        return {lead_id: record for lead_id, record in records.items() if record is not None}

    def deliveries(self) -> Iterator[tuple[str, LeadRecord, Delivery]]:
        for lead_id, record in self.leads.items():
            for delivery in record.deliveries.values():
                yield lead_id, record, delivery

    def kept_leads(self) -> Iterator[tuple[str, LeadRecord]]:
        """The leads that are not erased."""
        return ((lead_id, record) for lead_id, record in self.leads.items() if not record.is_erased)

    @cached_property
    def _partner_records_by_id(self) -> dict[tuple[str, int | str | None], PartnerRecord]:
        return {(one.partner, one.id): one for one in self.partner_records}

    def partner_record_of(self, delivery: Delivery) -> PartnerRecord | None:
        """The partner's record with the id of a delivery."""
        return self._partner_records_by_id.get((delivery.partner, delivery.created))

    @cached_property
    def created_calls(self) -> list[tuple[Item, list[str]]]:
        """The create calls that created something, each with the leads of its person."""
        found = []
        for call in self.calls:
            profile = partner_profiles().get(call["partner"])
            if profile is not None and call["operation"] == "create" and call.get(profile.id_field) is not None:
                found.append((call, self.leads_of(**profile.person_of(call))))
        return found

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
        """Whether a waiting delivery may still wait at the end of a run: for an operator, or for a cap."""
        first = self.leads.get(delivery.waits_for or "")
        if first is not None and delivery.state is State.RECEIVED:  # until a person resolves the first lead
            served = first.deliveries.get(delivery.partner)
            if served is not None and served.state is State.UNKNOWN:
                return True
        partner = self.partners.get(delivery.partner)
        if not self.is_in_real_time or self.now is None or partner is None or partner.intake is None:
            return False
        count = self.cap_counts.get((delivery.partner, f"{self.now:%Y-%m-%dT%H}"), 0)
        is_full = partner.intake.per_hour is not None and count >= partner.intake.per_hour
        return is_full and delivery.waits_for_partner and delivery.waiting_reason == WaitReason.CAPPED

    def leads_of(self, *, phone: str | None = None, email: str | None = None) -> list[str]:
        """The leads with a phone in Lead Leader's form (0XXXXXXXXX), or with an e-mail."""
        return [
            lead_id
            for lead_id, posted in self.people_by_lead.items()
            if (phone is not None and posted.phone.endswith(phone))
            or (email is not None and posted.email.casefold() == email.casefold())
        ]

    def unsettled(self) -> Counter[str]:
        """What has not settled yet, by kind."""
        found: Counter[str] = Counter()
        found["statuses about to change"] = sum(one.moves for one in self.partner_records)
        found.update({f"in {queue}": number for queue, number in self.queue_sizes.items()})
        for record in self.leads.values():
            found["pending fetches"] += record.fetch is not None and record.fetch.state is FetchState.PENDING
            found.update(f"messages {one.state}" for one in record.messages if one.state in UNSETTLED)
            found.update(f"postbacks {one.state}" for one in record.postbacks if one.is_unsettled)
            found.update(f"deliveries {one.state}" for one in record.deliveries.values() if self._moves(one))
        return +found

    def _moves(self, delivery: Delivery) -> bool:
        if delivery.is_erased or self.may_remain(delivery):
            return False
        if delivery.state is not State.SUBMITTED:
            return delivery.state in {State.RECEIVED, State.SUBMITTING}
        made = self.partner_record_of(delivery)
        if partner_profiles()[delivery.partner].always_ends and not (made is not None and made.is_pinned):
            return True
        return made is not None and made.status not in {None, delivery.partner_status}


type Check = Callable[[Snapshot], Iterator[tuple[str, str]]]

CHECKS: dict[str, Check] = {}


def check(function: Check) -> Check:
    """Register a check under its own name. It yields leads, and what is wrong with each."""
    CHECKS[function.__name__] = function
    return function

"""What a run writes down: who posted what, what operators did; and all records after it, joined by lead."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Self

from devstack.partners import partner_profiles
from devstack.sandbox.profile import PartnerRecord
from leadbridge.domain.admission import WaitReason
from leadbridge.domain.clock import from_text
from leadbridge.domain.delivery import Delivery, State
from leadbridge.domain.feedback.postback import Postback
from leadbridge.domain.fetch import Fetch, FetchState
from leadbridge.domain.lead import Lead
from leadbridge.domain.message import Message
from leadbridge.domain.routing.intake import windows_at
from leadbridge.domain.timeline import Entry, VersionedEntry
from leadbridge.services.dead_letters.queues import DeadLetter
from leadbridge.settings import Partner, Source
from leadbridge.storage import items
from leadbridge.storage.leads import Journey, journey_of
from leadbridge.storage.links import CAP
from quality.chaos.people import Post

CORRECTED, ADDED = 200, 201  # the statuses of an accepted correction, and of a further partner
NAME, AMOUNT, TERM = "person.full_name", "loan.amount", "loan.term"
UNSETTLED = frozenset({"pending", "sending"})  # states of messages, postbacks and fetches

type Item = dict[str, Any]


@dataclass(frozen=True)
class Posted:
    """A form's post that was accepted as a lead, or refused with 422, with the true values and what was typed."""

    post_id: str
    lead_id: str
    phone: str  # E.164
    email: str
    tax_number: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    typed: Mapping[str, str] = field(default_factory=dict)
    unusable: frozenset[str] = frozenset()  # fields that were left empty or cannot be read
    source: str = ""

    @classmethod
    def of(cls, post: Post, lead_id: str = "") -> Self:
        one = post.visitor
        values = (one.phone, one.email, one.tax_number, one.values, one.typed, one.unusable)
        return cls(post.post_id, lead_id, *values, post.source)

    @property
    def missing_values(self) -> dict[str, str]:
        """The true values of the fields that are unusable."""
        return {path: self.values[path] for path in sorted(self.unusable)}

    def is_person(self, *, phone: str = "", email: str = "") -> bool:
        """Whether this person has a phone in Lead Leader's form (0XXXXXXXXX), or an e-mail."""
        has_phone = phone != "" and self.phone.endswith(phone)
        return has_phone or (email != "" and self.email.casefold() == email.casefold())

    def is_in(self, client: Mapping[str, str]) -> bool:
        """Whether a deal's client is this person."""
        return self.phone.endswith(client["telephone"]) and self.tax_number in {"", client["stateCode"]}


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
    """An operator's correction: its values by lead field. The beginnings and ends of all of them are counted."""

    lead_id: str
    values: Mapping[str, str]
    began: int
    status: int = 0  # without an answer
    ended: int | None = None  # it may still take effect
    calls: int = 0  # the number of the partners' last call when it was answered

    @property
    def is_accepted(self) -> bool:
        return self.status == CORRECTED


@dataclass
class AddedPartner:
    """An operator's call that gives a lead, as it was, to a further partner, and its status, 0 without an answer."""

    lead: Lead
    partner: str
    is_confirmed: bool = False
    status: int = 0


@dataclass(frozen=True)
class LeadRecord(Journey):
    """All records of one lead. `posted` is None if no form was told that it is accepted."""

    items: Sequence[Item] = ()
    posted: Posted | None = None
    corrections: Sequence[Correction] = ()
    additions: Sequence[AddedPartner] = ()

    @property
    def lead_id(self) -> str:
        return self.lead.lead_id

    @property
    def is_erased(self) -> bool:
        return self.lead.erased_at is not None

    @property
    def has_problems(self) -> bool:
        return bool(self.lead.problems) and not self.is_erased

    @property
    def is_fetched(self) -> bool:
        """Whether its values are known: it was not to be fetched, or it was."""
        return self.fetch is None or self.fetch.state is FetchState.FETCHED

    @property
    def corrected(self) -> frozenset[str]:
        """The fields that an operator corrected, by the timeline."""
        return frozenset(str(name) for one in self.entries("corrected") for name in one.data.get("fields", ()))

    @property
    def in_flows(self) -> list[Message | Postback | Fetch]:
        """What workers send or fetch, except the deliveries."""
        return [*self.messages, *self.postbacks, *([] if self.fetch is None else [self.fetch])]

    def entries(self, *what: str, partner: str | None = None) -> list[Entry]:
        """The timeline's entries of some kinds, about one partner if given."""
        return [one for one in self.timeline if one.what in what and partner in {None, one.partner}]

    def steps(self, partner: str) -> list[VersionedEntry]:
        """The entries of a delivery's versions after its first, by version."""
        steps = {(one.version, one.entry.at): one for one in self.deliveries[partner].history}
        for values in self.items:
            match values["sk"].split("#"):
                case ["EVENT", _, name, version] if name == partner and version.isdecimal() and int(version) > 1:
                    entry = items.entry_of(values)
                    steps[int(version), entry.at] = VersionedEntry(int(version), entry)
        return [steps[key] for key in sorted(steps)]

    @property
    def added(self) -> dict[str, datetime]:
        """The partners that operators chose, and when."""
        return {str(entry.partner): entry.at for entry in self.entries("partner_added")}

    @property
    def ruled_lead(self) -> Lead:
        """The lead with the order of partners that it had before an operator chose one."""
        orders = [one.lead for one in self.additions if one.lead.fallbacks]
        if not self.added or self.lead.fallbacks or not orders:
            return self.lead
        return self.lead.model_copy(update={"fallbacks": orders[0].fallbacks, "next_on": orders[0].next_on})

    @property
    def first(self) -> frozenset[str]:
        """The first partner of each order."""
        fallbacks = self.ruled_lead.fallbacks
        return frozenset({*self.lead.partners} - self.added.keys() | fallbacks.keys()) - set(fallbacks.values())

    def is_ruled_at(self, moment: datetime) -> bool:
        """Whether the rules decided on the next partner at a moment: until an operator chose one."""
        return all(moment < at for at in self.added.values())


@dataclass(frozen=True)
class Snapshot:
    """All records after a run: of forms, the table, the partners, the queues, and the operators."""

    posted: Sequence[Posted]
    table: Sequence[Item]  # every item, decoded
    calls: Sequence[Item] = ()  # the create calls in the sandbox's log
    partner_records: Sequence[PartnerRecord] = ()
    sent_messages: Sequence[Item] = ()
    dead_letters: Sequence[DeadLetter] = ()
    queue_sizes: Mapping[str, int] = field(default_factory=dict)  # without dead letters
    to_be_erased: frozenset[str] = frozenset()
    failures: Mapping[tuple[str, str], int] = field(default_factory=dict)  # unexplained, by component and text
    send_window: timedelta = timedelta(minutes=1)  # how long a message that was being sent may take to arrive
    faulted_posts: int | None = 0  # workers that got a fault while they received a post; None if unknown
    creates: Sequence[Create] = ()
    sources: Mapping[str, Source] = field(default_factory=dict)
    partners: Mapping[str, Partner] = field(default_factory=dict)
    now: datetime | None = None
    index_key: str | None = None
    expired: frozenset[str] = frozenset()  # leads whose own item expired before they were erased
    posts: frozenset[str] = frozenset()  # the ids of all posts
    refused: Sequence[Posted] = ()
    corrections: Sequence[Correction] = ()
    pauses: Sequence[Pause] = ()
    added_partners: Sequence[AddedPartner] = ()
    listed_incomplete: frozenset[str] = frozenset()  # the leads in that list
    overwritten: Sequence[tuple[str, str]] = ()  # leads with a delivery of which a write replaced another one's step
    has_statistics: bool = False  # update_stats has counted the leads
    tracker_events: Sequence[Item] = ()  # what the tracker accepted, in order
    is_in_real_time: bool = False  # the run does not wait for the next hour of a cap

    @property
    def unix_time(self) -> float:
        return 0.0 if self.now is None else self.now.timestamp()

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
        """The leads whose own item exists."""
        posted = {one.lead_id: one for one in self.posted}
        return {
            lead_id: LeadRecord(
                **vars(journey),
                items=found,
                posted=posted.get(lead_id),
                corrections=[one for one in self.corrections if one.lead_id == lead_id],
                additions=[one for one in self.added_partners if one.lead.lead_id == lead_id],
            )
            for lead_id, found in self.items_by_lead.items()
            if (journey := journey_of(found)) is not None
        }

    def deliveries(self) -> Iterator[tuple[str, LeadRecord, Delivery]]:
        for lead_id, record in self.leads.items():
            for delivery in record.deliveries.values():
                yield lead_id, record, delivery

    def partner_record_of(self, delivery: Delivery) -> PartnerRecord | None:
        made = (delivery.partner, delivery.created)
        return next((one for one in self.partner_records if (one.partner, one.id) == made), None)

    @cached_property
    def created_calls(self) -> list[tuple[str, datetime, list[LeadRecord]]]:
        """The partner, the time and the person's leads of each create call that created something."""
        profiles = partner_profiles()
        return [
            (call["partner"], from_text(call["at"]), self.leads_of(profiles[call["partner"]].person_of(call)))
            for call in self.calls
            if call.get(profiles[call["partner"]].id_field) is not None
        ]

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
        if not self.is_in_real_time or self.now is None or delivery.partner not in self.partners:
            return False
        hours = [one for one in windows_at(self.partners[delivery.partner], self.now) if one.cap == "per_hour"]
        is_full = any(self.cap_counts.get((delivery.partner, one.key), 0) >= one.limit for one in hours)
        return is_full and delivery.waits_for_partner and delivery.waiting_reason == WaitReason.CAPPED

    def leads_of(self, person: Mapping[str, str]) -> list[LeadRecord]:
        return [one for one in self.leads.values() if one.posted is not None and one.posted.is_person(**person)]

    def unsettled(self) -> Counter[str]:
        """What has not settled yet, by kind."""
        found = Counter({f"in {queue}": number for queue, number in self.queue_sizes.items()})
        found["statuses about to change"] = sum(one.moves for one in self.partner_records)
        for record in self.leads.values():
            found.update(f"{type(one).__name__} {one.state}" for one in record.in_flows if one.state in UNSETTLED)
            found.update(f"Delivery {one.state}" for one in record.deliveries.values() if self._moves(one))
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

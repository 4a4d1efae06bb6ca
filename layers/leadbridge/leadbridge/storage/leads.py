"""Leads and their deliveries in the table. They are changed by conditional writes and small transactions only."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING, Any

from leadbridge.domain.acceptance.status import LeadStatus
from leadbridge.domain.clock import to_text
from leadbridge.domain.delivery import Change, Delivery, State, most_urgent_state, new_delivery
from leadbridge.domain.errors.error_codes import ErrorInfo
from leadbridge.domain.lead import Lead
from leadbridge.domain.message import Message
from leadbridge.domain.shards import sharded
from leadbridge.domain.statuses.status_change import count_check
from leadbridge.domain.timeline import Entry
from leadbridge.domain.transitions import AlreadyLinked, CapReached, Conflict
from leadbridge.runtime.aws_errors import RETRY_FOR
from leadbridge.storage import items
from leadbridge.storage.content_claims import ContentClaim, find_stored_lead, note_change
from leadbridge.storage.items import lead_id_of
from leadbridge.storage.links import (
    attention_writes,
    cap_counts,
    cap_key,
    cap_writes,
    delivery_writes,
    link_write,
    opening_writes,
    routing_writes,
    unlink_writes,
)
from leadbridge.storage.messages import message_item, message_of, message_writes
from leadbridge.storage.queries.due_items import DueItem, due_items
from leadbridge.storage.queries.partner_state import state_key, state_of
from leadbridge.storage.quota import Quota, QuotaExceeded, uncount
from leadbridge.storage.table import Query, Table
from leadbridge.storage.writes import Write, due_at_unchanged, extend_ttl, is_late, put, update

if TYPE_CHECKING:
    from leadbridge.domain.admission import PartnerState
    from leadbridge.domain.feedback.postback import FeedbackRules, Postback
    from leadbridge.domain.fetch import Fetch

MAX_TWINS = 20  # leads of one e-mail that are read
MAX_ITEMS = 100_000  # of one lead that are read


@dataclass(frozen=True)
class Journey:
    """A lead with its deliveries by partner, its timeline, its messages and its postbacks, oldest first.

    Only a lead that its form named and did not send has a `fetch`.
    """

    lead: Lead
    deliveries: dict[str, Delivery]
    timeline: tuple[Entry, ...]
    fetch: Fetch | None = None
    messages: tuple[Message, ...] = ()
    postbacks: tuple[Postback, ...] = ()

    @property
    def status(self) -> LeadStatus:
        """The status of the whole lead: `incomplete`, or its most urgent state."""
        return LeadStatus.INCOMPLETE if self.is_incomplete else LeadStatus(most_urgent_state(self.states))

    @property
    def statuses(self) -> list[LeadStatus]:
        """Every status under which the lead is listed."""
        return [LeadStatus.INCOMPLETE] if self.is_incomplete else [LeadStatus(state) for state in self.states]

    @property
    def is_incomplete(self) -> bool:
        """Whether no partner can take the lead as it is, and an operator can correct it."""
        return bool(self.lead.problems) and not self.states

    @property
    def states(self) -> list[State]:
        """The states of its deliveries, or the state that its fetch stands for."""
        states = [delivery.state for delivery in self.deliveries.values()]
        return states if self.fetch is None or self.fetch.lead_state is None else [*states, self.fetch.lead_state]


class LeadRepository:
    """Leads in the table. Every method may raise Contended, and botocore's errors."""

    def __init__(self, table: Table, feedback: FeedbackRules | None = None) -> None:
        """Every flow that changes the state or the outcome of deliveries gives `feedback`: what trackers learn."""
        self._table = table
        self._feedback = feedback or {}

    def accept(
        self,
        lead: Lead,
        *,
        phone_hash: str | None,
        email_hash: str | None = None,
        tax_hash: str | None = None,
        name_hash: str | None = None,
        window: timedelta = timedelta(),
        fetch: Fetch | None = None,
        quota: Quota | None = None,
        retry_for: float = RETRY_FOR,
    ) -> str | None:
        """Store a new lead with its deliveries in one transaction; return None, or the id of the lead that is stored.

        A lead that is not fetched yet is stored with its `fetch` instead of deliveries. `window` is for a post without
        an id: a lead with the same content that arrived less than `window` ago is the same lead.

        Raises QuotaExceeded if the quota is used up, Contended after `retry_for` seconds.
        """
        ends, claim = time.monotonic() + retry_for, None
        if window and lead.content_hash is not None:
            claim = ContentClaim(lead.source, lead.content_hash, lead.lead_id, lead.received_at, window)
        counted = None
        if quota is not None:
            try:
                counted = quota.take(self._table, lead.lead_id, lead.received_at, retry_for=retry_for)
            except QuotaExceeded:
                if (
                    already := find_stored_lead(self._table, lead, claim, retry_for=ends - time.monotonic())
                ) is not None:
                    return already
                raise
        lead_item = items.lead_item(
            lead, phone_hash=phone_hash, email_hash=email_hash, tax_hash=tax_hash, name_hash=name_hash
        )
        if fetch is not None:
            from leadbridge.storage.fetches import AWAITS_FETCH, fetch_item

            lead_item |= AWAITS_FETCH
        writes: list[Write] = [
            put(lead_item, "attribute_not_exists(pk)"),
        ]
        writes += routing_writes(lead, lead.received_at, "1")
        for partner in lead.partners:
            delivery = new_delivery(lead.lead_id, partner, lead.source, lead.received_at)
            writes.append(put(items.delivery_item(delivery)))
        if fetch is not None:
            writes.append(put(fetch_item(fetch)))
        if claim is not None:
            writes.append(claim.write())
        try:
            self._table.transact(writes, or_conflict=True, retry_for=ends - time.monotonic())
        except Conflict as conflict:
            if counted is not None:
                uncount(self._table, counted)
            if claim is None or 0 in conflict.failed:
                return lead.lead_id
            return claim.held_by(claim.claim_from(conflict.found[len(writes) - 1]), self._table).lead_id
        return None

    def claim_content(self, claim: ContentClaim) -> ContentClaim:
        """Store a claim without a lead; return it, or the stored claim of the same content. Raises Contended."""
        return claim.stored(self._table)

    def note_change(
        self, posted: Lead, fields: tuple[str, ...], newer_answers: Mapping[str, str] | None = None
    ) -> bool:
        """Note once that a lead was redelivered with other content; return whether it was noted. Raises Contended."""
        return note_change(self._table, posted, fields, newer_answers)

    def known(self, lead_ids: Iterable[str]) -> set[str]:
        """Return which of these leads are stored. A lead that is stored at this moment may be missing."""
        keys = [items.lead_key(lead_id) for lead_id in lead_ids]
        return {values["lead_id"] for values in self._table.batch_get(keys, attributes=("lead_id",), consistent=False)}

    def apply(self, change: Change, *, retry_for: float = RETRY_FOR) -> Delivery:
        """Write a delivery's change with its timeline entry; return the delivery as it is now.

        The entry is written in the delivery's item. So most changes are one write, which costs half of what it costs in
        a transaction.

        The partner's id is linked to the lead, and an outdated link is released. A delivery that the change opens may
        be open already because of an earlier rejection, or an operator has chosen the lead's partner meanwhile: then
        the change is written without it.
        Raises Conflict if the delivery has changed since it was read, AlreadyLinked if another lead has the id,
        CapReached if a window of `counts` is full, Contended after `retry_for` seconds.
        """
        before = change.before
        after, writes = delivery_writes(change)
        writes += [put(message_item(message)) for message in change.messages]
        writes += chain.from_iterable(message_writes(skipped) for skipped in change.skipped)
        writes += attention_writes(before, after)
        if after.source in self._feedback:
            writes += self._feedback_writes(change)
        if before.created is not None and before.created != after.created:
            writes += unlink_writes(before, before.created)
        late = is_late(before.received_at, change.at)
        is_linked = after.created is not None and (late or after.created != before.created)
        if is_linked:
            writes.append(link_write(after))
        own = len(writes)
        if change.opened is not None:
            writes += opening_writes(change.opened, change)
        without_caps = len(writes)
        writes += cap_writes(change)
        ends = time.monotonic() + retry_for
        try:
            if late and change.opened is None:
                self._table.transact_extending_lead(writes, change.after.lead_id, retry_for=retry_for)
            elif len(writes) == 1:
                self._table.replace(writes[0], retry_for=retry_for)
            else:
                self._table.transact(writes, or_conflict=True, retry_for=retry_for)
        except Conflict as conflict:
            if is_linked and conflict.failed == {own - 1}:
                self._raise_if_linked(after, conflict)
            if min(conflict.failed) >= without_caps:
                return self._apply_past_caps(change, conflict.failed, without_caps, ends - time.monotonic())
            if change.opened is None or min(conflict.failed) < own:
                raise
            return self.apply(replace(change, opened=None), retry_for=ends - time.monotonic())
        return after

    def _feedback_writes(self, change: Change) -> list[Write]:
        from leadbridge.domain.feedback.postback import postbacks_of
        from leadbridge.storage.feedback.postbacks import postback_item

        return [put(postback_item(postback)) for postback in postbacks_of(change, self._feedback)]

    def _apply_past_caps(self, change: Change, failed: frozenset[int], first: int, retry_for: float) -> Delivery:
        """Raise CapReached if a window is full; else write the change without the counts that have expired."""
        full = [key for number, key in enumerate(change.counts, start=first) if number in failed]
        if full:
            raise CapReached(tuple(full))
        gone = {key for number, key in enumerate(change.releases, start=first + len(change.counts)) if number in failed}
        kept = tuple(key for key in change.releases if key not in gone)
        return self.apply(replace(change, releases=kept), retry_for=retry_for)

    def _raise_if_linked(self, delivery: Delivery, conflict: Conflict) -> None:
        owner = self.owner_of(delivery.partner, delivery.created or "")
        if owner not in {None, delivery.lead_id}:
            raise AlreadyLinked(str(owner), failed=conflict.failed) from None

    def defer_check(
        self, delivery: Delivery, due_at: datetime | None, *, error: ErrorInfo | None = None, is_refused: bool = False
    ) -> None:
        """Note a failed check and when to retry it, or without an error that a check succeeded; publish no event.

        Without `due_at` the delivery is checked with the next check of its schedule. `is_refused`: the partner answered
        that it does not know the id. Does nothing if the delivery has changed or was deferred meanwhile.
        """
        after = count_check(delivery, is_failed=error is not None, is_refused=is_refused)
        sets: dict[str, Any] = {"checks_failed": after.checks_failed, "checks_refused": after.checks_refused}
        removed: list[str] = []
        if error is None:
            removed += ["last_error", "last_error_code", "last_error_data"]
        else:
            sets |= {"last_error": error.text, "last_error_code": error.code.value, "last_error_data": dict(error.data)}
        if due_at is None:
            removed += ["due_at", "due_shard"]
        else:
            sets |= {"due_at": to_text(due_at), "due_shard": sharded(delivery.partner, delivery.lead_id)}
        expression = f"SET {', '.join(f'{name} = :{name}' for name in sets)}"
        if removed:
            expression += f" REMOVE {', '.join(removed)}"
        write = update(
            items.delivery_key(delivery.lead_id, delivery.partner),
            expression,
            f"#version = :version AND {due_at_unchanged(delivery.due_at)}",
            values={
                **{f":{name}": value for name, value in sets.items()},
                ":version": delivery.version,
                ":seen": to_text(delivery.due_at) if delivery.due_at else None,
            },
            names={"#version": "version"},
        )
        with suppress(Conflict):
            if marks := attention_writes(delivery, after):
                self._table.transact_extending_lead([write, *marks], delivery.lead_id)
            else:
                self._table.write(write)

    def defer(self, delivery: Delivery, due_at: datetime) -> None:
        """Move the time at which a delivery is due, and nothing else; no event is published.

        Does nothing if the delivery has changed or was deferred meanwhile.
        """
        key = items.delivery_key(delivery.lead_id, delivery.partner)
        self._table.defer(key, delivery.version, delivery.due_at, due_at)

    def note(self, lead_id: str, entry: Entry, tiebreaker: str) -> bool:
        """Add an entry to a lead's timeline; False if the lead is gone or its person was erased.

        `tiebreaker` keeps entries of the same millisecond apart.
        """
        written = put(items.entry_item(lead_id, entry, tiebreaker))
        return self._table.transact([written, extend_ttl(lead_id, not_erased=True)]) is None

    def deliveries(self, lead_ids: Iterable[str], partner: str, *, consistent: bool = True) -> dict[str, Delivery]:
        """The deliveries of some leads to a partner, by lead; without those that do not exist."""
        keys = [items.delivery_key(lead_id, partner) for lead_id in lead_ids]
        found = map(items.delivery_of, self._table.batch_get(keys, consistent=consistent))
        return {delivery.lead_id: delivery for delivery in found}

    def delivery(self, lead_id: str, partner: str) -> Delivery | None:
        """The delivery as it is now."""
        values = self._table.get(items.delivery_key(lead_id, partner))
        return None if values is None else items.delivery_of(values)

    def submission(
        self, lead_id: str, partner: str, windows: Sequence[str] = ()
    ) -> tuple[Delivery | None, Lead | None, PartnerState]:
        """The delivery, its lead and its partner's state, as they were at one moment: a correction changes two.

        The state has the counts of `windows` of the partner's caps.
        """
        keys = items.delivery_key(lead_id, partner), items.lead_key(lead_id), state_key(partner)
        counters = (cap_key(partner, window) for window in windows)
        delivery, lead, state, *counts = self._table.get_together(*keys, *counters)
        found = None if delivery is None else items.delivery_of(delivery)
        return found, None if lead is None else items.lead_of(lead), state_of(state, cap_counts(counts))

    def owner_of(self, partner: str, created: int | str) -> str | None:
        """The lead that a deal or an account at a partner was created from; None where there is none."""
        values = self._table.get(items.link_key(partner, created))
        return None if values is None else str(values["lead_id"])

    def has_unnamed_twin(self, delivery: Delivery) -> bool:
        """Whether the partner accepted another lead of the same e-mail without returning its account."""
        lead = self._table.get(items.lead_key(delivery.lead_id)) or {}
        if "email_hash" not in lead:
            return False
        query = Query("email_hash = :email", {":email": lead["email_hash"]}, items.EMAIL, newest_first=True)
        found = self._table.query(query, limit=MAX_TWINS)
        others = {lead_id_of(values) for values in found} - {delivery.lead_id}
        twins = (self.delivery(lead_id, delivery.partner) for lead_id in sorted(others))
        accepted = {State.SUBMITTED, State.CLOSED}
        return any(twin is not None and twin.state in accepted and twin.account_uuid is None for twin in twins)

    def lead(self, lead_id: str) -> Lead | None:
        """The lead, without its deliveries."""
        values = self._table.get(items.lead_key(lead_id))
        return None if values is None else items.lead_of(values)

    def journey(self, lead_id: str) -> Journey | None:
        """The lead with all that is stored beside it, as it is now."""
        # Leeloo's events are left out: they are long and not needed.
        query = Query("pk = :pk", {":pk": items.lead_key(lead_id)["pk"]}, filter="attribute_not_exists(body)")
        return journey_of(self._table.query(query, limit=MAX_ITEMS))

    def due(self, partition: str, until: datetime, limit: int) -> Iterator[DueItem]:
        """Yield what is due by `until`, the longest due first: a partner's deliveries, messages, or fetches."""
        return due_items(self._table, partition, until, limit)


def journey_of(found: Iterable[items.Item]) -> Journey | None:
    """The lead that decoded items of its partition hold; None without the lead's own item."""
    lead: Lead | None = None
    deliveries: dict[str, Delivery] = {}
    timeline: dict[str, Entry] = {}
    fetch: Fetch | None = None
    messages: list[Message] = []
    postbacks: list[Postback] = []
    for values in found:
        kind = values["sk"].partition("#")[0]
        if kind == "LEAD":
            lead = items.lead_of(values)
            timeline |= [items.first_entry(lead)]
        elif kind == "DELIVERY":
            delivery = items.delivery_of(values)
            deliveries[delivery.partner] = delivery
            timeline |= items.history_of(delivery)
        elif kind == "EVENT":
            timeline[values["sk"]] = items.entry_of(values)
        elif kind == "FETCH":
            from leadbridge.storage.fetches import fetch_of

            fetch = fetch_of(values)
        elif kind == "MESSAGE":
            messages.append(message_of(values))
        elif kind == "FEEDBACK":
            from leadbridge.storage.feedback.postbacks import postback_of

            postbacks.append(postback_of(values))
    if lead is None:
        return None
    entries = tuple(timeline[key] for key in sorted(timeline))
    postbacks.sort(key=lambda one: one.created_at)
    return Journey(lead, deliveries, entries, fetch, tuple(messages), tuple(postbacks))

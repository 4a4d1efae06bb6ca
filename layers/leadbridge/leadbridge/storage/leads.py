"""Where leads are kept: one DynamoDB table, written by conditional writes and small transactions only."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import batched
from typing import TYPE_CHECKING, Any

from leadbridge.domain.clock import to_text
from leadbridge.domain.delivery import Change, Delivery, State, checked, receive
from leadbridge.domain.error_codes import ErrorInfo
from leadbridge.domain.fetch import Fetch
from leadbridge.domain.lead import Lead
from leadbridge.domain.message import Message
from leadbridge.domain.urgency import most_urgent
from leadbridge.storage import items
from leadbridge.storage.content_claims import ContentClaim, note_change, stored_as
from leadbridge.storage.fetches import AWAITS_FETCH, fetch_item, fetch_of
from leadbridge.storage.items import Entry
from leadbridge.storage.links import attention, link, unlink
from leadbridge.storage.messages import message_item, message_of, message_writes
from leadbridge.storage.quota import Quota, TooMany, give_back
from leadbridge.storage.table import (
    LEAD_OUTLIVES,
    RETRY_FOR,
    AlreadyLinked,
    Conflict,
    defer,
    expires_at,
    is_late,
    persist,
    prolong,
    put,
    transact,
    transact_late,
)

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

TWINS = 20  # leads of one e-mail that are looked at
PAGES = 1000  # the most pages one call reads before it gives up


@dataclass(frozen=True)
class Journey:
    """All that is known of a lead: itself, its deliveries by partner, its timeline and messages, oldest first.

    `fetch` stands only with a lead that its form has named and not sent.
    """

    lead: Lead
    deliveries: dict[str, Delivery]
    timeline: tuple[Entry, ...]
    fetch: Fetch | None = None
    messages: tuple[Message, ...] = ()

    @property
    def status(self) -> State:
        """The state that stands for the whole lead."""
        return most_urgent(self.states)

    @property
    def states(self) -> list[State]:
        """The states of its deliveries, or what its fetch stands for."""
        states = [delivery.state for delivery in self.deliveries.values()]
        return states if self.fetch is None or self.fetch.stands_for is None else [*states, self.fetch.stands_for]


@dataclass(frozen=True)
class Due:
    """What the index tells of a delivery, a message or a fetch that wants to be looked at: where it lies."""

    pk: str
    sk: str
    due_at: str

    @property
    def owner(self) -> str:
        """The lead's id, or the account's."""
        return self.pk.partition("#")[2]

    @property
    def name(self) -> str:
        """The delivery's partner, or the message's id."""
        return self.sk.partition("#")[2]


class LeadRepository:
    """Leads in a DynamoDB table. Every method may raise botocore's errors when AWS does not answer."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def accept(
        self,
        lead: Lead,
        *,
        phone_hash: str | None,
        email_hash: str | None = None,
        tax_hash: str | None = None,
        window: timedelta = timedelta(),
        fetch: Fetch | None = None,
        quota: Quota | None = None,
        retry_for: float = RETRY_FOR,
    ) -> str | None:
        """Store a new lead with its deliveries in one transaction; None, or the id of the lead that is
        already here.

        A lead that is yet to be fetched is stored with its `fetch` in their stead.

        `window` is for a post without an id of its own: a lead of the same content that came less than `window` ago
        is the same lead. Raises TooMany where the quota is used up; Contended after `retry_for` seconds.
        """
        ends, claim = time.monotonic() + retry_for, None
        if window and lead.content_hash is not None:
            claim = ContentClaim(lead.source, lead.content_hash, lead.lead_id, lead.received_at, window)
        counted = None
        if quota is not None:
            try:
                counted = quota.take(self._client, self._table, lead.lead_id, lead.received_at, retry_for=retry_for)
            except TooMany:
                if (already := stored_as(self._client, self._table, lead, claim)) is not None:
                    return already
                raise
        lead_item = items.lead_item(lead, phone_hash=phone_hash, email_hash=email_hash, tax_hash=tax_hash)
        writes: list[Any] = [
            put(self._table, lead_item | (AWAITS_FETCH if fetch else {}), "attribute_not_exists(pk)"),
            put(self._table, items.entry_item(lead.lead_id, Entry(lead.received_at, "received"), "0")),
        ]
        if lead.routed is not None:
            routed = Entry(lead.received_at, "routed", detail=lead.routed, data=lead.routed_data)
            writes.append(put(self._table, items.entry_item(lead.lead_id, routed, "1")))
        for partner in lead.partners:
            delivery = receive(lead.lead_id, partner, lead.source, lead.received_at)
            writes.append(put(self._table, items.delivery_item(delivery)))
        if fetch is not None:
            writes.append(put(self._table, fetch_item(fetch)))
        if claim is not None:
            writes.append(claim.write(self._table))
        try:
            transact(self._client, writes, or_conflict=True, retry_for=max(0.0, ends - time.monotonic()))
        except Conflict as conflict:
            if counted is not None:
                give_back(self._client, self._table, counted)
            if claim is None or 0 in conflict.failed:
                return lead.lead_id
            return claim.held_by(conflict.found[len(writes) - 1]).lead_id
        return None

    def claim_content(self, claim: ContentClaim) -> ContentClaim:
        """Store a claim without a lead; return it, or the stored claim of the same content. Raises Contended."""
        return claim.stored(self._client, self._table)

    def note_change(self, posted: Lead, fields: tuple[str, ...]) -> bool:
        """Note once that a lead was redelivered with other content; return whether it was noted. Raises Contended."""
        return note_change(self._client, self._table, posted, fields)

    def known(self, lead_ids: Iterable[str]) -> set[str]:
        """Which of these leads are here. One may be missing that came this moment, or that AWS did not tell of."""
        found = set()
        for some in batched(lead_ids, 100, strict=False):
            keys = [items.encode(items.lead_key(lead_id)) for lead_id in some]
            asked: Any = {self._table: {"Keys": keys, "ProjectionExpression": "lead_id"}}
            for item in self._client.batch_get_item(RequestItems=asked)["Responses"].get(self._table, []):
                found.add(str(items.decode(item)["lead_id"]))
        return found

    def apply(self, change: Change, *, retry_for: float = RETRY_FOR) -> Delivery:
        """Write a delivery's change and its timeline entry; return the delivery as it is now.

        The partner's id is tied to the lead, and a tie that no longer holds is released. A delivery that the change
        opens may be open already because of an earlier refusal: then it stays as it is, and the change is written
        without it. Raises Conflict if the delivery has changed since it was read, AlreadyLinked if another lead has the
        id, Contended after `retry_for` seconds.
        """
        before, after = change.before, change.after
        writes = [
            put(self._table, items.delivery_item(after), version=before.version),
            put(self._table, items.change_entry(change)),
        ]
        writes += [put(self._table, message_item(message)) for message in change.messages]
        for skipped in change.skipped:
            writes += message_writes(self._table, skipped)
        writes += attention(self._table, before, after)
        if before.created is not None and before.created != after.created:
            writes += unlink(self._table, before, before.created)
        late = is_late(before.received_at, change.at)
        is_tied = after.created is not None and (late or after.created != before.created)
        if is_tied:
            writes.append(link(self._table, after))
        own = len(writes)
        if change.opened is not None:
            writes += self._opened(change.opened, change)
        ends = time.monotonic() + retry_for
        try:
            if late and change.opened is None:
                transact_late(self._client, self._table, writes, change.after.lead_id, retry_for=retry_for)
            else:
                transact(self._client, writes, or_conflict=True, retry_for=retry_for)
        except Conflict as conflict:
            if is_tied and conflict.failed == {own - 1}:
                self._raise_if_tied(after, conflict)
            if change.opened is None or min(conflict.failed) < own:
                raise
            return self.apply(replace(change, opened=None), retry_for=ends - time.monotonic())
        return after

    def _raise_if_tied(self, delivery: Delivery, conflict: Conflict) -> None:
        owner = self.owner_of(delivery.partner, delivery.created or "")
        if owner not in {None, delivery.lead_id}:
            raise AlreadyLinked(str(owner), failed=conflict.failed) from None

    def look_again(
        self, delivery: Delivery, due_at: datetime, *, error: ErrorInfo | None = None, is_refused: bool = False
    ) -> None:
        """Put off the next look at a delivery, noting a failed check; no change that anybody is told of.

        `is_refused`: the partner answered that it does not know the id. Does nothing if the delivery has changed or was
        deferred meanwhile.
        """
        after = checked(delivery, is_failed=error is not None, is_refused=is_refused)
        sets = "SET due_at = :due_at, checks_failed = :failed, checks_refused = :refused"
        values: dict[str, Any] = {
            ":due_at": to_text(due_at),
            ":failed": after.checks_failed,
            ":refused": after.checks_refused,
            ":version": delivery.version,
            ":seen": to_text(delivery.due_at) if delivery.due_at else None,
        }
        if error is None:
            sets += " REMOVE last_error, last_error_code, last_error_data"
        else:
            sets += ", last_error = :error, last_error_code = :code, last_error_data = :data"
            values |= {":error": error.text, ":code": error.code.value, ":data": dict(error.data)}
        update: Any = {
            "TableName": self._table,
            "Key": items.encode(items.delivery_key(delivery.lead_id, delivery.partner)),
            "UpdateExpression": sets,
            "ConditionExpression": "#version = :version AND due_at = :seen",
            "ExpressionAttributeNames": {"#version": "version"},
            "ExpressionAttributeValues": items.encode(values),
        }
        if marks := attention(self._table, delivery, after):
            with suppress(Conflict):
                transact_late(self._client, self._table, [{"Update": update}, *marks], delivery.lead_id)
            return
        with suppress(self._client.exceptions.ConditionalCheckFailedException):
            persist(lambda: self._client.update_item(**update))

    def defer(self, delivery: Delivery, due_at: datetime) -> None:
        """Move the time at which a delivery is due, and nothing else; no event is published.

        Does nothing if the delivery has changed or was deferred meanwhile.
        """
        key = items.delivery_key(delivery.lead_id, delivery.partner)
        defer(self._client, self._table, key, delivery.version, delivery.due_at, due_at)

    def note(self, lead_id: str, entry: Entry, tie: str) -> bool:
        """Add an entry to a lead's timeline; False if the lead is gone or its person was erased.

        `tie` keeps entries of the same millisecond apart. Raises Contended.
        """
        written = put(self._table, items.entry_item(lead_id, entry, tie))
        return transact(self._client, [written, prolong(self._table, lead_id, not_erased=True)]) is None

    def delivery(self, lead_id: str, partner: str) -> Delivery | None:
        """The delivery as it is now."""
        values = self._get(items.delivery_key(lead_id, partner))
        return None if values is None else items.delivery_of(values)

    def owner_of(self, partner: str, created: int | str) -> str | None:
        """The lead that a deal or an account at a partner was made of, None where none of ours was."""
        values = self._get(items.link_key(partner, created))
        return None if values is None else str(values["lead_id"])

    def has_unnamed_twin(self, delivery: Delivery) -> bool:
        """Whether the partner took another lead of the same e-mail, and did not tell as which account."""
        lead = self._get(items.lead_key(delivery.lead_id)) or {}
        if "email_hash" not in lead:
            return False
        found = self._client.query(
            TableName=self._table,
            IndexName="email",
            KeyConditionExpression="email_hash = :email",
            ExpressionAttributeValues=items.encode({":email": lead["email_hash"]}),
            ScanIndexForward=False,
            Limit=TWINS,
        )["Items"]
        others = {str(items.decode(item)["pk"]).partition("#")[2] for item in found} - {delivery.lead_id}
        twins = (self.delivery(lead_id, delivery.partner) for lead_id in sorted(others))
        taken = {State.SUBMITTED, State.CLOSED}
        return any(twin is not None and twin.state in taken and twin.account_uuid is None for twin in twins)

    def lead(self, lead_id: str) -> Lead | None:
        """The lead, without its deliveries."""
        values = self._get(items.lead_key(lead_id))
        return None if values is None else items.lead_of(values)

    def journey(self, lead_id: str) -> Journey | None:
        """All that is known of a lead, as it is now."""
        lead: Lead | None = None
        deliveries: dict[str, Delivery] = {}
        timeline: list[Entry] = []
        fetch: Fetch | None = None
        messages: list[Message] = []
        for values in self._query({"pk": f"LEAD#{lead_id}"}):
            kind = values["sk"].partition("#")[0]
            if kind == "LEAD":
                lead = items.lead_of(values)
            elif kind == "DELIVERY":
                delivery = items.delivery_of(values)
                deliveries[delivery.partner] = delivery
            elif kind == "EVENT":
                timeline.append(items.entry_of(values))
            elif kind == "FETCH":
                fetch = fetch_of(values)
            elif kind == "MESSAGE":
                messages.append(message_of(values))
        return None if lead is None else Journey(lead, deliveries, tuple(timeline), fetch, tuple(messages))

    def due(self, partition: str, until: datetime, limit: int) -> Iterator[Due]:
        """What is due by `until`, the longest due first, `limit` at most: a partner's deliveries, messages, fetches."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            IndexName=items.DUE,
            KeyConditionExpression="due_partner = :partner AND due_at <= :until",
            ExpressionAttributeValues=items.encode({":partner": partition, ":until": to_text(until)}),
            PaginationConfig={"MaxItems": limit, "PageSize": 500},
        )
        for page in pages:
            for item in page["Items"]:
                values = items.decode(item)
                yield Due(values["pk"], values["sk"], values["due_at"])

    def _get(self, key: dict[str, str]) -> dict[str, Any] | None:
        got = self._client.get_item(TableName=self._table, Key=items.encode(key), ConsistentRead=True)
        return items.decode(got["Item"]) if "Item" in got else None

    def _query(self, key: dict[str, str]) -> Iterator[dict[str, Any]]:
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues=items.encode({":pk": key["pk"]}),
            FilterExpression="attribute_not_exists(body)",  # leaves out Leeloo's events: they are long and not needed
            ConsistentRead=True,
            PaginationConfig={"MaxItems": PAGES * 100},
        )
        for page in pages:
            yield from map(items.decode, page["Items"])

    def _opened(self, delivery: Delivery, change: Change) -> list[Any]:
        """A further delivery of a lead that is there, with the lead's own note of it."""
        told = {"previous_partner": change.after.partner}
        entry = Entry(change.at, "falls_back", delivery.partner, f"{change.after.partner} has rejected it", told)
        return [
            put(self._table, items.delivery_item(delivery), "attribute_not_exists(pk)"),
            put(self._table, items.entry_item(delivery.lead_id, entry, f"{delivery.partner}#000000")),
            {
                "Update": {
                    "TableName": self._table,
                    "Key": items.encode(items.lead_key(delivery.lead_id)),
                    "UpdateExpression": "SET partners = list_append(partners, :partner), expires_at = :expires_at",
                    "ConditionExpression": "attribute_exists(pk)",
                    "ExpressionAttributeValues": items.encode(
                        {":partner": [delivery.partner], ":expires_at": expires_at() + LEAD_OUTLIVES}
                    ),
                }
            },
        ]

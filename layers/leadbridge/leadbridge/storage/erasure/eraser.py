"""Erasing a person: what remains of their lead is a tombstone, by which a redelivered post still finds it.

An erasure has three steps. Each leaves what the next one needs, so that a repeated erasure can finish it:

close     one transaction: the lead becomes a tombstone, which still has the keyed hashes; its deliveries end; no
          message to the person's accounts is accepted. From here on nothing more is written about the person.
release   claims and unowned items that the hashes find are deleted; the last transaction also deletes the hashes.
clean     messages to the person's accounts are deleted, then the items beside the lead, which name those accounts.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import batched
from typing import TYPE_CHECKING, Any

from leadbridge.domain.clock import from_text
from leadbridge.domain.delivery import Delivery
from leadbridge.domain.lead import Lead
from leadbridge.domain.operator_steps import erased
from leadbridge.storage import items
from leadbridge.storage.claims import Claims
from leadbridge.storage.erasure.unowned_items import Unowned
from leadbridge.storage.fetches import fetch_key
from leadbridge.storage.items import Entry, Hashes, Item
from leadbridge.storage.messages import CLOSED_FOR, closed_key, contact_key
from leadbridge.storage.table import Conflict, Contended, persist, put, transact

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

BATCH_SIZE = 25  # items that one batch writes at most
TRANSACTION_SIZE = 100  # items of one transaction
MAX_DELIVERIES = 30  # that one transaction ends, with three items each; the next transaction ends further ones
MAX_TRIES = 10  # of a transaction while others change the lead, and of a batch's unprocessed items
HASHES = ("phone_hash", "email_hash", "tax_hash")
AS_READ = (*HASHES, "awaits_fetch", "partners", "erased_at")  # attributes that must be unchanged to replace the lead
KEPT = ("LEAD", "DELIVERY#", "EVENT#")  # prefixes of the keys of what remains
KEPT_OF_ENTRY = frozenset({"pk", "sk", "at", "what", "partner", "expires_at"})
UNKNOWN_SOURCE = "unknown"  # for a lead whose own item expired before the rest


class UnknownLead(LookupError):
    """There is no such lead."""


@dataclass(frozen=True)
class _Found:
    """The items in a lead's partition. `accounts` are the accounts at Leeloo to which messages were written."""

    lead: dict[str, Any] | None = None
    deliveries: list[Delivery] = field(default_factory=list)
    contact: dict[str, Any] | None = None
    has_fetch: bool = False
    accounts: set[str] = field(default_factory=set)
    began_at: datetime | None = None

    @classmethod
    def of(cls, every: Iterable[dict[str, Any]]) -> _Found | None:
        """Sort a partition's items, decoded; None where there are none."""
        lead, contact, has_fetch, began_at, is_empty = None, None, False, None, True
        deliveries, accounts = [], set()
        for values in every:
            is_empty = False
            match values["sk"].partition("#")[0]:
                case "LEAD":
                    lead = values
                case "DELIVERY":
                    deliveries.append(items.delivery_of(values))
                case "CONTACT":
                    contact = values
                case "FETCH":
                    has_fetch = True
                case "EVENT" if began_at is None:
                    began_at = from_text(values["at"])
            if values["sk"].startswith(("CONTACT", "FORMER#", "MESSAGE#")) and "account_id" in values:
                accounts.add(str(values["account_id"]))
        return None if is_empty else cls(lead, deliveries, contact, has_fetch, accounts, began_at)

    @property
    def is_closed(self) -> bool:
        """Whether the lead is a tombstone already, and no fetch or delivery beside it can continue."""
        is_tombstone = self.lead is not None and "erased_at" in self.lead
        return is_tombstone and not self.has_fetch and all(delivery.is_erased for delivery in self.deliveries)


class Eraser:
    """Erases people from the table. Safe to repeat: the next erasure finishes one that stopped half-way.

    Every method may raise botocore's errors when AWS does not answer.
    """

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def erase(self, lead_id: str, operator: str, now: datetime) -> None:
        """Erase a lead's person.

        A lead whose own item has expired before the rest is erased, too. Raises UnknownLead if there is nothing, Busy
        while the lead is being submitted, Conflict or Contended while others keep changing it.
        """
        self._close(lead_id, operator, now)
        self._release(lead_id)
        self._clean(lead_id)

    def _close(self, lead_id: str, operator: str, now: datetime) -> None:
        """Replace the lead as it was read by the tombstone, and end what could continue; try again after a conflict."""
        conflict: Conflict | None = None
        for _ in range(MAX_TRIES):
            found = _Found.of(self._items(lead_id))
            if found is None:
                raise UnknownLead(lead_id)
            if found.is_closed:
                return
            try:
                transact(self._client, self._closing(lead_id, found, operator, now), or_conflict=True)
            except Conflict as raised:
                conflict = raised
        raise conflict or Contended

    def _closing(self, lead_id: str, found: _Found, operator: str, now: datetime) -> list[Any]:
        writes: list[Any] = []
        changes = [erased(delivery, now) for delivery in found.deliveries if not delivery.is_erased]
        for change in changes[:MAX_DELIVERIES]:
            writes.append(put(self._table, items.delivery_item(change.after), version=change.before.version))
            writes += self._forgotten_account(change.before)
        if found.has_fetch:
            writes.append({"Delete": {"TableName": self._table, "Key": items.encode(fetch_key(lead_id))}})
        if found.lead is not None and "erased_at" in found.lead:
            return writes
        tombstone = _tombstone(lead_id, found, now)
        before = found.lead or {}
        hashes: Hashes = {
            "phone_hash": before.get("phone_hash"),
            "email_hash": before.get("email_hash"),
            "tax_hash": before.get("tax_hash"),
        }
        entry = Entry.by_operator(now, "erased", operator)
        writes += [
            self._replaced(found.lead, items.lead_item(tombstone, **hashes)),
            put(self._table, items.entry_item(lead_id, entry, "erased")),
            self._contact_as_read(lead_id, found.contact),
        ]
        left = TRANSACTION_SIZE - len(writes)
        return writes + [self._closed(account_id) for account_id in sorted(found.accounts)[:left]]

    def _replaced(self, before: dict[str, Any] | None, after: Item) -> Any:
        """Replace a lead's item, on the condition that it is as it was read."""
        if before is None:
            return put(self._table, after, "attribute_not_exists(pk)")
        given = [name for name in AS_READ if name in before]
        conditions = ["attribute_exists(pk)", *(f"#{name} = :{name}" for name in given)]
        conditions += [f"attribute_not_exists(#{name})" for name in AS_READ if name not in before]
        write = put(self._table, after, " AND ".join(conditions))
        write["Put"]["ExpressionAttributeNames"] = {f"#{name}": name for name in AS_READ}
        if given:
            write["Put"]["ExpressionAttributeValues"] = items.encode({f":{name}": before[name] for name in given})
        return write

    def _contact_as_read(self, lead_id: str, contact: dict[str, Any] | None) -> Any:
        check: dict[str, Any] = {"TableName": self._table, "Key": items.encode(contact_key(lead_id))}
        if contact is None or "account_id" not in contact:
            return {"ConditionCheck": {**check, "ConditionExpression": "attribute_not_exists(account_id)"}}
        check["ConditionExpression"] = "account_id = :account_id"
        check["ExpressionAttributeValues"] = items.encode({":account_id": contact["account_id"]})
        return {"ConditionCheck": check}

    def _closed(self, account_id: str) -> Any:
        mark = items.encode({**closed_key(account_id), "expires_at": int(time.time()) + CLOSED_FOR})
        return {"Put": {"TableName": self._table, "Item": mark}}

    def _forgotten_account(self, delivery: Delivery) -> list[Any]:
        """Delete what is kept of the person's account at a partner, and note that it is not to be kept again.

        The tie of a deal is marked in the same way, so that no other lead takes the deal.
        """
        if delivery.created is None:
            return []
        tie = items.link_key(delivery.partner, delivery.created)
        marked = items.encode({**tie, "lead_id": delivery.lead_id, "is_erased": True})
        key = items.encode({**tie, "sk": "ACCOUNT"})
        return [
            {"Put": {"TableName": self._table, "Item": marked}},
            {"Delete": {"TableName": self._table, "Key": key}},
        ]

    def _release(self, lead_id: str) -> None:
        """Delete what only the hashes find, and last the hashes; try again if a claim changed meanwhile."""
        conflict: Conflict | None = None
        for _ in range(MAX_TRIES):
            try:
                return self._release_once(lead_id)
            except Conflict as raised:
                conflict = raised
        raise conflict or Contended

    def _release_once(self, lead_id: str) -> None:
        found = _Found.of(self._items(lead_id)) or _Found()
        self._erase_unowned(lead_id, found)
        if found.lead is None or not any(name in found.lead for name in HASHES):
            return
        bare = self._replaced(found.lead, items.lead_item(items.lead_of(found.lead), phone_hash=None))
        claims = Claims(self._client, self._table).releasing(found.lead)
        *some, last = list(batched(claims, TRANSACTION_SIZE - 1, strict=False)) or [()]
        for writes in some:
            transact(self._client, writes, or_conflict=True)
        transact(self._client, [*last, bare], or_conflict=True)

    def erase_restored(self, lead_id: str, copy: Iterable[dict[str, Any]]) -> None:
        """Erase restored items about the person of an erased lead that do not name the lead.

        `copy` are the items, decoded, of the lead's partition before the erasure.
        """
        found = _Found.of(copy) or _Found()
        self._erase_unowned(lead_id, found)
        self._delete_messages_to(found.accounts)

    def _erase_unowned(self, lead_id: str, found: _Found) -> None:
        unowned = Unowned(self._client, self._table, lead_id)
        unowned.erase("account_id", found.accounts)
        for kind in ("phone_hash", "email_hash"):
            if found.lead is not None and kind in found.lead:
                unowned.erase(kind, {str(found.lead[kind])})

    def _delete_messages_to(self, accounts: set[str]) -> None:
        for account_id in sorted(accounts):
            self._write([_deleted(values) for values in self._query(f"ACCOUNT#{account_id}", "MESSAGE#")])

    def _clean(self, lead_id: str) -> None:
        """Delete what belongs to the person, and take from the timeline what it quotes."""
        every = list(self._items(lead_id))
        found = _Found.of(every) or _Found()
        self._delete_messages_to(found.accounts)  # first, because the items below name the accounts
        requests: list[Any] = []
        for values in every:
            if not values["sk"].startswith(KEPT):
                requests.append(_deleted(values))
            elif values["sk"].startswith("EVENT#") and values["what"] != "erased":
                rest = {name: values[name] for name in values if name in KEPT_OF_ENTRY}
                if rest != values:
                    requests.append({"PutRequest": {"Item": items.encode(rest)}})
        self._write(requests)

    def _items(self, lead_id: str) -> Iterator[dict[str, Any]]:
        return self._query(f"LEAD#{lead_id}")

    def _query(self, partition: str, kind: str | None = None) -> Iterator[dict[str, Any]]:
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="pk = :pk" + (" AND begins_with(sk, :kind)" if kind else ""),
            ExpressionAttributeValues=items.encode({":pk": partition, ":kind": kind}),
            ConsistentRead=True,
            PaginationConfig={"MaxItems": 100_000},
        )
        for page in pages:
            yield from map(items.decode, page["Items"])

    def _write(self, requests: list[Any]) -> None:
        for some in batched(requests, BATCH_SIZE, strict=False):
            left: dict[str, Any] = {self._table: list(some)}
            for _ in range(MAX_TRIES):
                answer = persist(partial(self._client.batch_write_item, RequestItems=left))
                left = dict(answer.get("UnprocessedItems", {}))
                if not left:
                    break
            else:
                raise Contended


def _deleted(values: dict[str, Any]) -> Any:
    return {"DeleteRequest": {"Key": items.encode({"pk": values["pk"], "sk": values["sk"]})}}


def _tombstone(lead_id: str, found: _Found, now: datetime) -> Lead:
    """Return what remains of a lead. Where its own item has expired, this comes from the other items."""
    if found.lead is not None:
        lead = items.lead_of(found.lead)
        source, received_at, partners = lead.source, lead.received_at, lead.partners
    else:
        source = next((delivery.source for delivery in found.deliveries), UNKNOWN_SOURCE)
        received_at = min([delivery.received_at for delivery in found.deliveries], default=found.began_at or now)
        partners = tuple(delivery.partner for delivery in found.deliveries)
    return Lead(lead_id=lead_id, source=source, received_at=received_at, partners=partners, erased_at=now)

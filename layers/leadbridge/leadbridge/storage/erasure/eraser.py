"""Erasing a person: what remains of their lead is a tombstone, by which a redelivered post still finds it.

An erasure has three steps. Each leaves what the next one needs, so that a repeated erasure can finish it:

close     one transaction: the lead becomes a tombstone, which still has the keyed hashes; its deliveries end; no
          message to the person's accounts is accepted. From here on nothing more is written about the person.
release   claims and unowned items that the hashes find are deleted; the last transaction also deletes the hashes.
clean     messages to the person's accounts are deleted, then the items beside the lead, which name those accounts.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import batched
from typing import Any

from leadbridge.domain.clock import from_text
from leadbridge.domain.delivery import Delivery
from leadbridge.domain.fields.hashes import Hashes
from leadbridge.domain.lead import Lead
from leadbridge.domain.operator_steps import erase_delivery
from leadbridge.domain.timeline import Entry
from leadbridge.domain.transitions import Conflict
from leadbridge.runtime.aws_errors import Contended
from leadbridge.storage import items
from leadbridge.storage.claims import ClaimRepository
from leadbridge.storage.corrections import FORMER_HASHES, former_hashes
from leadbridge.storage.erasure.unowned_items import UnownedItems, account_deletes
from leadbridge.storage.fetches import fetch_key
from leadbridge.storage.items import Item
from leadbridge.storage.messages import CLOSED_FOR, closed_key, contact_key
from leadbridge.storage.table import Query, Table
from leadbridge.storage.writes import Write, check, delete, put

TRANSACTION_SIZE = 100  # items of one transaction
MAX_ITEMS = 100_000  # of one partition that are read
MAX_OF_DELIVERIES = 94  # items of one transaction that end deliveries; the next transaction ends further ones
MAX_TRIES = 10  # of a transaction while others change the lead
HASHES = ("phone_hash", "email_hash", "tax_hash", "name_hash")
UNOWNED = ("phone_hash", "email_hash")  # hashes that find items which belong to no lead
AS_READ = (
    *HASHES,
    "awaits_fetch",
    "partners",
    "revision",
    "erased_at",
)  # attributes that must be unchanged to replace the lead
KEPT_PREFIXES = ("LEAD", "DELIVERY#", "EVENT#", "COUNTED", "FEEDBACK#")  # prefixes of the keys of what remains
KEPT_OF_ENTRY = frozenset({"pk", "sk", "at", "what", "partner", "expires_at"})
UNKNOWN_SOURCE = "unknown"  # for a lead whose own item expired before the rest


class LeadNotFound(LookupError):
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
        """Sort a partition's items; None where there are none."""
        lead, contact, has_fetch, began_at, is_empty = None, None, False, None, True
        deliveries, accounts = [], set()
        for values in every:
            is_empty = False
            match values["sk"].partition("#")[0]:
                case "LEAD":
                    lead = values
                case "DELIVERY":
                    deliveries.append(items.delivery_of(values))
                    began_at = began_at or deliveries[-1].received_at
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

    Every method may raise botocore's errors.
    """

    def __init__(self, table: Table) -> None:
        self._table = table

    def erase(self, lead_id: str, operator: str, now: datetime) -> None:
        """Erase a lead's person.

        A lead whose own item has expired before the rest is erased, too. Raises LeadNotFound if there is nothing, Busy
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
                raise LeadNotFound(lead_id)
            if found.is_closed:
                return
            try:
                self._table.transact(self._closing(lead_id, found, operator, now), or_conflict=True)
            except Conflict as raised:
                conflict = raised
        raise conflict or Contended

    def _closing(self, lead_id: str, found: _Found, operator: str, now: datetime) -> list[Write]:
        writes: list[Write] = []
        changes = [erase_delivery(delivery, now) for delivery in found.deliveries if not delivery.is_erased]
        for change in changes:
            ended = put(items.delivery_item(change.after), version=change.before.version)
            own = [ended, *self._forgotten_account(change.before)]
            if len(writes) + len(own) > MAX_OF_DELIVERIES:
                break
            writes += own
        if found.has_fetch:
            writes.append(delete(fetch_key(lead_id)))
        if found.lead is not None and "problems" in found.lead:
            writes.append(delete(items.incomplete_key(lead_id)))
        if found.lead is not None and "erased_at" in found.lead:
            return writes
        tombstone = _tombstone(lead_id, found, now)
        before = found.lead or {}
        hashes: Hashes = {
            "phone_hash": before.get("phone_hash"),
            "email_hash": before.get("email_hash"),
            "tax_hash": before.get("tax_hash"),
            "name_hash": before.get("name_hash"),
        }
        entry = Entry.by_operator(now, "erased", operator)
        writes += [
            _replaced(found.lead, items.lead_item(tombstone, **hashes) | _former(before)),
            put(items.entry_item(lead_id, entry, "erased")),
            _contact_as_read(lead_id, found.contact),
        ]
        left = TRANSACTION_SIZE - len(writes)
        return writes + [_closed(account_id) for account_id in sorted(found.accounts)[:left]]

    def _forgotten_account(self, delivery: Delivery) -> list[Write]:
        """Delete the person's account at a partner, and note that it must not be stored again.

        The link of a deal is marked in the same way, so that no other lead takes the deal.
        """
        if delivery.created is None:
            return []
        link = items.link_key(delivery.partner, delivery.created)
        marked = put({**link, "lead_id": delivery.lead_id, "is_erased": True}, ttl=False)
        return [marked] if delivery.account_uuid is None else [marked, *account_deletes(self._table, link["pk"])]

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
        if found.lead is None or not any(name in found.lead for name in (*HASHES, FORMER_HASHES)):
            return
        bare = _replaced(found.lead, items.lead_item(items.lead_of(found.lead), phone_hash=None))
        claims = ClaimRepository(self._table).release_writes(found.lead)
        for name, digest in former_hashes(found.lead):
            one = {"lead_id": lead_id, "partners": found.lead["partners"], name: digest}
            claims += ClaimRepository(self._table).release_writes(one)
        *some, last = list(batched(claims, TRANSACTION_SIZE - 1, strict=False)) or [()]
        for writes in some:
            self._table.transact(writes, or_conflict=True)
        self._table.transact([*last, bare], or_conflict=True)

    def erase_restored(self, lead_id: str, copy: Iterable[dict[str, Any]]) -> None:
        """Erase restored items about the person of an erased lead that do not name the lead.

        `copy` are the items of the lead's partition before the erasure.
        """
        found = _Found.of(copy) or _Found()
        self._erase_unowned(lead_id, found)
        self._delete_messages_to(found.accounts)

    def _erase_unowned(self, lead_id: str, found: _Found) -> None:
        unowned = UnownedItems(self._table, lead_id)
        unowned.erase("account_id", found.accounts)
        for kind in UNOWNED:
            if found.lead is not None and kind in found.lead:
                unowned.erase(kind, {str(found.lead[kind])})
        for kind, digest in former_hashes(found.lead or {}):
            if kind in UNOWNED:
                unowned.erase(kind, {digest})

    def _delete_messages_to(self, accounts: set[str]) -> None:
        for account_id in sorted(accounts):
            query = Query("pk = :pk AND begins_with(sk, :kind)", {":pk": f"ACCOUNT#{account_id}", ":kind": "MESSAGE#"})
            found = self._table.query(query, limit=MAX_ITEMS)
            self._table.batch_write([delete({"pk": values["pk"], "sk": values["sk"]}) for values in found])

    def _clean(self, lead_id: str) -> None:
        """Delete what belongs to the person, and take from the timeline what it quotes."""
        every = list(self._items(lead_id))
        found = _Found.of(every) or _Found()
        self._delete_messages_to(found.accounts)  # first, because the items below name the accounts
        writes: list[Write] = []
        for values in every:
            if not values["sk"].startswith(KEPT_PREFIXES):
                writes.append(delete({"pk": values["pk"], "sk": values["sk"]}))
            elif values["sk"].startswith("EVENT#") and values["what"] != "erased":
                rest = {name: values[name] for name in values if name in KEPT_OF_ENTRY}
                if rest != values:
                    writes.append(put(rest, ttl=False))
        self._table.batch_write(writes)

    def _items(self, lead_id: str) -> Iterator[dict[str, Any]]:
        return self._table.query(Query("pk = :pk", {":pk": f"LEAD#{lead_id}"}), limit=MAX_ITEMS)


def _replaced(before: dict[str, Any] | None, after: Item) -> Write:
    """Replace a lead's item, on the condition that it is as it was read."""
    if before is None:
        return put(after, "attribute_not_exists(pk)")
    conditions = ["attribute_exists(pk)"]
    conditions += [f"#{name} = :{name}" if name in before else f"attribute_not_exists(#{name})" for name in AS_READ]
    return put(
        after,
        " AND ".join(conditions),
        values={f":{name}": before[name] for name in AS_READ if name in before},
        names={f"#{name}": name for name in AS_READ},
    )


def _former(lead: Mapping[str, Any]) -> Item:
    """The hashes that corrections replaced. They are needed until what they find is erased."""
    return {name: lead[name] for name in (FORMER_HASHES, "revision") if name in lead}


def _contact_as_read(lead_id: str, contact: dict[str, Any] | None) -> Write:
    """Fail the transaction if the account of the lead's person has changed since it was read."""
    if contact is None or "account_id" not in contact:
        return check(contact_key(lead_id), "attribute_not_exists(account_id)")
    return check(contact_key(lead_id), "account_id = :account_id", {":account_id": contact["account_id"]})


def _closed(account_id: str) -> Write:
    """Store the mark that no message to an account is accepted for a while."""
    return put({**closed_key(account_id), "expires_at": int(time.time()) + CLOSED_FOR})


def _tombstone(lead_id: str, found: _Found, now: datetime) -> Lead:
    """Return the tombstone of a lead. Where its own item has expired, this comes from the other items."""
    if found.lead is not None:
        lead = items.lead_of(found.lead)
        source, received_at, day, partners = lead.source, lead.received_at, lead.day, lead.partners
    else:
        source = next((delivery.source for delivery in found.deliveries), UNKNOWN_SOURCE)
        received_at = min([delivery.received_at for delivery in found.deliveries], default=found.began_at or now)
        day = ""
        partners = tuple(delivery.partner for delivery in found.deliveries)
    return Lead(lead_id=lead_id, source=source, received_at=received_at, day=day, partners=partners, erased_at=now)

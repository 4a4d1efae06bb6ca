"""Where leads are kept that a form has only named: the lead's item, still empty, and beside it how it is fetched.

pk                 sk       item
LEAD#{lead_id}     LEAD     the lead; `awaits_fetch` stands in it until it has been fetched
LEAD#{lead_id}     FETCH    the fetch
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from leadbridge.domain.clock import from_text, to_text
from leadbridge.domain.delivery import Delivery
from leadbridge.domain.fetch import Fetch, FetchChange, FetchState
from leadbridge.domain.lead import Lead
from leadbridge.storage import items
from leadbridge.storage.items import Entry, Item
from leadbridge.storage.table import defer, is_late, put, transact, transact_late

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

DUE_PARTITION = "fetches"  # where fetches stand in the index `due`
AWAITS_FETCH = items.encode({"awaits_fetch": True})

_TIMES = ("received_at", "first_attempt_at", "next_attempt_at", "restored_at", "due_at")
_COUNTS = ("version", "attempts")
_TEXTS = ("lead_id", "source", "last_error", "last_error_code")


def fetch_key(lead_id: str) -> dict[str, str]:
    """The key of a lead's fetch."""
    return {"pk": f"LEAD#{lead_id}", "sk": "FETCH"}


def fetch_item(fetch: Fetch) -> Item:
    """A fetch as it is stored. Where there are no deliveries it stands in the operator's list in their stead."""
    times = {name: getattr(fetch, name) for name in _TIMES}
    return items.encode(
        {
            **fetch_key(fetch.lead_id),
            **{name: getattr(fetch, name) for name in (*_TEXTS, *_COUNTS)},
            **{name: to_text(moment) for name, moment in times.items() if moment is not None},
            "keys": dict(fetch.keys),
            "last_error_data": fetch.last_error_data,
            "state": fetch.state.value,
            "listed": f"delivery#{fetch.stands_for.value}" if fetch.stands_for else None,
            "received_key": items.received_key(fetch.received_at, fetch.lead_id),
            "due_partner": DUE_PARTITION if fetch.due_at is not None else None,
        }
    )


def fetch_of(values: dict[str, Any]) -> Fetch:
    """The fetch that a decoded item holds."""
    known: dict[str, Any] = {name: values[name] for name in _TEXTS if name in values}
    known |= {name: int(values[name]) for name in _COUNTS if name in values}
    known |= {name: from_text(values[name]) for name in _TIMES if name in values}
    known["last_error_data"] = items.error_data_of(values)
    return Fetch(state=FetchState(values["state"]), keys=dict(values["keys"]), **known)


class FetchRepository:
    """Fetches in the table. Every method may raise botocore's errors when AWS does not answer."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def fetch(self, lead_id: str) -> Fetch | None:
        """The fetch as it is now."""
        key = items.encode(fetch_key(lead_id))
        got = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True)
        return fetch_of(items.decode(got["Item"])) if "Item" in got else None

    def defer(self, fetch: Fetch, due_at: datetime) -> None:
        """Move the time at which a fetch is due, unless it has changed or was deferred meanwhile. Raises Contended."""
        defer(self._client, self._table, fetch_key(fetch.lead_id), fetch.version, fetch.due_at, due_at)

    def apply(self, change: FetchChange) -> Fetch:
        """Write a fetch's change and its line in the timeline. Raises Conflict, Contended."""
        if is_late(change.before.received_at, change.at):
            transact_late(self._client, self._table, self._writes(change), change.after.lead_id)
        else:
            transact(self._client, self._writes(change), or_conflict=True)
        return change.after

    def complete(
        self,
        change: FetchChange,
        lead: Lead,
        deliveries: Sequence[Delivery],
        *,
        phone_hash: str | None,
        email_hash: str | None,
        tax_hash: str | None,
    ) -> None:
        """Write what was fetched, all in one transaction: the lead, its deliveries, the fetch's end.

        Raises Contended; Conflict if another worker was quicker, or the lead is gone or erased.
        """
        lead_item = items.lead_item(lead, phone_hash=phone_hash, email_hash=email_hash, tax_hash=tax_hash)
        writes = [*self._writes(change), put(self._table, lead_item, "attribute_exists(awaits_fetch)")]
        if lead.routed is not None:
            routed = Entry(change.at, "routed", detail=lead.routed, data=lead.routed_data)
            writes.append(put(self._table, items.entry_item(lead.lead_id, routed, "routed")))
        for delivery in deliveries:
            writes.append(put(self._table, items.delivery_item(delivery), "attribute_not_exists(pk)"))
            if delivery.last_error is not None:
                told = {"error_code": delivery.last_error_code, **(delivery.last_error_data or {})}
                refused = Entry(change.at, delivery.state.value, delivery.partner, delivery.last_error, told)
                writes.append(put(self._table, items.entry_item(lead.lead_id, refused, f"{delivery.partner}#000001")))
        transact(self._client, writes, or_conflict=True)

    def _writes(self, change: FetchChange) -> list[Any]:
        after = change.after
        writes = [put(self._table, fetch_item(after), version=change.before.version)]
        if change.what is not None:
            entry = Entry(change.at, change.what, None, change.detail, change.data)
            writes.append(put(self._table, items.entry_item(after.lead_id, entry, f"FETCH#{after.version:06d}")))
        return writes

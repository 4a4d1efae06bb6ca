"""Fetches of leads that a form only named: an empty lead, and beside it how it is fetched.

pk                 sk       item
LEAD#{lead_id}     LEAD     the lead; it has `awaits_fetch` until it has been fetched
LEAD#{lead_id}     FETCH    the fetch
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from leadbridge.domain.clock import from_text, to_text
from leadbridge.domain.delivery import Delivery
from leadbridge.domain.fetch import Fetch, FetchChange, FetchState
from leadbridge.domain.lead import Lead
from leadbridge.domain.shards import sharded
from leadbridge.domain.timeline import Entry
from leadbridge.runtime.aws_errors import RETRY_FOR
from leadbridge.storage import items
from leadbridge.storage.items import Item
from leadbridge.storage.links import routing_writes
from leadbridge.storage.table import Table
from leadbridge.storage.writes import Write, is_late, put

DUE_PARTITION = "fetches"  # the partition of the index `due` that holds fetches
AWAITS_FETCH = {"awaits_fetch": True}

_TIMES = ("received_at", "first_attempt_at", "next_attempt_at", "restored_at", "due_at")
_COUNTS = ("version", "attempts")
_TEXTS = ("lead_id", "source", "last_error", "last_error_code")


def fetch_key(lead_id: str) -> dict[str, str]:
    """The key of a lead's fetch."""
    return {"pk": f"LEAD#{lead_id}", "sk": "FETCH"}


def fetch_item(fetch: Fetch) -> Item:
    """A fetch as it is stored. The operator's list has it in place of a lead's deliveries where there are none."""
    times = {name: getattr(fetch, name) for name in _TIMES}
    return items.present(
        {
            **fetch_key(fetch.lead_id),
            **{name: getattr(fetch, name) for name in (*_TEXTS, *_COUNTS)},
            **{name: to_text(moment) for name, moment in times.items() if moment is not None},
            "keys": dict(fetch.keys),
            "last_error_data": fetch.last_error_data,
            "state": fetch.state.value,
            "listed": sharded(items.of_state(fetch.lead_state.value), fetch.lead_id) if fetch.lead_state else None,
            "received_key": items.received_key(fetch.received_at, fetch.lead_id),
            "due_shard": sharded(DUE_PARTITION, fetch.lead_id) if fetch.due_at is not None else None,
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
    """Fetches in the table. Every method may raise Contended, and botocore's errors."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def fetch(self, lead_id: str) -> Fetch | None:
        """The fetch as it is now."""
        values = self._table.get(fetch_key(lead_id))
        return None if values is None else fetch_of(values)

    def defer(self, fetch: Fetch, due_at: datetime) -> None:
        """Move the time at which a fetch is due, unless it has changed or was deferred since it was read."""
        self._table.defer(fetch_key(fetch.lead_id), fetch.version, fetch.due_at, due_at)

    def apply(self, change: FetchChange, *, retry_for: float = RETRY_FOR) -> Fetch:
        """Write a fetch's change and its line in the timeline. Raises Conflict, Contended."""
        if is_late(change.before.received_at, change.at):
            self._table.transact_extending_lead(_writes(change), change.after.lead_id, retry_for=retry_for)
        else:
            self._table.transact(_writes(change), or_conflict=True, retry_for=retry_for)
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
        name_hash: str | None = None,
    ) -> None:
        """Write in one transaction what was fetched: the lead, its deliveries, the end of the fetch.

        Raises Conflict if another worker was faster, or the lead is gone or erased; Contended.
        """
        lead_item = items.lead_item(
            lead, phone_hash=phone_hash, email_hash=email_hash, tax_hash=tax_hash, name_hash=name_hash
        )
        writes = [*_writes(change), put(lead_item, "attribute_exists(awaits_fetch)")]
        writes += routing_writes(lead, change.at, "routed")
        for delivery in deliveries:
            writes.append(put(items.delivery_item(delivery), "attribute_not_exists(pk)"))
        self._table.transact(writes, or_conflict=True)


def _writes(change: FetchChange) -> list[Write]:
    after = change.after
    writes = [put(fetch_item(after), version=change.before.version)]
    if change.what is not None:
        entry = Entry(change.at, change.what, None, change.detail, change.data)
        writes.append(put(items.entry_item(after.lead_id, entry, f"FETCH#{after.version:06d}")))
    return writes

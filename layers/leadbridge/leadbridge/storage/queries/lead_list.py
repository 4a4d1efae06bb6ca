"""The operator's list: leads by state, source, partner or phone, newest first, page by page, from the indexes."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any

from leadbridge.domain.acceptance.status import LeadStatus
from leadbridge.domain.delivery import Delivery
from leadbridge.domain.fetch import Fetch
from leadbridge.storage import items
from leadbridge.storage.fetches import fetch_key, fetch_of
from leadbridge.storage.items import lead_id_of
from leadbridge.storage.leads import Journey
from leadbridge.storage.table import Query, Table

MAX_PAGES = 20  # index pages that one page of the list may read; rare matches come over several pages of the list
PAGE_SIZE = 100
MAX_KEY = 1024  # bytes that a sort key may have


class InvalidCursor(ValueError):
    """A cursor that this list did not return."""


@dataclass(frozen=True)
class LeadFilter:
    """The leads to list; None means any. `phone_hash` is the keyed hash of a phone.

    `needs_attention`: only those with a delivery that needs a person although it is followed.
    """

    status: LeadStatus | None = None
    source: str | None = None
    partner: str | None = None
    phone_hash: str | None = None
    needs_attention: bool = False


@dataclass(frozen=True)
class LeadPage:
    """Some leads, newest first, without their timelines; `cursor` is for the next page, None at the end.

    `cursors` has one for each lead: the cursor of a page that begins with it. The first lead of the list has none.
    """

    leads: tuple[Journey, ...]
    cursor: str | None
    cursors: tuple[str | None, ...] = ()


class LeadList:
    """Reads the list from the table's indexes. Every method may raise Contended, and botocore's errors."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def page(self, wanted: LeadFilter, limit: int, cursor: str | None = None) -> LeadPage:
        """Up to `limit` leads; fewer (even none) with a cursor when matches are rare. Raises InvalidCursor."""
        query = _query(wanted)
        start = _key_in(cursor, query) if cursor else None
        found: dict[str, tuple[str, ...]] = {}
        before: dict[str, dict[str, Any] | None] = {}

        def page(cursor: str | None) -> LeadPage:
            leads = self._journeys(found, wanted)
            starts = (before[journey.lead.lead_id] for journey in leads)
            return LeadPage(leads, cursor, tuple(_cursor_at(key) if key else None for key in starts))

        for _ in range(MAX_PAGES):
            read = self._table.page(query, after=start, size=PAGE_SIZE)
            for values in read.items:
                lead_id = lead_id_of(values)
                if lead_id not in found and len(found) == limit:
                    return page(_cursor_at(start or {}))
                before.setdefault(lead_id, start)
                found[lead_id] = tuple(values["partners"]) if "partners" in values else ()
                start = {name: values[name] for name in _keys(query)}
            start = read.next_key
            if start is None:
                return page(None)
        return page(_cursor_at(start or {}))

    def _journeys(self, found: dict[str, tuple[str, ...]], wanted: LeadFilter) -> tuple[Journey, ...]:
        leads = {values["lead_id"]: values for values in self._batch([items.lead_key(lead_id) for lead_id in found])}
        keys = [
            items.delivery_key(lead_id, partner) for lead_id, values in leads.items() for partner in values["partners"]
        ]
        keys += [fetch_key(lead_id) for lead_id, values in leads.items() if not values["partners"]]
        deliveries: dict[str, dict[str, Delivery]] = {lead_id: {} for lead_id in leads}
        fetches: dict[str, Fetch] = {}
        for values in self._batch(keys):
            if values["sk"] == "FETCH":
                fetches[values["lead_id"]] = fetch_of(values)
                continue
            delivery = items.delivery_of(values)
            deliveries[delivery.lead_id][delivery.partner] = delivery
        journeys = (
            Journey(items.lead_of(leads[lead_id]), deliveries[lead_id], (), fetches.get(lead_id))
            for lead_id in found
            if lead_id in leads
        )
        # By phone the index knows no state, and of a state it may be a moment behind the table.
        return tuple(
            journey
            for journey in journeys
            if (wanted.status is None or wanted.status in journey.statuses)
            and (not wanted.needs_attention or any(one.attention for one in journey.deliveries.values()))
        )

    def _batch(self, keys: list[dict[str, str]]) -> list[dict[str, Any]]:
        return self._table.batch_get(keys, consistent=False)


def _query(wanted: LeadFilter) -> Query:
    names: dict[str, str] = {}
    values: dict[str, Any] = {}
    filters = []
    if wanted.phone_hash is not None:
        index, partition, values[":partition"] = items.PHONE, "phone_hash", wanted.phone_hash
    else:
        index, partition = items.LISTING, "listed"
        values[":partition"] = items.ATTENTION if wanted.needs_attention else _partition(wanted.status)
    if wanted.source is not None:
        names["#source"], values[":source"] = "source", wanted.source
        filters.append("#source = :source")
    if wanted.partner is not None:
        names["#partner"], values[":partner"] = "partner", wanted.partner
        filters.append("(#partner = :partner OR contains(partners, :partner))")
    return Query(
        f"{partition} = :partition",
        values,
        index,
        filter=" AND ".join(filters) or None,
        names=names,
        newest_first=True,
    )


def _partition(status: LeadStatus | None) -> str:
    match status:
        case None:
            return items.LEADS
        case LeadStatus.INCOMPLETE:
            return items.INCOMPLETE
        case _:
            return f"delivery#{status.value}"


def _keys(query: Query) -> tuple[str, ...]:
    """The attributes of a key in the query's index and in the table."""
    return ("pk", "sk", "phone_hash" if query.index == items.PHONE else "listed", "received_key")


def _cursor_at(key: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(key, sort_keys=True).encode()).decode().rstrip("=")


def _key_in(cursor: str, query: Query) -> dict[str, Any]:
    try:
        plain = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        key = {name: plain[name] for name in _keys(query)}
    except (binascii.Error, ValueError, KeyError, TypeError, RecursionError):
        raise InvalidCursor from None
    partition = _keys(query)[2]
    right = key[partition] == query.values[":partition"]
    if not right or len(plain) != len(key) or not all(_is_key(value) for value in plain.values()):
        raise InvalidCursor
    return key


def _is_key(value: object) -> bool:
    """Return whether the table accepts a value as part of a key."""
    return isinstance(value, str) and value.isascii() and 0 < len(value) <= MAX_KEY

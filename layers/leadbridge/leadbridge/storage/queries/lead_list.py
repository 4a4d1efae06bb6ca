"""The operator's list: leads by state, outcome, source, partner or phone, newest first, page by page, from the indexes.

A cursor is a position: the sort key of the last lead of its page. It names no shard and no item, so it stays valid when
leads arrive, change their state or are deleted. A page has no lead twice, and a lead that does not change is in exactly
one page.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from leadbridge.domain.acceptance.status import LeadStatus
from leadbridge.domain.admission import WAITING
from leadbridge.domain.delivery import Delivery
from leadbridge.domain.fetch import Fetch
from leadbridge.storage import items
from leadbridge.storage.fetches import fetch_key, fetch_of
from leadbridge.storage.items import lead_id_of
from leadbridge.storage.leads import Journey
from leadbridge.storage.queries.listing import MergedQuery, first_page, listing_query, of_key, of_partition
from leadbridge.storage.table import Query, Table

MAX_READS = 32  # queries that one page of the list may make; rare matches come over several pages of the list
PAGE_SIZE = 100  # items that one query reads
MAX_CURSOR = 200  # characters; ours have about 100
WITH_OUTCOME = (LeadStatus.SUBMITTED, LeadStatus.CLOSED)  # the states of deliveries that have an outcome
INCLUDED = "!"  # after a sort key, this sorts behind it and before the next one
_POSITION = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z#\w{1,64}!?", re.ASCII)


class InvalidCursor(ValueError):
    """A cursor that this list did not return."""


@dataclass(frozen=True)
class LeadFilter:
    """The leads to list; None means any. `phone_hash` is the keyed hash of a phone.

    With `outcome`, one delivery has it together with the status and the partner, if these are given.

    `needs_attention`: only those with a delivery that needs a person although it is followed.
    """

    status: LeadStatus | None = None
    source: str | None = None
    partner: str | None = None
    phone_hash: str | None = None
    needs_attention: bool = False
    outcome: str | None = None


@dataclass(frozen=True)
class LeadPage:
    """Some leads, newest first, without their timelines; `cursor` is for the next page, None at the end.

    `cursors` has one for each lead: the cursor of a page that begins with it.
    """

    leads: tuple[Journey, ...]
    cursor: str | None
    cursors: tuple[str, ...] = ()


class LeadList:
    """Reads the list from the table's indexes. Every method may raise Contended, and botocore's errors."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def page(self, wanted: LeadFilter, limit: int, cursor: str | None = None) -> LeadPage:
        """Up to `limit` leads; fewer (even none) with a cursor when matches are rare. Raises InvalidCursor."""
        before = _position_of(cursor, wanted) if cursor else None
        queries = _queries(wanted, before)
        is_filtered = queries[0].filter is not None
        size = PAGE_SIZE if is_filtered else first_page(limit + 1) if len(queries) > 1 else limit + 1
        max_reads = max(MAX_READS, 2 * len(queries))
        merged = MergedQuery(self._table, queries, page_size=size, max_page=PAGE_SIZE, max_reads=max_reads)
        found: dict[str, str] = {}  # the position of each lead
        next_page = None
        for values in merged:
            lead_id = lead_id_of(values)
            if lead_id not in found and len(found) == limit:
                next_page = list(found.values())[-1]
                break
            found[lead_id] = values["received_key"]
        else:
            if merged.position is not None:  # a lead may have another item there that was not read
                is_shown = merged.position in found.values()
                next_page = merged.position if is_shown else merged.position + INCLUDED
        leads = self._journeys(found, wanted)
        cursors = (_cursor_at(found[journey.lead.lead_id] + INCLUDED, wanted) for journey in leads)
        return LeadPage(leads, _cursor_at(next_page, wanted) if next_page else None, tuple(cursors))

    def find(self, lead_ids: Iterable[str]) -> tuple[Journey, ...]:
        """Return some leads in this order, without their timelines; those that do not exist are left out."""
        return self._journeys(list(lead_ids), LeadFilter())

    def _journeys(self, found: Iterable[str], wanted: LeadFilter) -> tuple[Journey, ...]:
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
            and (wanted.outcome is None or any(_fits(one, wanted) for one in journey.deliveries.values()))
        )

    def _batch(self, keys: list[dict[str, str]]) -> list[dict[str, Any]]:
        return self._table.batch_get(keys, consistent=False)


def _queries(wanted: LeadFilter, before: str | None) -> list[Query]:
    """Return the queries whose merged items are the list, of the leads after a position."""
    names: dict[str, str] = {}
    values: dict[str, Any] = {}
    filters = []
    if wanted.source is not None:
        names["#source"], values[":source"] = "source", wanted.source
        filters.append("#source = :source")
    if wanted.partner is not None:
        names["#partner"], values[":partner"] = "partner", wanted.partner
        filters.append("(#partner = :partner OR contains(partners, :partner))")
    if wanted.outcome is not None and wanted.phone_hash is None and not wanted.needs_attention:
        names["#outcome"], values[":outcome"] = "outcome", wanted.outcome
        filters.append("#outcome = :outcome")
    by_phone = {"index": items.PHONE, "key": "phone_hash"} if wanted.phone_hash is not None else {}
    query = listing_query(before=before, newest_first=True, **by_phone)
    query = replace(query, values={**query.values, **values}, filter=" AND ".join(filters) or None, names=names)
    if wanted.phone_hash is not None:
        return [of_key(query, wanted.phone_hash)]
    if wanted.needs_attention:
        return of_partition(query, items.ATTENTION)
    if wanted.outcome is not None:
        states = WITH_OUTCOME if wanted.status is None else (wanted.status,)
        return [one for state in states for one in of_partition(query, _partition(state))]
    queries = of_partition(query, _partition(wanted.status))
    if wanted.status is LeadStatus.RECEIVED:
        queries += of_partition(query, items.of_state(WAITING))
    if wanted.status is LeadStatus.REJECTED:
        queries += of_partition(query, items.of_state(items.CORRECTABLE))
    return queries


def _fits(delivery: Delivery, wanted: LeadFilter) -> bool:
    """Return whether a delivery has the outcome, the status and the partner of a filter."""
    return (
        delivery.outcome == wanted.outcome
        and wanted.partner in {None, delivery.partner}
        and wanted.status in {None, delivery.state.value}
    )


def _partition(status: LeadStatus | None) -> str:
    match status:
        case None:
            return items.LEADS
        case LeadStatus.INCOMPLETE:
            return items.INCOMPLETE
        case _:
            return items.of_state(status.value)


def _cursor_at(position: str, wanted: LeadFilter) -> str:
    """Return the cursor of the page that begins after a position."""
    plain = json.dumps([position, _fingerprint(wanted)])
    return base64.urlsafe_b64encode(plain.encode()).decode().rstrip("=")


def _position_of(cursor: str, wanted: LeadFilter) -> str:
    """Return the position of a cursor. Raises InvalidCursor if it is not of the list with this filter."""
    if len(cursor) > MAX_CURSOR:
        raise InvalidCursor
    try:
        plain = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True))
        position, fingerprint = plain if isinstance(plain, list) else ("", "")
        is_valid = _POSITION.fullmatch(position) is not None and fingerprint == _fingerprint(wanted)
    except (ValueError, TypeError, RecursionError):
        raise InvalidCursor from None
    if not is_valid:
        raise InvalidCursor
    return str(position)


def _fingerprint(wanted: LeadFilter) -> str:
    """Return a short hash of a filter, by which the cursors of another list are refused."""
    parts = (wanted.status, wanted.source, wanted.partner, wanted.phone_hash, wanted.needs_attention, wanted.outcome)
    return sha256(repr(parts).encode()).hexdigest()[:12]

"""The operators' list: the leads of a filter, newest first, page by page, from the indexes.

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
from typing import Any

from leadbridge.domain.acceptance.status import LeadStatus
from leadbridge.domain.admission import WAITING
from leadbridge.domain.clock import to_text
from leadbridge.domain.delivery import Delivery
from leadbridge.domain.errors.error_codes import ErrorCode
from leadbridge.domain.errors.field_codes import FieldCode
from leadbridge.domain.errors.problem_keys import ProblemFilter
from leadbridge.domain.fetch import Fetch
from leadbridge.domain.shards import SHARDS
from leadbridge.domain.statistics.times import Stage
from leadbridge.domain.statuses.outcomes import SUCCESSES
from leadbridge.storage import items
from leadbridge.storage.fetches import fetch_key, fetch_of
from leadbridge.storage.items import lead_id_of
from leadbridge.storage.leads import Journey
from leadbridge.storage.queries.lead_filter import LeadFilter, Search
from leadbridge.storage.queries.listing import (
    AFTER_ALL,
    SORT_KEY,
    MergedQuery,
    first_page,
    listing_query,
    of_key,
    of_partition,
)
from leadbridge.storage.table import Query, Table

MAX_READS = 16  # queries that one page of the list may make; rare matches come over several pages of the list
PAGE_SIZE = 100  # items that one query reads first, and leads that are read to find a page's
MAX_PAGE_SIZE = 200  # items that one query reads
MAX_CURSOR = 200  # characters; ours have about 100
WITH_OUTCOME = (LeadStatus.SUBMITTED, LeadStatus.CLOSED)  # the states of deliveries that have an outcome or a stage
# The states that are read for a problem without a status: of a field, and of an error. They need a person.
WITH_FIELD = (LeadStatus.INCOMPLETE, LeadStatus.REJECTED)
WITH_ERROR = (LeadStatus.REJECTED, LeadStatus.UNKNOWN, LeadStatus.FAILED)
INCLUDED = "!"  # after a sort key, this sorts behind it and before the next one
FIELD_CODES, ERROR_CODES = frozenset(one.value for one in FieldCode), frozenset(one.value for one in ErrorCode)
_POSITION = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z#\w{1,64}!?", re.ASCII)


class InvalidCursor(ValueError):
    """A cursor that this list did not return."""


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
        if wanted.search is not None and (named := self._named(wanted.search)):
            return self._named_page(named, wanted, before)
        found: dict[str, str] = {}  # the position of each lead
        queries = _queries(wanted, before)
        if not queries:
            return LeadPage((), None)
        candidates = limit if wanted.is_indexed else max(PAGE_SIZE, limit)
        next_page = self._find(queries, candidates, before, found)
        leads = self._journeys(found, wanted)
        if len(leads) > limit:
            leads = leads[:limit]
            next_page = found[leads[-1].lead.lead_id]
        cursors = (_cursor_at(found[journey.lead.lead_id] + INCLUDED, wanted) for journey in leads)
        return LeadPage(leads, _cursor_at(next_page, wanted) if next_page else None, tuple(cursors))

    def find(self, lead_ids: Iterable[str]) -> tuple[Journey, ...]:
        """Return some leads in this order, without their timelines; those that do not exist are left out."""
        return self._journeys(list(lead_ids), LeadFilter())

    def _find(self, queries: list[Query], limit: int, before: str | None, found: dict[str, str]) -> str | None:
        """Add the ids of up to `limit` leads with their positions; return where to go on, None at the end."""
        is_filtered = queries[0].filter is not None
        size = PAGE_SIZE if is_filtered else first_page(limit + 1) if len(queries) >= SHARDS else limit + 1
        max_reads = max(MAX_READS, len(queries) + SHARDS)
        merged = MergedQuery(self._table, queries, page_size=size, max_page=MAX_PAGE_SIZE, max_reads=max_reads)
        for values in merged:
            lead_id = lead_id_of(values)
            if before is not None and values[SORT_KEY] >= before:  # the end of a range of times is included
                continue
            if lead_id not in found and len(found) == limit:
                return list(found.values())[-1]
            found[lead_id] = values[SORT_KEY]
        if merged.position is None:
            return None
        # A lead may have another item at this position that was not read.
        return merged.position if merged.position in found.values() else merged.position + INCLUDED

    def _named(self, search: Search) -> list[str]:
        """Return the leads that a search names by their own id, or by that of a deal or an account."""
        links = [items.link_key(partner, created) for partner, created in search.ids]
        linked = [str(values["lead_id"]) for values in self._batch(links)] if links else []
        return list(dict.fromkeys(linked if search.lead_id is None else [search.lead_id]))

    def _named_page(self, named: Iterable[str], wanted: LeadFilter, before: str | None) -> LeadPage:
        """Return the named leads that fit a filter: a partner has one at most."""
        since, until = wanted.since, wanted.until
        leads = {
            items.received_key(one.lead.received_at, one.lead.lead_id): one
            for one in self._journeys(named, wanted)
            if (since is None or one.lead.received_at >= since) and (until is None or one.lead.received_at < until)
        }
        positions = sorted((one for one in leads if before is None or one < before), reverse=True)
        cursors = tuple(_cursor_at(one + INCLUDED, wanted) for one in positions)
        return LeadPage(tuple(leads[one] for one in positions), None, cursors)

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
        # Of what changes, an index may be a moment behind the table.
        return tuple(journey for journey in journeys if wanted.fits(journey))

    def _batch(self, keys: list[dict[str, str]]) -> list[dict[str, Any]]:
        return self._table.batch_get(keys, consistent=False)


def _queries(wanted: LeadFilter, before: str | None) -> list[Query]:
    """Return the queries whose merged items are the list, of the leads after a position."""
    since = to_text(wanted.since) if wanted.since is not None else None
    if wanted.until is not None:
        before = min(to_text(wanted.until), before or AFTER_ALL)
    if since is not None and before is not None and since >= before:
        return []
    if wanted.search is not None:
        return [
            of_key(listing_query(since=since, before=before, newest_first=True, index=index, key=f"{index}_hash"), key)
            for index, key in wanted.search.hashes
        ]
    names: dict[str, str] = {}
    values: dict[str, Any] = {}
    filters = []
    partitions = _partitions(wanted)
    if wanted.source is not None:
        names["#source"], values[":source"] = "source", wanted.source
        filters.append("#source = :source")
    if wanted.campaign is not None and partitions == [items.LEADS]:
        values[":campaign"] = wanted.campaign
        filters.append("campaign = :campaign")
    if wanted.partner is not None:
        names["#partner"], values[":partner"] = "partner", wanted.partner
        filters.append("(#partner = :partner OR contains(partners, :partner))")
    is_of_delivery = not {items.LEADS, items.ATTENTION}.intersection(partitions)
    if wanted.outcome is not None and is_of_delivery:
        names["#outcome"], values[":outcome"] = "outcome", wanted.outcome
        filters.append("#outcome = :outcome")
    if wanted.stage is Stage.ISSUED and is_of_delivery:
        names["#outcome"] = "outcome"
        of_success = {f":{outcome.value}": outcome.value for outcome in sorted(SUCCESSES)}
        values |= of_success
        filters.append(f"#outcome IN ({', '.join(of_success)})")
    if wanted.problem is not None and is_of_delivery:
        values[":problem"] = wanted.problem.key
        filters.append("contains(problem_keys, :problem)")
    query = listing_query(since=since, before=before, newest_first=True)
    query = replace(query, values={**query.values, **values}, filter=" AND ".join(filters) or None, names=names)
    return [one for partition in partitions for one in of_partition(query, partition)]


def _partitions(wanted: LeadFilter) -> list[str]:
    """Return the partitions of the index that have all leads of a filter."""
    if wanted.needs_attention:
        return [items.ATTENTION]
    if wanted.campaign is not None:  # only a lead's own entry has it
        return [items.LEADS]
    if wanted.status is not None:
        return _of_status(wanted.status)
    if wanted.outcome is not None or wanted.stage is not None:
        return [one for state in WITH_OUTCOME for one in _of_status(state)]
    if wanted.problem is not None:
        return [one for state in _states_with(wanted.problem) for one in _of_status(state)]
    return [items.LEADS]


def _states_with(problem: ProblemFilter) -> tuple[LeadStatus, ...]:
    """Return the states that may have a problem, of those that need a person."""
    if problem.code is None:
        return WITH_FIELD
    of_lead = (LeadStatus.INCOMPLETE,) if problem.code in FIELD_CODES else ()
    return (*of_lead, *(WITH_ERROR if problem.code in ERROR_CODES else ()))


def _of_status(status: LeadStatus) -> list[str]:
    """Return the partitions that have the leads of a status: two for those of which a part is listed apart."""
    apart = {LeadStatus.RECEIVED: WAITING, LeadStatus.REJECTED: items.CORRECTABLE}
    if status is LeadStatus.INCOMPLETE:
        return [items.INCOMPLETE]
    return [items.of_state(state) for state in (status.value, apart.get(status)) if state is not None]


def _cursor_at(position: str, wanted: LeadFilter) -> str:
    """Return the cursor of the page that begins after a position."""
    plain = json.dumps([position, wanted.fingerprint])
    return base64.urlsafe_b64encode(plain.encode()).decode().rstrip("=")


def _position_of(cursor: str, wanted: LeadFilter) -> str:
    """Return the position of a cursor. Raises InvalidCursor if it is not of the list with this filter."""
    if len(cursor) > MAX_CURSOR:
        raise InvalidCursor
    try:
        plain = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True))
        position, fingerprint = plain if isinstance(plain, list) else ("", "")
        is_valid = _POSITION.fullmatch(position) is not None and fingerprint == wanted.fingerprint
    except (ValueError, TypeError, RecursionError):
        raise InvalidCursor from None
    if not is_valid:
        raise InvalidCursor
    return str(position)

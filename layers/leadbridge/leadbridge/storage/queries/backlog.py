"""The backlog, read from the index `listing`: since when the oldest lead waits, and which sources are stale.

pk        sk           item
SOURCES   LAST_LEADS   `sources`: when each watched source brought its last lead; `read_until`: up to when it was read
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from leadbridge.domain.clock import from_text, to_text
from leadbridge.domain.delivery import State
from leadbridge.storage import items
from leadbridge.storage.queries.listing import listing_query, read_listing
from leadbridge.storage.table import Table
from leadbridge.storage.writes import put

MAX_LEADS = 100_000  # that one run reads to find the last lead of each source: eight seconds
FIRST_PAGE = 25  # leads of each shard that are read first; usually all sources are among them
OVERLAP = timedelta(minutes=15)  # for leads that reach the index late, it is read again
LAST_LEADS_KEY = {"pk": "SOURCES", "sk": "LAST_LEADS"}


class BacklogMonitor:
    """Reads the age of the backlog. Every method may raise Contended, and botocore's errors."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def oldest_waiting(self) -> datetime | None:
        """Return when the oldest lead came that waits for a partner or to be fetched; None if none waits.

        One item of each shard is read. Deliveries that wait for a paused partner do not count. The age is the lead's
        own, also where an operator has retried it.
        """
        waiting = items.of_state(State.RECEIVED.value)
        for values in read_listing(self._table, listing_query(attributes=("received_key",)), waiting, limit=1):
            return _received_at(values)
        return None

    def last_leads(self, sources: Collection[str], now: datetime) -> dict[str, datetime]:
        """Return when sources brought their last lead, without those that have brought none.

        Reads the newest leads until each source is found, but not those of an earlier run, whose result is stored. A
        source is left out, too, if more than `MAX_LEADS` came since then and none of the newest is from it. The first
        run reads the newest `MAX_LEADS`; so does the first one with a further source.
        """
        stored = self._table.get(LAST_LEADS_KEY) or {}
        known: dict[str, str | None] = stored.get("sources", {})
        is_first = not known.keys() >= set(sources)
        since = None if is_first else to_text(from_text(stored["read_until"]) - OVERLAP)
        found, is_complete = self._newest_leads(sources, since)
        last = {name: known.get(name) for name in sources}
        last |= {name: max(to_text(moment), last[name] or "") for name, moment in found.items()}
        is_complete = is_complete or is_first
        read_until = to_text(now) if is_complete else stored["read_until"]
        self._table.write(put({**LAST_LEADS_KEY, "sources": last, "read_until": read_until}, ttl=False))
        return {name: from_text(text) for name, text in last.items() if text and (is_complete or name in found)}

    def known_last_leads(self) -> dict[str, datetime]:
        """Return when sources brought their last lead, as the last run of `last_leads` found it."""
        stored: dict[str, str | None] = (self._table.get(LAST_LEADS_KEY) or {}).get("sources", {})
        return {name: from_text(text) for name, text in stored.items() if text}

    def _newest_leads(self, sources: Collection[str], since: str | None) -> tuple[dict[str, datetime], bool]:
        """Return the newest lead of each source since a time, and whether there can be no others."""
        found: dict[str, datetime] = {}
        query = listing_query(since=since, attributes=("received_key", "source"), newest_first=True)
        leads = read_listing(self._table, query, items.LEADS, limit=MAX_LEADS, page_size=FIRST_PAGE)
        read = 0
        for read, values in enumerate(leads, start=1):  # noqa: B007 - its last value counts
            if values["source"] in sources:
                found.setdefault(values["source"], _received_at(values))
            if len(found) == len(sources):
                return found, True
        return found, read < MAX_LEADS


def stale_sources(last: Mapping[str, datetime], longest: Mapping[str, timedelta], now: datetime) -> list[str]:
    """Return the sources whose last lead is longer ago than their `longest` pause, sorted by name.

    A source that has never brought a lead is not stale: its form is not in use yet.
    """
    return sorted(name for name, moment in last.items() if now - moment > longest[name])


def _received_at(values: dict[str, Any]) -> datetime:
    return from_text(values["received_key"].partition("#")[0])

"""The backlog, read from the index `listing`: since when the oldest lead waits, and which sources are stale."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from leadbridge.domain.clock import from_text
from leadbridge.domain.delivery import State
from leadbridge.storage import items
from leadbridge.storage.queries.listing import listing_query, read_listing
from leadbridge.storage.table import Table

MAX_LEADS = 300_000  # that are read to find the last lead of each source


class BacklogMonitor:
    """Reads the age of the backlog. Every method may raise Contended, and botocore's errors."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def oldest_waiting(self) -> datetime | None:
        """Return when the oldest lead came that waits for a partner or to be fetched; None if none waits.

        One item of each shard is read. The age is the lead's own, also where an operator has retried it.
        """
        waiting = items.of_state(State.RECEIVED.value)
        for values in read_listing(self._table, listing_query(attributes=("received_key",)), waiting, limit=1):
            return _received_at(values)
        return None

    def last_leads(self, sources: Collection[str]) -> dict[str, datetime]:
        """Return when sources brought their last lead; without those that have none, or none recent enough."""
        last: dict[str, datetime] = {}
        query = listing_query(attributes=("received_key", "source"), newest_first=True)
        for values in read_listing(self._table, query, items.LEADS, limit=MAX_LEADS):
            if values["source"] in sources:
                last.setdefault(values["source"], _received_at(values))
            if len(last) == len(sources):
                break
        return last


def stale_sources(last: Mapping[str, datetime], longest: Mapping[str, timedelta], now: datetime) -> list[str]:
    """Return the sources whose last lead is longer ago than their `longest` pause, sorted by name.

    A source that has never brought a lead is not stale: its form is not in use yet.
    """
    return sorted(name for name, moment in last.items() if now - moment > longest[name])


def _received_at(values: dict[str, Any]) -> datetime:
    return from_text(values["received_key"].partition("#")[0])

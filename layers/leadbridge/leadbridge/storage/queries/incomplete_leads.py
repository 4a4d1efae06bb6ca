"""The share of incomplete leads of each source, read from the index `listing`. It jumps if a form is broken."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from leadbridge.domain.clock import to_text
from leadbridge.storage import items
from leadbridge.storage.queries.listing import listing_query, read_listing
from leadbridge.storage.table import Table

RECENT = timedelta(hours=3)  # the time whose share is compared
BEFORE = timedelta(days=1)  # the time before it, to compare with
MIN_INCOMPLETE = 3  # incomplete leads of a source; fewer say nothing about its form
HIGH_SHARE = 0.5  # a share that is too high, whatever it was before
MIN_SHARE = 0.2  # a share that is too high if it is `MIN_GROWTH` times the one before
MIN_GROWTH = 2
MAX_INCOMPLETE = 10_000  # incomplete leads that are read
MAX_LEADS = 100_000  # leads that are read


@dataclass(frozen=True)
class Share:
    """The incomplete leads of a source among its leads: in the recent time, and in the time before."""

    incomplete: int
    leads: int
    incomplete_before: int = 0
    leads_before: int = 0

    @property
    def has_jumped(self) -> bool:
        """Whether so many leads are incomplete that the form has probably changed."""
        if self.incomplete < MIN_INCOMPLETE:
            return False
        recent = self.incomplete / max(self.leads, 1)
        before = self.incomplete_before / max(self.leads_before, 1)
        return recent >= HIGH_SHARE or (recent >= MIN_SHARE and recent >= MIN_GROWTH * before)


class IncompleteLeads:
    """Reads shares of incomplete leads. Every method may raise Contended, and botocore's errors."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def shares(self, sources: Collection[str], now: datetime) -> dict[str, Share]:
        """Return the shares of the sources that have enough recent incomplete leads to have jumped.

        Usually there are none: then one page of the index is read, and no leads are.
        """
        recent = now - RECENT
        incomplete = self._count(items.INCOMPLETE, recent, now, MAX_INCOMPLETE)
        suspicious = {name for name in sources if incomplete[name] >= MIN_INCOMPLETE}
        if not suspicious:
            return {}
        leads = self._count(items.LEADS, recent, now, MAX_LEADS)
        incomplete_before = self._count(items.INCOMPLETE, recent - BEFORE, recent, MAX_INCOMPLETE)
        leads_before = self._count(items.LEADS, recent - BEFORE, recent, MAX_LEADS)
        return {
            name: Share(incomplete[name], leads[name], incomplete_before[name], leads_before[name])
            for name in sorted(suspicious)
        }

    def _count(self, partition: str, first: datetime, last: datetime, limit: int) -> Counter[str]:
        """Count the items of a partition by source, the newest `limit` at most."""
        query = listing_query(
            since=to_text(first), before=to_text(last), attributes=("received_key", "source"), newest_first=True
        )
        return Counter(str(values["source"]) for values in read_listing(self._table, query, partition, limit=limit))

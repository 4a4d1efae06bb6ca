"""The counters of the statistics. They do not expire.

pk                 sk                            item
STATS#{shard}      {2026-11-02}#{source}         the counts of the leads that a source sent on a day
CAMPAIGNS#{shard}  {2026-11-02}#{source}#{part}  those of some of its campaigns

Each count is an attribute of the item; `contribution` has the names. `LAST` is no count: it is the Unix time at which
the last of the counted leads was received, to a minute or so, because workers may write in another order.
A reader adds the shards up. A shard's own counts may be negative: a lead may be counted in one shard and leave in
another. Only who asks for campaigns reads their items.

Writers use shard 0 while there are few changes, so that there is one item for a day and a source, and all shards while
there are many (`spread`).
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from leadbridge.domain.statistics.contribution import MAIN, Cell, Counts
from leadbridge.storage.items import Item
from leadbridge.storage.table import Query, Table
from leadbridge.storage.writes import Write

MAIN_COUNTERS, CAMPAIGN_COUNTERS = "STATS", "CAMPAIGNS"
SHARDS = 8  # of the counters; a reader makes one query for each
MANY_CHANGES = 300  # records of a batch, from which on all shards are used
MAX_PAGES = 20  # of a megabyte that one request may read; each takes ManageLeads about a second of its 28
LAST = "at"
KEYS = frozenset({"pk", "sk", LAST})


class TooManyCounters(Exception):
    """The days have more counters than one request may read."""


def spread(records: int) -> int:
    """Return the shard for a batch of this size.

    At 1,000 leads a second, full batches write some 1,800 units a second to counters, so a shard gets a quarter of the
    1,000 that DynamoDB accepts for one key.
    """
    return random.randrange(SHARDS) if records >= MANY_CHANGES else 0  # noqa: S311 - nothing secret


def counter_key(cell: Cell, shard: int) -> dict[str, str]:
    """The key of a counter item."""
    day, source, part = cell
    if part == MAIN:
        return {"pk": f"{MAIN_COUNTERS}#{shard}", "sk": f"{day}#{source}"}
    return {"pk": f"{CAMPAIGN_COUNTERS}#{shard}", "sk": f"{day}#{source}#{part}"}


def cell_of(sort_key: str) -> Cell:
    """The cell of a counter item."""
    day, source, *part = sort_key.split("#")
    return day, source, int(part[0]) if part else MAIN


def counter_write(cell: Cell, counts: Counter[str], shard: int, last: int = 0) -> Write:
    """Add to the counts of a cell. `last` is the Unix time of the last lead that it counts as new; 0 without one."""
    names = {f"#n{number}": name for number, name in enumerate(counts)}
    values = {f":n{number}": value for number, value in enumerate(counts.values())}
    expression = "ADD " + ", ".join(f"#n{number} :n{number}" for number in range(len(counts)))
    if last:
        names["#last"], values[":last"] = LAST, last
        expression = f"SET #last = :last {expression}"
    return Write("Update", counter_key(cell, shard), None, values, names, expression)


class CounterReader:
    """Reads the counters of some days, both ends included. It reads `MAX_PAGES` pages at most.

    The number of items depends on days, sources and campaigns, and not on leads.
    """

    def __init__(self, table: Table, first: date, last: date) -> None:
        self._table = table
        self._first, self._end = first.isoformat(), (last + timedelta(days=1)).isoformat()
        self._pages_left = MAX_PAGES
        self.last: dict[str, int] = {}  # Unix times at which the sources' last leads were received

    def counts(self, counters: str = MAIN_COUNTERS) -> Counts:
        """Return the counts, added up over the shards. Raises TooManyCounters, Contended, and botocore's errors.

        The shards are read one after the other, so a count that moves meanwhile may be negative.
        """
        total: Counts = {}
        for shard in range(SHARDS):
            for values in self.items(f"{counters}#{shard}"):
                cell = cell_of(str(values["sk"]))
                of_cell = total.setdefault(cell, Counter())
                if LAST in values:
                    self.last[cell[1]] = max(self.last.get(cell[1], 0), int(values[LAST]))
                for name, number in values.items():
                    if name not in KEYS:
                        of_cell[name] += int(number)
        return total

    def items(self, partition: str) -> Iterator[Item]:
        """Yield the items of a partition. Raises TooManyCounters, Contended, and botocore's errors."""
        values: dict[str, Any] = {":pk": partition, ":first": self._first, ":end": self._end}
        query, start = Query("pk = :pk AND sk BETWEEN :first AND :end", values), None
        while True:
            if self._pages_left == 0:
                raise TooManyCounters
            self._pages_left -= 1
            page = self._table.page(query, after=start)
            yield from page.items
            start = page.next_key
            if start is None:
                return

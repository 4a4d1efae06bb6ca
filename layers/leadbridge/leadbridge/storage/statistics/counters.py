"""The counters of the statistics. They do not expire.

pk             sk                          item
STATS#{shard}  {2026-11-02}#{source}       the counts of the leads that a source sent on a day

Each count is an attribute of the item; `contribution` has the names. A reader adds the shards up. A shard's own counts
may be negative: a lead may be counted in one shard and leave in another.

Writers use shard 0 while there are few changes, so that there is one item for a day and a source, and all shards while
there are many (`spread`).
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from typing import Any

from leadbridge.domain.statistics.contribution import CAMPAIGN, SEPARATOR, Cell, Counts
from leadbridge.storage.items import Item
from leadbridge.storage.table import Query, Table
from leadbridge.storage.writes import Write

SHARDS = 8  # of the counters; a reader makes one query for each
MANY_CHANGES = 300  # records of a batch, from which on all shards are used
MAX_PAGES = 20  # of a megabyte that one request may read; each takes ManageLeads about a second of its 28
KEYS = frozenset({"pk", "sk"})


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
    day, source = cell
    return {"pk": f"STATS#{shard}", "sk": f"{day}#{source}"}


def counter_write(cell: Cell, counts: Counter[str], shard: int) -> Write:
    """Add to the counts of a cell."""
    names = {f"#n{number}": name for number, name in enumerate(counts)}
    values = {f":n{number}": value for number, value in enumerate(counts.values())}
    expression = "ADD " + ", ".join(f"#n{number} :n{number}" for number in range(len(counts)))
    return Write("Update", counter_key(cell, shard), None, values, names, expression)


def known_campaigns(table: Table, cells: Iterable[Cell], shard: int) -> dict[Cell, set[str]]:
    """Return the campaigns that have a count of their own in the counter items of some cells."""
    keys = {f"{day}#{source}": (day, source) for day, source in cells}
    found: dict[Cell, set[str]] = {cell: set() for cell in keys.values()}
    prefix = CAMPAIGN + SEPARATOR
    for values in table.batch_get([counter_key(cell, shard) for cell in keys.values()], consistent=False):
        found[keys[values["sk"]]] = {name.removeprefix(prefix) for name in values if name.startswith(prefix)}
    return found


def read_counts(table: Table, first: date, last: date) -> Counts:
    """Return the counts of some days, both ends included, added up over the shards. Raises TooManyCounters, Contended.

    One query for each shard. The number of items depends on days and sources, and not on leads. The shards are read one
    after the other, so a count that moves meanwhile may be negative.
    """
    total: Counts = {}
    for values in _items(table, first, last):
        day, _, source = str(values["sk"]).partition("#")
        of_cell = total.setdefault((day, source), Counter())
        for name, number in values.items():
            if name not in KEYS:
                of_cell[name] += int(number)
    return total


def _items(table: Table, first: date, last: date) -> Iterator[Item]:
    left = MAX_PAGES
    for shard in range(SHARDS):
        values: dict[str, Any] = {
            ":pk": f"STATS#{shard}",
            ":first": first.isoformat(),
            ":end": (last + timedelta(days=1)).isoformat(),
        }
        query, start = Query("pk = :pk AND sk BETWEEN :first AND :end", values), None
        while True:
            if left == 0:
                raise TooManyCounters
            left -= 1
            page = table.page(query, after=start)
            yield from page.items
            start = page.next_key
            if start is None:
                break

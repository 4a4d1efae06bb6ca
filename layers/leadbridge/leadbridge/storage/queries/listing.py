"""Reading the index `listing`, whose partitions are sharded (see `domain/shards`).

A merged query reads the shards of a partition in the order of their sort key, as if they were one. It reads a page of a
shard only if the next item may be in it. The first page of a list of 50 leads takes 16 queries of 7 items: 8 read units
and about 60 ms, because the queries run one after the other. One unsharded query of 51 items takes 1.5 units at most.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import ceil, sqrt

from leadbridge.domain.shards import SHARDS, shards_of
from leadbridge.storage import items
from leadbridge.storage.table import MAX_PAGE, Query, Table

SORT_KEY, PARTITION = "received_key", ":partition"
MAX_READS = 1000  # queries that one merged query makes; of `MAX_PAGE` items each, if it reads many
BEFORE_ALL, AFTER_ALL = "", "\U0010ffff"  # before and after every sort key


@dataclass
class _Shard:
    """What was read of one shard. `position` is the sort key up to which it was read."""

    query: Query
    position: str
    size: int
    unread: deque[items.Item] = field(default_factory=deque)
    next_key: items.Item | None = None
    is_complete: bool = False

    @property
    def bound(self) -> str:
        """The sort key before which this shard has no further item."""
        return str(self.unread[0][SORT_KEY]) if self.unread else self.position


class MergedQuery:
    """An iterator over the items of several queries of one index, in the order of their sort key.

    `page_size` is the number of items of the first page of each query, before its filter. Further pages of a query
    grow up to `max_page`. No two queries may have items with the same sort key. Iteration ends after `max_reads` calls,
    which must be at least one for each query. Then `position` is the sort key up to which all queries were read; it is
    None if there are no more items. Raises Contended, and botocore's errors.
    """

    def __init__(
        self,
        table: Table,
        queries: Sequence[Query],
        *,
        page_size: int,
        max_page: int = MAX_PAGE,
        max_reads: int = MAX_READS,
    ) -> None:
        if max_reads < len(queries):
            raise ValueError(f"max_reads must be at least {len(queries)}, one for each query")
        self._table = table
        self._newest_first = queries[0].newest_first
        start = AFTER_ALL if self._newest_first else BEFORE_ALL
        self._shards = [_Shard(query, start, min(page_size, max_page)) for query in queries]
        self._max_page = max_page
        self._reads_left = max_reads
        self.position: str | None = None

    def __iter__(self) -> Iterator[items.Item]:
        """Yield the items. Pages are read as they are needed."""
        first = max if self._newest_first else min
        while open_shards := [shard for shard in self._shards if shard.unread or not shard.is_complete]:
            shard = first(open_shards, key=lambda one: one.bound)
            if shard.unread:
                yield shard.unread.popleft()
            elif self._reads_left > 0:
                self._read(shard)
            else:
                self.position = shard.position
                return

    def _read(self, shard: _Shard) -> None:
        """Read the next page of a shard."""
        self._reads_left -= 1
        page = self._table.page(shard.query, after=shard.next_key, size=shard.size)
        shard.unread.extend(page.items)
        shard.next_key = page.next_key
        shard.size = min(2 * shard.size, self._max_page)
        if page.next_key is None:
            shard.is_complete = True
        else:
            shard.position = str(page.next_key[SORT_KEY])


def listing_query(
    *,
    since: str | None = None,
    before: str | None = None,
    attributes: Iterable[str] = (),
    newest_first: bool = False,
    index: str = items.LISTING,
    key: str = "listed",
) -> Query:
    """Return a query of a partition that is yet to be set, by `of_partition` or `of_key`.

    `since` and `before` are sort keys: of items not before the one, and before the other. A time is one, too. `index`
    is one whose sort key is `received_key`, and `key` is its partition key.
    """
    condition, bounds = f"{key} = {PARTITION}", {":since": since, ":before": before}
    if since is not None and before is not None:
        # DynamoDB takes one condition on the sort key. No item has a time alone as its sort key.
        condition += f" AND {SORT_KEY} BETWEEN :since AND :before"
    elif since is not None:
        condition += f" AND {SORT_KEY} >= :since"
    elif before is not None:
        condition += f" AND {SORT_KEY} < :before"
    values = {name: bound for name, bound in bounds.items() if bound is not None}
    return Query(condition, values, index, attributes=tuple(attributes), newest_first=newest_first)


def of_key(query: Query, key: str) -> Query:
    """Return the query of one partition key."""
    return replace(query, values={**query.values, PARTITION: key})


def of_partition(query: Query, partition: str) -> list[Query]:
    """Return the query once for each shard of a partition."""
    return [of_key(query, shard) for shard in shards_of(partition)]


def read_listing(
    table: Table, query: Query, partition: str, *, limit: int, page_size: int | None = None
) -> Iterator[items.Item]:
    """Yield the items of all shards of a partition in the order of the query, `limit` of them at most.

    `page_size`: how many items to read first of each shard, if a few of the `limit` usually suffice.
    """
    merged = MergedQuery(table, of_partition(query, partition), page_size=page_size or first_page(limit))
    for _, values in zip(range(limit), merged, strict=False):
        yield values


def first_page(limit: int) -> int:
    """Return how many items to read of each shard so that one page is enough for most of them.

    The mean and 1.5 standard deviations.
    """
    mean = limit / SHARDS
    return max(1, ceil(mean + 1.5 * sqrt(mean))) if limit > 1 else 1

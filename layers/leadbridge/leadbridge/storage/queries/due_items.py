"""What is due, and whose status is followed, read from the indexes `due` and `followed`.

A partition of these indexes is spread over shards, so that no key of an index takes all writes. Readers merge the
shards in the order of their sort key.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import merge
from itertools import islice
from typing import Any

from leadbridge.domain.clock import from_text, to_text
from leadbridge.domain.shards import shards_of
from leadbridge.storage import items
from leadbridge.storage.items import lead_id_of
from leadbridge.storage.table import Query, Table

MAX_PAGE = 250  # items of one shard that are read with one call
MILLISECOND = timedelta(milliseconds=1)  # the precision of the sort keys


@dataclass(frozen=True)
class DueItem:
    """The key of a delivery, a message or a fetch that is due, as the index has it."""

    pk: str
    sk: str
    due_at: str

    @property
    def owner(self) -> str:
        """The lead's id, or the account's."""
        return self.pk.partition("#")[2]

    @property
    def name(self) -> str:
        """The delivery's partner, or the message's id."""
        return self.sk.partition("#")[2]


@dataclass(frozen=True)
class FollowedDeal:
    """A delivery whose partner is asked for its status."""

    lead_id: str
    followed_since: datetime


def due_items(table: Table, partition: str, until: datetime, limit: int) -> Iterator[DueItem]:
    """Yield what is due by `until`, the longest due first: a partner's deliveries, messages, or fetches."""
    queries = [
        Query("due_shard = :shard AND due_at <= :until", {":shard": shard, ":until": to_text(until)}, items.DUE)
        for shard in shards_of(partition)
    ]
    for found in _merged(table, queries, "due_at", limit):
        yield DueItem(found["pk"], found["sk"], found["due_at"])


def followed_deals(table: Table, partner: str, after: datetime, until: datetime, limit: int) -> Iterator[FollowedDeal]:
    """Yield the followed deliveries with `after` < `followed_since` <= `until`, oldest first."""
    if until < after + MILLISECOND:
        return
    between = {":after": to_text(after + MILLISECOND), ":until": to_text(until)}
    queries = [
        Query(
            "follow_shard = :shard AND followed_since BETWEEN :after AND :until",
            {":shard": shard, **between},
            items.FOLLOWED,
        )
        for shard in shards_of(partner)
    ]
    for found in _merged(table, queries, "followed_since", limit):
        yield FollowedDeal(lead_id_of(found), from_text(found["followed_since"]))


def _merged(table: Table, queries: list[Query], sort_key: str, limit: int) -> Iterator[dict[str, Any]]:
    shards = [table.query(query, limit=limit, page_size=MAX_PAGE) for query in queries]
    yield from islice(merge(*shards, key=lambda values: str(values[sort_key])), limit)

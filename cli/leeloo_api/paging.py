"""Paged lists, whose rows may be added or removed while they are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from leadbridge.partners.leeloo.answers import Reply, readable
from leadbridge.partners.leeloo.client import Query
from leadbridge.partners.leeloo.values import Entity

PAGE_SIZE = 100
MAX_PAGES = 100


def paged[M: Entity](
    model: type[M], read: Callable[[Query], Reply], query: Query = (), *, limit: int = PAGE_SIZE, pages: int = MAX_PAGES
) -> Iterator[M]:
    """Yield each row once, by `id`, until `totalCount` is reached, a page is empty, or `pages` pages have been read.

    `read` receives `query` with `limit` and `offset`. If rows are added while reading, known rows move to the next
    page and are not yielded again. If `totalCount` decreases, reading continues that many rows earlier, so that no row
    is skipped. Raises PartnerError.
    """
    seen: set[str] = set()
    offset, total = 0, None
    for _ in range(pages):
        reply = read([*query, ("limit", str(limit)), ("offset", str(offset))])
        rows = reply.rows()
        for row in readable(model, rows):
            if row.id not in seen:
                seen.add(row.id)
                yield row
        before, total = total, _total_count(reply.meta)
        if before is not None and total is not None and total < before:
            offset = max(0, offset - (before - total))
            continue
        offset += len(rows)
        if not rows or (total is not None and offset >= total):
            return


def _total_count(meta: dict[str, Any]) -> int | None:
    total = meta.get("totalCount")
    return total if type(total) is int else None

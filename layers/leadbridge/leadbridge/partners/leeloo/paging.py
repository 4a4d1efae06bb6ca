"""Lists that page by themselves, over rows that come and go meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from leadbridge.partners.leeloo.answers import Reply, readable
from leadbridge.partners.leeloo.client import Query
from leadbridge.partners.leeloo.reading import Entity

ROWS = 100
PAGES = 100


def paged[M: Entity](
    model: type[M], read: Callable[[Query], Reply], query: Query = (), *, limit: int = ROWS, pages: int = PAGES
) -> Iterator[M]:
    """Each row once, by its `id`, until `totalCount` is reached, a page is empty, or so many pages have been read.

    `read` gets `query` with `limit` and `offset`. Rows that are added meanwhile push known ones on to the next page,
    which are not given twice; where the list has shrunk, it is read again from as much earlier, so that no row is
    jumped over. Raises PartnerError.
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
        before, total = total, _count(reply.meta)
        if before is not None and total is not None and total < before:
            offset = max(0, offset - (before - total))
            continue
        offset += len(rows)
        if not rows or (total is not None and offset >= total):
            return


def _count(meta: dict[str, Any]) -> int | None:
    total = meta.get("totalCount")
    return total if type(total) is int else None

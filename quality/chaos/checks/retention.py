"""A lead's own item is there for as long as anything that belongs to it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from quality.chaos.reconciliation import Books, check

TOLERANCE = 86_400  # seconds by which a lead's item may expire before what belongs to it
LEAD = "LEAD#"


@check
def leads_leave_last(books: Books) -> Iterator[tuple[str, str]]:
    """A lead's own item expires no earlier than what belongs to it; without it nothing is kept."""
    partitions: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for values in books.table:
        if values["pk"].startswith(LEAD):
            partitions[values["pk"].removeprefix(LEAD)].append(values)
    now = 0.0 if books.now is None else books.now.timestamp()
    for lead_id, found in partitions.items():
        own = next((values for values in found if values["sk"] == "LEAD"), None)
        last = max(found, key=lambda values: int(values.get("expires_at", 0)))
        ends = int(last.get("expires_at", 0))
        if own is None and ends > now:
            yield lead_id, f"has left the table, and {last['sk']} is kept"
        elif own is not None and ends - TOLERANCE > int(own.get("expires_at", ends)):
            days = (ends - int(own["expires_at"])) // 86_400
            yield lead_id, f"expires {days} days before {last['sk']}"

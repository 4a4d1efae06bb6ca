"""A lead's own item exists for as long as its other items."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from quality.chaos.reconciliation import Snapshot, check

TOLERANCE = 86_400  # seconds by which a lead's item may expire before its other items
LEAD = "LEAD#"


@check
def leads_expire_last(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """A lead's own item expires no earlier than its other items; without it no other item exists."""
    partitions: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for values in snapshot.table:
        if values["pk"].startswith(LEAD):
            partitions[values["pk"].removeprefix(LEAD)].append(values)
    now = 0.0 if snapshot.now is None else snapshot.now.timestamp()
    for lead_id, found in partitions.items():
        own = next((values for values in found if values["sk"] == "LEAD"), None)
        last = max(found, key=lambda values: int(values.get("expires_at", 0)))
        ends = int(last.get("expires_at", 0))
        if own is None and ends > now:
            yield lead_id, f"has expired, and {last['sk']} exists"
        elif own is not None and ends - TOLERANCE > int(own.get("expires_at", ends)):
            days = (ends - int(own["expires_at"])) // 86_400
            yield lead_id, f"expires {days} days before {last['sk']}"

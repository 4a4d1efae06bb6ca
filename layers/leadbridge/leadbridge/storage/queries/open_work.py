"""How many deliveries and leads need a person, counted in the index `listing`, however old they are."""

from __future__ import annotations

from leadbridge.domain.acceptance.status import LeadStatus
from leadbridge.storage import items
from leadbridge.storage.queries.listing import listing_query, read_listing
from leadbridge.storage.table import Table

PARTITIONS = {
    LeadStatus.FAILED: items.of_state(LeadStatus.FAILED),
    LeadStatus.UNKNOWN: items.of_state(LeadStatus.UNKNOWN),
    LeadStatus.INCOMPLETE: items.INCOMPLETE,
}
MAX_COUNTED = 1000  # of each status; larger numbers are not exact


def count_open_work(table: Table) -> dict[str, int]:
    """Return the number of items of each status, `MAX_COUNTED` at most. Raises Contended, and botocore's errors."""
    query = listing_query(attributes=("received_key",))
    return {
        status.value: sum(1 for _ in read_listing(table, query, partition, limit=MAX_COUNTED))
        for status, partition in PARTITIONS.items()
    }

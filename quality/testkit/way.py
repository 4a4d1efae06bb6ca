"""A lead's way from the form to the lender, call by call: what it asks of the table, and of the lender.

Written by hand, and changed by hand alone. tests/unit/runtime/test_warm_path.py holds the handlers to it;
quality/benchmarks/leads.py measures them against the bare calls of this way, and limits their number.
"""

from collections.abc import Mapping
from typing import Any

WAY = (
    "TransactWriteItems Put Put",  # the lead, its delivery
    "TransactGetItems",  # the delivery, as the queue's message names it, its lead and its partner's state
    "authorize",
    "PutItem",  # the delivery is being sent
    "create",
    "TransactWriteItems Put Put",  # the delivery is with the lender, and its deal is tied to the lead
)


def spelt(operation: str, asked: Mapping[str, Any] | None = None) -> str:
    """A call as it stands above: a transaction with what it does to each item."""
    writes = (asked or {}).get("TransactItems", []) if operation == "TransactWriteItems" else []
    return " ".join([operation, *(kind for one in writes for kind in one)])

"""A lead's way from the form to the lender, call by call: what it asks of the table, and of the lender.

Written by hand, and changed by hand alone. tests/unit/runtime/test_warm_path.py holds the handlers to it;
quality/benchmarks/warm.py measures them against the bare calls of this way, and refuses to measure another one.
"""

from collections.abc import Mapping
from typing import Any

WAY = (
    "TransactWriteItems Put Put Put",  # the lead, the first line of its timeline, its delivery
    "GetItem",  # the delivery, as the queue's message names it
    "GetItem",  # the lead
    "authorize",
    "TransactWriteItems Put Put",  # the delivery is being sent, and a line that says so
    "create",
    "TransactWriteItems Put Put Put",  # the delivery is with the lender, and its deal is tied to the lead
)


def spelt(operation: str, asked: Mapping[str, Any] | None = None) -> str:
    """A call as it stands above: a transaction with what it does to each item."""
    return " ".join([operation, *(kind for one in (asked or {}).get("TransactItems", []) for kind in one)])

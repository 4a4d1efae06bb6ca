"""All checks, and running them."""

from __future__ import annotations

from collections.abc import Iterable

from quality.chaos.checks import (
    corrections,
    feedback,
    leads,
    messages,
    orders,
    partners,
    people,
    posts,
    retention,
    statistics,
)
from quality.chaos.reconciliation import CHECKS, Snapshot, Violation

__all__ = [
    "CHECKS",
    "corrections",
    "feedback",
    "leads",
    "messages",
    "orders",
    "partners",
    "people",
    "posts",
    "retention",
    "statistics",
    "violations",
]


def violations(snapshot: Snapshot, names: Iterable[str] | None = None) -> list[Violation]:
    """Run all checks, or some."""
    wanted = CHECKS if names is None else {name: CHECKS[name] for name in names}
    return [Violation(name, lead_id, what) for name, one in wanted.items() for lead_id, what in one(snapshot)]

"""All checks, and running them."""

from collections.abc import Iterable

from quality.chaos.checks import leads, messages, partners, people, posts, statistics
from quality.chaos.reconciliation import CHECKS, Snapshot, Violation

__all__ = ["CHECKS", "leads", "messages", "partners", "people", "posts", "statistics", "violations"]


def violations(snapshot: Snapshot, names: Iterable[str] | None = None) -> list[Violation]:
    """Run all checks, or some."""
    wanted = CHECKS if names is None else {name: CHECKS[name] for name in names}
    return [Violation(name, lead_id, what) for name, one in wanted.items() for lead_id, what in one(snapshot)]

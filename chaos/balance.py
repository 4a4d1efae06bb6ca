"""Balancing the books: all checks there are, and what does not hold by them."""

from __future__ import annotations

from collections.abc import Iterable

from chaos import lead_checks, message_checks, partner_checks, person_checks, retention_checks
from chaos.books import CHECKS, Books, Violation

__all__ = [
    "CHECKS",
    "lead_checks",
    "message_checks",
    "partner_checks",
    "person_checks",
    "retention_checks",
    "violations",
]


def violations(books: Books, names: Iterable[str] | None = None) -> list[Violation]:
    """What does not hold, by all checks or by some."""
    wanted = CHECKS if names is None else {name: CHECKS[name] for name in names}
    return [Violation(name, lead_id, what) for name, one in wanted.items() for lead_id, what in one(books)]

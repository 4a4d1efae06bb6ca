"""The timeline of a lead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Entry:
    """One line of a lead's timeline. `data` holds the facts that `detail` says in words."""

    at: datetime
    what: str
    partner: str | None = None
    detail: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def by_operator(cls, at: datetime, what: str, operator: str, partner: str | None = None) -> Entry:
        """Return the entry for what an operator did."""
        return cls(at, what, partner, f"by {operator}", {"operator": operator})

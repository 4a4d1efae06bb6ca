"""The timeline of a lead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

LEELOO = "leeloo"  # the `partner` of entries about messages


@dataclass(frozen=True)
class Entry:
    """One entry of a lead's timeline. `data` holds the facts of the text `detail`."""

    at: datetime
    what: str
    partner: str | None = None
    detail: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def by_operator(cls, at: datetime, what: str, operator: str, partner: str | None = None) -> Entry:
        """Return the entry about an action of an operator."""
        return cls(at, what, partner, f"by {operator}", {"operator": operator})

    @property
    def bare(self) -> Entry:
        """The entry without what it quotes, as it remains after an erasure."""
        return Entry(self.at, self.what, self.partner)


@dataclass(frozen=True)
class VersionedEntry:
    """An entry about a delivery, and the version of the delivery that the entry's change led to."""

    version: int
    entry: Entry

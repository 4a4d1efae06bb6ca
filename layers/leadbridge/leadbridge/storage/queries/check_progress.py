"""The progress of a partner's status checks: one item per partner, whatever number of deals it has.

pk                   sk         item
CHECKS#{partner}     PROGRESS   `watermarks`: by age in seconds, up to when followed deals had the check of this age
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from leadbridge.domain.clock import from_text, to_text
from leadbridge.domain.transitions import Conflict
from leadbridge.storage.table import Table
from leadbridge.storage.writes import put


@dataclass(frozen=True)
class CheckProgress:
    """The watermarks by age, as they were read; `version` guards their next write, 0 before the first one."""

    watermarks: Mapping[timedelta, datetime] = field(default_factory=dict)
    version: int = 0


class CheckProgressRepository:
    """The progress of one partner. Every method may raise Contended, and botocore's errors."""

    def __init__(self, table: Table, partner: str) -> None:
        self._table = table
        self._key = {"pk": f"CHECKS#{partner}", "sk": "PROGRESS"}

    def load(self) -> CheckProgress:
        """Return the progress; an empty one before the first run."""
        values = self._table.get(self._key)
        if values is None:
            return CheckProgress()
        stored = {timedelta(seconds=int(age)): from_text(text) for age, text in values["watermarks"].items()}
        return CheckProgress(stored, int(values["version"]))

    def save(self, before: CheckProgress, watermarks: Mapping[timedelta, datetime]) -> None:
        """Store new watermarks. If another run was faster, its watermarks stay: it sent the same deals."""
        texts = {str(int(age.total_seconds())): to_text(moment) for age, moment in watermarks.items()}
        item = {**self._key, "watermarks": texts, "version": before.version + 1}
        with suppress(Conflict):
            if before.version:
                self._table.write(put(item, version=before.version, ttl=False))
            else:
                self._table.write(put(item, "attribute_not_exists(pk)", ttl=False))

"""What the steps of deliveries, messages and fetches have in common."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

# If a waiting item does not change for this time, it is sent to its queue once more.
OVERDUE = timedelta(minutes=15)
LONGEST_OVERDUE = timedelta(hours=6)


class ImpossibleTransition(ValueError):
    """A step that the states do not allow: a defect in the caller."""


class Conflict(Exception):
    """A condition failed: what the caller read is out of date.

    `failed` are the numbers of the writes of a transaction whose conditions failed. `found` are the stored items of
    those writes that return them.
    """

    def __init__(
        self,
        *about: object,
        failed: frozenset[int] = frozenset(),
        found: Mapping[int, Mapping[str, Any]] | None = None,
    ) -> None:
        super().__init__(*about)
        self.failed = failed
        self.found = found or {}


class AlreadyLinked(Conflict):
    """Another lead, `lead_id`, has the deal or the account at the partner."""

    def __init__(self, lead_id: str, *, failed: frozenset[int] = frozenset()) -> None:
        super().__init__(f"{lead_id} has it", failed=failed)
        self.lead_id = lead_id


def overdue_wait(waiting_since: datetime, now: datetime) -> timedelta:
    """Return the time after which an overdue item is sent to its queue once more. It doubles with the item's wait."""
    return min(max(OVERDUE, now - waiting_since), LONGEST_OVERDUE)

"""The ports of the worker core: an item and its repository."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from leadbridge.domain.errors.error_codes import HasError


class WorkItem(HasError, Protocol):
    """An item that a worker processes: a delivery, a message or a fetch."""

    @property
    def is_waiting(self) -> bool:
        """Whether an attempt may start."""
        ...

    @property
    def attempt_number(self) -> int:
        """The number of the attempt that runs, or of the next one, in its retry window."""
        ...

    @property
    def retrying_since(self) -> datetime | None:
        """The start of the retry window; None before the first attempt."""
        ...

    @property
    def next_attempt_at(self) -> datetime | None:
        """When the next attempt is allowed; None for immediately."""
        ...

    @property
    def due_at(self) -> datetime | None:
        """When it is queued again if it does not change."""
        ...

    @property
    def waiting_since(self) -> datetime:
        """The time since when it may be processed."""
        ...


class Ledger[J, C](Protocol):
    """The repository of the items that a worker processes; C is the type of their changes."""

    def apply(self, change: C, *, retry_for: float = ...) -> J:
        """Write a change. Raises Conflict if another writer was faster, Contended after `retry_for` seconds."""
        ...

    def defer(self, item: J, due_at: datetime, /) -> None:
        """Move the time at which an item is due, and nothing else."""
        ...

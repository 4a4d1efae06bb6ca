"""The fetch of a lead of which the form sent only the id, and its steps from one state to another.

A fetch only reads, so it can always be repeated. Every step is a pure function from a fetch to a FetchChange. The
repository writes a change if no other writer was faster. `transitions.FETCH` lists the states that a step may start
from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar

from leadbridge.domain.delivery import State
from leadbridge.domain.errors.error_codes import ErrorInfo, last_error
from leadbridge.domain.transitions import FETCH, OVERDUE, Table, advance


class FetchState(StrEnum):
    """The state of a fetch."""

    PENDING = "pending"
    FETCHED = "fetched"
    TEST = "test"
    FAILED = "failed"


_STANDS_FOR = {
    FetchState.PENDING: State.RECEIVED,
    FetchState.TEST: State.CLOSED,
    FetchState.FAILED: State.FAILED,
}


@dataclass(frozen=True)
class Fetch:
    """The fetch of one lead. `keys` identify the lead at the form builder.

    `due_at` is when the sweep queues the fetch again. `version` grows by one with each change and guards every write.
    `last_error` is always our own text. `restored_at` is when it was restored from a backup: the lead may have been
    fetched and delivered since.
    """

    table: ClassVar[Table] = FETCH

    lead_id: str
    source: str
    received_at: datetime
    keys: Mapping[str, str] = field(default_factory=dict)
    state: FetchState = FetchState.PENDING
    version: int = 1
    attempts: int = 0
    first_attempt_at: datetime | None = None
    next_attempt_at: datetime | None = None
    last_error: str | None = None
    last_error_code: str | None = None
    last_error_data: Mapping[str, Any] | None = None
    restored_at: datetime | None = None
    due_at: datetime | None = None

    @property
    def waiting_since(self) -> datetime:
        """The time since when it may be fetched."""
        return self.next_attempt_at or self.first_attempt_at or self.received_at

    @property
    def is_waiting(self) -> bool:
        """Whether an attempt may start."""
        return self.state is FetchState.PENDING

    @property
    def attempt_number(self) -> int:
        """The number of the next attempt."""
        return self.attempts + 1

    @property
    def retrying_since(self) -> datetime | None:
        """The start of the retry window; None before the first attempt. A retry by an operator starts a new one."""
        return self.first_attempt_at

    @property
    def lead_state(self) -> State | None:
        """The state of the lead while it has no deliveries; None once it has them."""
        return _STANDS_FOR.get(self.state)


@dataclass(frozen=True)
class FetchChange:
    """A pending state change; `what` is its timeline entry, None for a change that the timeline does not show.

    `data` holds the facts of the text `detail`.
    """

    before: Fetch
    after: Fetch
    at: datetime
    what: str | None
    detail: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)


def new_fetch(lead_id: str, source: str, keys: Mapping[str, str], now: datetime) -> Fetch:
    """Return a new fetch. It is sent to its queue again if its event is lost."""
    return Fetch(lead_id, source, received_at=now, keys=dict(keys), due_at=now + OVERDUE)


def schedule_retry(fetch: Fetch, now: datetime, error: ErrorInfo, after: timedelta) -> FetchChange:
    """Schedule a retry `after` an attempt that failed. The timeline shows it if the error is a new one."""
    return _step(
        fetch,
        "schedule_retry",
        now,
        None if error.equals_last_of(fetch) else "fetch_attempt_failed",
        error.text,
        {"attempt": fetch.attempts + 1, **error.entry_data},
        attempts=fetch.attempts + 1,
        first_attempt_at=fetch.first_attempt_at or now,
        next_attempt_at=now + after,
        **last_error(error),
        due_at=now + after + OVERDUE,
    )


def complete(fetch: Fetch, now: datetime) -> FetchChange:
    """End a fetch that returned the lead."""
    return _end(fetch, "fetched", now, "fetched")


def complete_test(fetch: Fetch, now: datetime) -> FetchChange:
    """End a fetch that returned a lead of a testing tool."""
    return _end(fetch, "was_test", now, "test_lead", "a lead of a testing tool; it is sent to no partner")


def fail(fetch: Fetch, now: datetime, error: ErrorInfo) -> FetchChange:
    """End a fetch that needs an operator."""
    return _end(fetch, "fail", now, "fetch_failed", error.text, error)


def refetch(fetch: Fetch, now: datetime, operator: str) -> FetchChange:
    """Retry a failed fetch for an operator, with a new retry window."""
    return _step(
        fetch,
        "refetch",
        now,
        "fetch_requested",
        f"by {operator}",
        {"operator": operator},
        restored_at=None,
        first_attempt_at=None,
        next_attempt_at=None,
        due_at=now + OVERDUE,
    )


def _end(
    fetch: Fetch,
    event: str,
    now: datetime,
    what: str,
    detail: str | None = None,
    error: ErrorInfo | None = None,
) -> FetchChange:
    data = error.entry_data if error else {}
    ended = {"next_attempt_at": None, "due_at": None, **last_error(error)}
    return _step(fetch, event, now, what, detail, data, **ended)


def _step(
    fetch: Fetch,
    event: str,
    now: datetime,
    what: str | None,
    detail: str | None,
    data: Mapping[str, Any],
    **changes: object,
) -> FetchChange:
    return FetchChange(fetch, advance(fetch, event, **changes), now, what, detail, data)

"""A lead that its form only named: it is fetched from where the form's builder keeps it. The fetch's states and steps.

    pending ──► fetched, test
       ├──────► pending (it comes again)
       └──────► failed ──► pending (somebody asks for it once more)

Fetching reads and changes nothing, so it may be repeated always. Like a delivery's, every step is a pure function to a
FetchChange, written if nobody was quicker.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from leadbridge.domain.delivery import State
from leadbridge.domain.error_codes import ErrorInfo, last_error
from leadbridge.domain.transitions import OVERDUE, ImpossibleTransition


class FetchState(StrEnum):
    """Where a fetch stands."""

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
    """The fetch of one lead. `keys` say where the builder keeps it; `due_at` is when a lost message is missed.

    `version` grows by one with each change and guards every write. `last_error` is always a text of ours.
    `restored_at` is when it was put back from a restored table: the lead may have been fetched and delivered since.
    """

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
        """When it was last allowed to be fetched."""
        return self.next_attempt_at or self.first_attempt_at or self.received_at

    @property
    def stands_for(self) -> State | None:
        """The state of a lead that has no deliveries, or none yet; None once it has them."""
        return _STANDS_FOR.get(self.state)


@dataclass(frozen=True)
class FetchChange:
    """A step to write; `what` goes into the lead's timeline, None for a step that nobody need read of.

    `data` holds the facts that `detail` says in words.
    """

    before: Fetch
    after: Fetch
    at: datetime
    what: str | None
    detail: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)


def announced(lead_id: str, source: str, keys: Mapping[str, str], now: datetime) -> Fetch:
    """A new fetch, due for a second look should its announcement get lost."""
    return Fetch(lead_id, source, received_at=now, keys=dict(keys), due_at=now + OVERDUE)


def schedule_retry(fetch: Fetch, now: datetime, error: ErrorInfo, after: timedelta) -> FetchChange:
    """An attempt that brought nothing; the timeline tells of it when the reason is a new one."""
    return _step(
        fetch,
        {FetchState.PENDING},
        FetchState.PENDING,
        now,
        None if error.is_last_of(fetch) else "fetch_failed",
        error.text,
        {"attempt": fetch.attempts + 1, **error.entry_data},
        attempts=fetch.attempts + 1,
        first_attempt_at=fetch.first_attempt_at or now,
        next_attempt_at=now + after,
        **last_error(error),
        due_at=now + after + OVERDUE,
    )


def fetched(fetch: Fetch, now: datetime) -> FetchChange:
    """The lead is here."""
    return _end(fetch, FetchState.FETCHED, now, "fetched")


def was_test(fetch: Fetch, now: datetime) -> FetchChange:
    """The lead is here, and is one of a testing tool."""
    return _end(fetch, FetchState.TEST, now, "test_lead", "made by a testing tool: it goes to no partner")


def fail(fetch: Fetch, now: datetime, error: ErrorInfo) -> FetchChange:
    """It cannot be fetched by itself."""
    return _end(fetch, FetchState.FAILED, now, "fetch_given_up", error.text, error)


def refetch(fetch: Fetch, now: datetime, operator: str) -> FetchChange:
    """Retry a failed fetch for an operator, with a new retry window."""
    return _step(
        fetch,
        {FetchState.FAILED},
        FetchState.PENDING,
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
    to: FetchState,
    now: datetime,
    what: str,
    detail: str | None = None,
    error: ErrorInfo | None = None,
) -> FetchChange:
    data = error.entry_data if error else {}
    ended = {"next_attempt_at": None, "due_at": None, **last_error(error)}
    return _step(fetch, {FetchState.PENDING}, to, now, what, detail, data, **ended)


def _step(
    fetch: Fetch,
    sources: set[FetchState],
    to: FetchState,
    now: datetime,
    what: str | None,
    detail: str | None,
    data: Mapping[str, Any],
    **changes: object,
) -> FetchChange:
    if fetch.state not in sources:
        raise ImpossibleTransition(f"{to} from {fetch.state}")
    after = replace(fetch, state=to, version=fetch.version + 1, **changes)  # type: ignore[arg-type]
    return FetchChange(fetch, after, now, what, detail, data)

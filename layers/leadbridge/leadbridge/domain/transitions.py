"""The state machines of deliveries, messages, fetches and postbacks, and the one function that changes a state.

Each table maps an event to the states that it may start from and the states that it leads to. Every step of a flow or
of an operator is an event. The diagrams and the model-based tests read the same tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar, Protocol

type Table = Mapping[str, Mapping[str, str]]
"""event → state before → state after"""

# The sweep queues a waiting item again if it does not change for this time.
OVERDUE = timedelta(minutes=15)
MAX_OVERDUE = timedelta(hours=6)


def _to(state: str, *sources: str) -> dict[str, str]:
    return dict.fromkeys(sources, state)


def _same(*states: str) -> dict[str, str]:
    return {state: state for state in states}


DELIVERY: Table = {
    # the worker that submits
    "start_attempt": _to("submitting", "received"),
    "schedule_retry": _to("received", "received", "submitting"),
    "wait_for": _same("received"),
    "wait_for_partner": _same("received"),
    "lead_corrected": _same("received"),
    "send_repeat": _same("received"),
    "mark_repeat": _to("duplicate", "received"),
    "hold_repeat": _to("failed", "received"),
    "skip": _to("skipped", "received"),
    "confirm": _to("submitted", "submitting", "unknown"),
    "confirm_uncertain": _to("submitted", "received"),
    "mark_uncertain": _to("received", "submitting"),
    "mark_duplicate": _to("duplicate", "received", "submitting", "unknown"),
    "reject": _to("rejected", "submitting"),
    "fail": _to("failed", "received", "submitting"),
    "mark_unknown": _to("unknown", "received", "submitting"),
    # an answer that is recorded late
    "record_rejected": _to("rejected", "received", "submitting", "unknown"),
    "record_duplicate": _to("duplicate", "received", "submitting", "unknown"),
    "record_not_processed": _to("received", "received", "submitting", "unknown"),
    # the status
    "update_status": _to("submitted", "submitted", "closed"),
    "close": _to("closed", "submitted", "closed"),
    "account_found": _same("submitted", "closed"),
    # an operator
    "retry_by_operator": _to("received", "failed", "rejected", "duplicate", "skipped", "unknown"),
    "moved_by_operator": _to("skipped", "failed"),
    "found": _to("submitted", "unknown", "submitted", "closed", "failed"),
    "not_found": _to("failed", "unknown", "submitted", "closed", "failed"),
    "withdrawn": _to("unknown", "unknown", "submitted", "closed", "failed"),
    "contested": _same("submitted", "closed"),
    "erased": {
        **_same("submitted", "closed", "rejected", "duplicate", "skipped", "unknown", "failed"),
        "received": "failed",
    },
}

MESSAGE: Table = {
    "start_sending": _to("sending", "pending"),
    "schedule_retry": _to("pending", "pending", "sending", "unknown"),
    "wait_until": _same("pending"),
    "postpone": _same("pending"),
    "recheck": _same("pending"),
    "mark_sent": _to("sent", "sending", "unknown"),
    "mark_unknown": _to("unknown", "sending"),
    "fail": _to("failed", "pending", "sending", "unknown"),
    "no_channel": _to("no_channel", "pending"),
    "skip": _to("skipped", "pending"),
    # an operator
    "retry_by_operator": _to("pending", "failed"),
    "skip_by_operator": _to("skipped", "failed"),
    "restored": _to("unknown", "pending", "sending", "failed"),
}

FETCH: Table = {
    "schedule_retry": _same("pending"),
    "fetched": _to("fetched", "pending"),
    "was_test": _to("test", "pending"),
    "fail": _to("failed", "pending"),
    # an operator
    "refetch": _to("pending", "failed"),
}

POSTBACK: Table = {
    "start_sending": _to("sending", "pending"),
    "schedule_retry": _to("pending", "pending", "sending"),
    "accept": _to("accepted", "pending", "sending", "failed"),
    "fail": _to("failed", "pending", "sending"),
    "skip": _to("skipped", "pending", "sending"),
    "recheck": _same("pending"),
    # an operator
    "resend_by_operator": _to("pending", "failed", "skipped", "accepted"),
    "skip_by_operator": _to("skipped", "failed"),
}

BY_OPERATOR = frozenset(
    {
        *("retry_by_operator", "skip_by_operator", "resend_by_operator", "refetch", "restored", "lead_corrected"),
        *("found", "not_found", "withdrawn", "contested", "erased", "moved_by_operator"),
    }
)

# The states of a lead's deliveries, the one that needs an operator most first.
URGENCY = ("unknown", "failed", "rejected", "submitting", "received", "submitted", "duplicate", "closed", "skipped")


class ImpossibleTransition(ValueError):
    """The state table has no such step: a defect in the caller."""


class Stateful(Protocol):
    """A delivery, a message or a fetch: a frozen dataclass with a table, a state and a version."""

    table: ClassVar[Table]
    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def state(self) -> StrEnum:
        """The state."""
        ...

    @property
    def version(self) -> int:
        """The number of changes. It guards every write."""
        ...


def advance[S: Stateful](item: S, event: str, **changes: Any) -> S:
    """Return the item after an event: in its next state and version, with the changes. Raises ImpossibleTransition."""
    after = item.table[event].get(item.state)
    if after is None:
        raise ImpossibleTransition(f"{event} from {item.state}")
    return replace(item, state=type(item.state)(after), version=item.version + 1, **changes)


class Conflict(Exception):
    """A write's condition failed: the item has changed since it was read.

    `failed` are the indexes of the failed writes in a transaction. `found` are the stored items of those writes that
    return them.
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


class CapReached(Conflict):
    """Caps of the partner are used up: `windows` are the periods in which they count."""

    def __init__(self, windows: tuple[str, ...]) -> None:
        super().__init__(f"no lead is left in {', '.join(windows)}")
        self.windows = windows


class AlreadyLinked(Conflict):
    """The partner's deal or account is linked to another lead, `lead_id`."""

    def __init__(self, lead_id: str, *, failed: frozenset[int] = frozenset()) -> None:
        super().__init__(f"it is linked to {lead_id}", failed=failed)
        self.lead_id = lead_id


def overdue_wait(waiting_since: datetime, now: datetime) -> timedelta:
    """Return the time after which an overdue item is queued again. It doubles with the time that the item waits."""
    return min(max(OVERDUE, now - waiting_since), MAX_OVERDUE)


class OutOfOrder(Conflict):
    """Another message of the group was started since the group was read."""

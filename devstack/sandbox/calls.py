"""The log of all calls to partners, in the order of arrival."""

from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from devstack.sandbox.partner import Clock

MAX_STORED = 100_000


class Outcome(StrEnum):
    """`GONE`: the client disconnected. `DROPPED`: the sandbox aborted the connection."""

    IN_FLIGHT = "in_flight"
    ANSWERED = "answered"
    DROPPED = "dropped"
    GONE = "gone"


def rfc3339(seconds: float) -> str:
    """`2026-01-31T09:30:00.123Z` of seconds since the epoch."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(slots=True)
class Call:
    """One call. `status` is None until an answer was written.

    `processed`: the partner's own logic handled it (and may have refused it), whatever the caller received.
    """

    number: int
    at: float
    partner: str
    method: str
    path: str
    operation: str | None = None
    status: int | None = None
    outcome: Outcome = Outcome.IN_FLIGHT
    processed: bool = False
    fault: dict[str, str] | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "at": rfc3339(self.at),
            "partner": self.partner,
            "operation": self.operation,
            "method": self.method,
            "path": self.path,
            "status": self.status,
            "outcome": self.outcome,
            "processed": self.processed,
            "fault": self.fault,
            **self.facts,
        }


class CallLog:
    """The last `limit` calls. Numbers never repeat within a run, also after a reset."""

    def __init__(self, clock: Clock, limit: int = MAX_STORED) -> None:
        self._clock = clock
        self._calls: deque[Call] = deque(maxlen=limit)
        self._number = 0

    def open(self, partner: str, method: str, path: str) -> Call:
        self._number += 1
        call = Call(self._number, self._clock(), partner, method, path)
        self._calls.append(call)
        return call

    def select(self, partner: str | None, operation: str | None, since: int) -> list[Call]:
        """Calls with a number above `since`, of one partner and operation if given."""
        return [
            call
            for call in self._calls
            if call.number > since
            and (partner is None or call.partner == partner)
            and (operation is None or call.operation == operation)
        ]

    def clear(self) -> None:
        self._calls.clear()

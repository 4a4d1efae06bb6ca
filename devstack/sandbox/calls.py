"""The log of all calls to partners, in the order of arrival."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from devstack.sandbox.partner import MAX_STORED, Clock, rfc3339


class Outcome(StrEnum):
    """`GONE`: the client disconnected. `DROPPED`: the sandbox aborted the connection."""

    IN_FLIGHT = "in_flight"
    ANSWERED = "answered"
    DROPPED = "dropped"
    GONE = "gone"


@dataclass(slots=True)
class Call:
    """One call. `status` is None until an answer was written.

    `processed`: the partner's own logic handled it (and may have refused it), whatever the caller received.
    """

    number: int
    at: str
    partner: str
    method: str
    path: str
    operation: str | None = None
    status: int | None = None
    outcome: Outcome = Outcome.IN_FLIGHT
    processed: bool = False
    fault: dict[str, str] | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    def end(self, outcome: Outcome, status: int | None = None) -> None:
        self.outcome, self.status = outcome, status

    def as_json(self) -> dict[str, Any]:
        shown: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__}
        facts: dict[str, Any] = shown.pop("facts")
        return shown | facts


class CallLog:
    """The last `limit` calls. Numbers never repeat within a run, also after a reset."""

    def __init__(self, clock: Clock, limit: int = MAX_STORED) -> None:
        self._clock = clock
        self._calls: deque[Call] = deque(maxlen=limit)
        self._number = 0

    def open(self, partner: str, method: str, path: str) -> Call:
        self._number += 1
        call = Call(self._number, rfc3339(self._clock()), partner, method, path)
        self._calls.append(call)
        return call

    def select(self, partner: str | None, operation: str | None, since: int) -> Iterator[Call]:
        """Calls with a number above `since`, of one partner and operation if given."""
        return (
            call
            for call in self._calls
            if call.number > since and partner in {None, call.partner} and operation in {None, call.operation}
        )

    def clear(self) -> None:
        self._calls.clear()

"""The remaining time of an invocation, which limits the timeouts of all outgoing calls."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

MAX_AWS_CALL = 13.0  # seconds: all attempts of botocore with timeouts and pauses (runtime/aws.py)
# Seconds reserved for a partner's answer: a write that AWS does not answer, then a dead letter.
RECORDING_RESERVE = 2 * MAX_AWS_CALL


class LambdaContext(Protocol):
    """The part of Lambda's context that is used here."""

    aws_request_id: str

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until Lambda stops the invocation."""
        ...


@dataclass(frozen=True)
class Budget:
    """The remaining seconds; `reserve` seconds are kept for storing the result."""

    deadline: float
    reserve: float = 3.0
    monotonic: Callable[[], float] = field(default=time.monotonic, repr=False)

    @classmethod
    def of(cls, context: LambdaContext, *, reserve: float = 3.0) -> Budget:
        """Return the budget of an invocation."""
        return cls(time.monotonic() + context.get_remaining_time_in_millis() / 1000, reserve)

    @property
    def total(self) -> float:
        """Seconds until Lambda stops the invocation, including the reserve."""
        return max(0.0, self.deadline - self.monotonic())

    @property
    def left(self) -> float:
        """Seconds for outgoing calls."""
        return max(0.0, self.total - self.reserve)

    @property
    def left_to_record(self) -> float:
        """Seconds for retrying the write of a partner's answer, so that a dead letter can still be sent."""
        return max(0.0, self.total - RECORDING_RESERVE)

    def allows(self, seconds: float) -> bool:
        """Return whether there is time for work that takes up to `seconds`."""
        return self.left >= seconds

    def ending_in(self, seconds: float) -> Budget:
        """Return a budget with at most `seconds` for outgoing calls, and the same reserve."""
        return replace(self, deadline=min(self.deadline, self.monotonic() + seconds + self.reserve))

    def cut(self, seconds: float) -> float:
        """Return `seconds`, or the remaining time if that is less; at least a millisecond, because clients reject 0."""
        return max(0.001, min(seconds, self.left))

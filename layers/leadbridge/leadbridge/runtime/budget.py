"""The time an invocation has left, from which every outgoing call's timeout is cut."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

MAX_AWS_CALL = 13.0  # seconds: botocore's attempts with their timeouts and pauses (leadbridge/runtime/aws.py)
# Seconds to keep for a partner's answer: one write that AWS does not answer, and a dead letter after it.
RECORDING_RESERVE = 2 * MAX_AWS_CALL


class LambdaContext(Protocol):
    """What the flows need of Lambda's context object."""

    aws_request_id: str

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until Lambda stops the invocation."""
        ...


@dataclass(frozen=True)
class Budget:
    """Seconds left to work with; `reserve` seconds are kept for writing down what happened."""

    deadline: float
    reserve: float = 3.0
    monotonic: Callable[[], float] = field(default=time.monotonic, repr=False)

    @classmethod
    def of(cls, context: LambdaContext, *, reserve: float = 3.0) -> Budget:
        """The budget of the invocation that `context` belongs to."""
        return cls(time.monotonic() + context.get_remaining_time_in_millis() / 1000, reserve)

    @property
    def total(self) -> float:
        """Seconds until the invocation is stopped, reserve included."""
        return max(0.0, self.deadline - self.monotonic())

    @property
    def left(self) -> float:
        """Seconds that may be spent on outgoing calls."""
        return max(0.0, self.total - self.reserve)

    @property
    def left_to_record(self) -> float:
        """Seconds for which writing a partner's answer may be retried, so that a dead letter can still be sent."""
        return max(0.0, self.total - RECORDING_RESERVE)

    def allows(self, seconds: float) -> bool:
        """Whether work that takes `seconds` at worst can still be begun."""
        return self.left >= seconds

    def cut(self, seconds: float) -> float:
        """`seconds`, or what is left if that is less (never under a millisecond, which clients refuse)."""
        return max(0.001, min(seconds, self.left))

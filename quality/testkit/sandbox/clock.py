"""A clock that a test moves, and waiting for a condition."""

import time
from collections.abc import Callable


class Clock:
    """Time that stands still until a test moves it, in seconds since the epoch."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def eventually(holds: Callable[[], bool], seconds: float = 5) -> None:
    """Wait until a condition holds; fail when it does not in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)

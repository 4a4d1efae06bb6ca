"""The share of a worker's time that a slow partner or tracker takes from the others of its queue.

Each worker measures its own calls, so the share costs no call and no write. A worker that has just started lends its
whole time once.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

SLOW = timedelta(seconds=3)
PAUSE = 2  # times a slow attempt: then the next ones of its target take a third of the worker's time at most
MAX_PAUSE = timedelta(minutes=1)
WAIT = 4  # an item that has waited for a minute goes back to its queue for a quarter of a minute
MAX_WAIT = timedelta(minutes=30)


class FairShare:
    """Remembers which targets of a queue are slow. There is one for all invocations of a worker."""

    def __init__(self, clock: Callable[[], datetime], jitter: Callable[[], float] = random.random) -> None:
        self._clock = clock
        self._jitter = jitter
        self._paused_until: dict[str, datetime] = {}

    def wait(self, target: str, waiting_since: datetime) -> timedelta | None:
        """Return for how long an item goes back to the queue; None if the worker may attempt it now.

        The longer it has waited, the longer it goes back: a backlog is not received again and again. Up to half of the
        time is random, so that a backlog does not come back at once.
        """
        now = self._clock()
        until = self._paused_until.get(target, now)
        if until <= now:
            return None
        return max(until - now, min((now - waiting_since) / WAIT, MAX_WAIT)) * (1 + self._jitter() / 2)

    @contextmanager
    def attempt(self, target: str) -> Iterator[None]:
        """Measure an attempt. After a slow one the worker attempts nothing of its target for a while."""
        began = self._clock()
        try:
            yield
        finally:
            now = self._clock()
            self._paused_until.pop(target, None)
            if (took := now - began) >= SLOW:
                self._paused_until[target] = now + min(took * PAUSE, MAX_PAUSE)

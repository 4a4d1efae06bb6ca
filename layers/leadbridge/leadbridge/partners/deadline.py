"""A deadline for one call: a function is called if a block takes too long.

One thread watches all deadlines of a process. A timer for each call would start a thread, which takes 0.13 ms of CPU
time; this takes 0.01 ms.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from threading import Condition, Lock, Thread


class Deadline:
    """Context manager. Calls `on_timeout` once if the block takes longer than `seconds`, and never after the block.

    `on_timeout` runs in the watching thread. It must be quick; its exceptions are suppressed.
    """

    def __init__(self, seconds: float, on_timeout: Callable[[], None]) -> None:
        self._seconds = seconds
        self._on_timeout = on_timeout
        self._lock = Lock()
        self.is_over = False
        self.ends_at = 0.0

    def __enter__(self) -> None:
        self.ends_at = time.monotonic() + self._seconds
        _watcher.watch(self)

    def __exit__(self, *_: object) -> None:
        with self._lock:  # waits for a timeout that is being handled
            self.is_over = True

    def expire(self) -> None:
        """Call `on_timeout` unless the block has ended."""
        with self._lock:
            if not self.is_over:
                self.is_over = True
                with suppress(Exception):  # the thread watches the other deadlines, too
                    self._on_timeout()


class _Watcher:
    """Expires deadlines from a thread that starts with the first one."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._watched: list[Deadline] = []
        self._wakes_at = float("inf")
        self._thread: Thread | None = None

    def watch(self, deadline: Deadline) -> None:
        with self._changed:
            self._watched = [one for one in self._watched if not one.is_over]
            self._watched.append(deadline)
            if self._thread is None or not self._thread.is_alive():
                self._thread = Thread(target=self._run, name="deadlines", daemon=True)
                self._thread.start()
            elif deadline.ends_at < self._wakes_at:
                self._changed.notify()

    def _run(self) -> None:
        while True:
            for deadline in self._wait():
                deadline.expire()

    def _wait(self) -> list[Deadline]:
        """Wait until deadlines have ended; return them."""
        with self._changed:
            while True:
                now = time.monotonic()
                running = [one for one in self._watched if not one.is_over]
                ended = [one for one in running if one.ends_at <= now]
                if ended:
                    self._watched = [one for one in running if one.ends_at > now]
                    return ended
                self._watched = running
                self._wakes_at = min((one.ends_at for one in running), default=float("inf"))
                self._changed.wait(self._wakes_at - now if running else None)


_watcher = _Watcher()

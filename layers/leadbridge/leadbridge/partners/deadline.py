"""Rings when a call's time is up. One thread for all calls of a worker: to start one for each costs more than the call.

The thread sleeps until the earliest moment it has been told of. Calls are over long before that, and whoever begins
the next one need not wake it, for its own moment is later: a call adds to a list and takes itself out again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Condition, Thread

FOREVER = float("inf")


@dataclass(eq=False)
class _Appointment:
    at: float
    ring: Callable[[], None]


class Deadline:
    """Thread-safe. What rings is called in the clock's own thread, must be quick, and must not raise."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._appointments: list[_Appointment] = []
        self._sleeps_until = FOREVER
        self._thread: Thread | None = None

    @contextmanager
    def after(self, seconds: float, ring: Callable[[], None]) -> Iterator[None]:
        """Call `ring` once if the block lasts longer than this."""
        appointment = _Appointment(time.monotonic() + seconds, ring)
        self._add(appointment)
        try:
            yield
        finally:
            self._remove(appointment)

    def _add(self, appointment: _Appointment) -> None:
        with self._changed:
            self._appointments.append(appointment)
            if self._thread is None or not self._thread.is_alive():
                self._sleeps_until = FOREVER
                self._thread = Thread(target=self._keep, name="alarm-clock", daemon=True)
                self._thread.start()
            elif appointment.at < self._sleeps_until:
                self._changed.notify()

    def _remove(self, appointment: _Appointment) -> None:
        with self._changed:
            if appointment in self._appointments:
                self._appointments.remove(appointment)

    def _keep(self) -> None:
        with self._changed:  # also while it rings: whoever has taken their call out is not rung for any more
            while True:
                self._ring_what_is_due()
                self._sleeps_until = min((one.at for one in self._appointments), default=FOREVER)
                self._changed.wait(
                    None if self._sleeps_until == FOREVER else max(0.0, self._sleeps_until - time.monotonic())
                )

    def _ring_what_is_due(self) -> None:
        now = time.monotonic()
        due = [one for one in self._appointments if one.at <= now]
        self._appointments = [one for one in self._appointments if one.at > now]
        for appointment in due:
            appointment.ring()

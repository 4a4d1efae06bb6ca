"""Whether a partner gets a lead now, or the lead waits.

It waits while an operator pauses the partner, its circuit is open, or it takes no leads at the time.

A waiting delivery leaves its queue. The sweep queues it again when the partner gets leads again. The time of the wait
is no part of the retry window.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from leadbridge.domain.clock import to_text
from leadbridge.domain.delivery import NOT_WAITING, Change, Delivery, step

TOTAL = "total"  # the window of a cap that never ends
# The partition of waiting deliveries in the list of leads by state, and a part of the name of those in `due`.
WAITING = "waiting"
MILLISECOND = timedelta(milliseconds=1)  # the precision of stored times


class WaitReason(StrEnum):
    """Why a partner gets no leads at the moment."""

    PAUSED = "paused"
    CLOSED = "closed"
    CAPPED = "capped"
    CIRCUIT_OPEN = "circuit_open"


@dataclass(frozen=True)
class Pause:
    """An operator's pause of a partner, with its reason."""

    reason: str
    operator: str
    at: datetime


@dataclass(frozen=True)
class Circuit:
    """The circuit of a partner: closed; open until `opened_until`; then half-open, until one attempt succeeds.

    `failures` are consecutive failures while it is closed, `code` is the error of the last one. `since` is when it
    opened, `open_for` the length of the last opening. While half-open, one attempt at a time is the probe: others wait
    for its end, until `probe_until` at most.
    """

    failures: int = 0
    code: str | None = None
    since: datetime | None = None
    opened_until: datetime | None = None
    open_for: timedelta = timedelta()
    probe_until: datetime | None = None

    @property
    def is_closed(self) -> bool:
        """Whether any number of attempts may start."""
        return self.opened_until is None

    def blocked_until(self, now: datetime) -> datetime | None:
        """Return until when no attempt may start; None if one may start now."""
        until = max(filter(None, (self.opened_until, self.probe_until)), default=now)
        return until if until > now else None


@dataclass(frozen=True)
class PartnerState:
    """What is stored about a partner.

    `admits_since` is when the last pause ended or the circuit closed; None if that never happened.
    `counts` are those of the windows of its caps, as far as they were read. `is_stored`: the table has its item.
    """

    pause: Pause | None = None
    circuit: Circuit = field(default_factory=Circuit)
    admits_since: datetime | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    is_stored: bool = field(default=False, compare=False)


@dataclass(frozen=True)
class Wait:
    """Why a lead waits, and until when; None if the end is not known. `data` is for its timeline entry.

    An estimated end may move.
    """

    reason: WaitReason
    until: datetime | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    is_estimate: bool = False


def find_wait(state: PartnerState, now: datetime) -> Wait | None:
    """Return why a partner gets no lead now; None if it gets one."""
    if state.pause is not None:
        return Wait(WaitReason.PAUSED)
    blocked_until = state.circuit.blocked_until(now)
    return None if blocked_until is None else Wait(WaitReason.CIRCUIT_OPEN, blocked_until, is_estimate=True)


def is_same_wait(delivery: Delivery, wait: Wait) -> bool:
    """Return whether a delivery waits for this already. An estimated end that has moved is not written to it."""
    until = wait.until if wait.is_estimate else delivery.waiting_until
    return (delivery.waiting_reason, until) == (wait.reason, wait.until)


def waiting_due_at(
    delivery: Delivery, reason: WaitReason, now: datetime, decided_after: datetime | None = None
) -> datetime:
    """Return the due time of a delivery that waits: its place among those that wait for the same partner.

    It keeps its place if it is queued and waits again. Behind an open circuit it goes to the end: the next probe is
    another delivery, because this one may be what fails. `decided_after` is when a pause ended, of a partner that would
    pass its leads on: a place after it says that this one cannot be passed on.
    """
    if reason is WaitReason.CIRCUIT_OPEN:
        return now
    place = delivery.waits_since or now
    return place if decided_after is None else max(place, decided_after + MILLISECOND)


def wait_for_partner(delivery: Delivery, now: datetime, wait: Wait, decided_after: datetime | None = None) -> Change:
    """Wait until the partner gets leads again. The delivery is due at once: the sweep skips it until then."""
    data: dict[str, Any] = {"reason": wait.reason.value, **wait.data}
    if wait.until is not None:
        data["until"] = to_text(wait.until)
    return step(
        delivery,
        "wait_for_partner",
        now,
        "waiting",
        wait.reason.value,
        data,
        waiting_reason=wait.reason.value,
        waiting_until=wait.until,
        waits_since=delivery.waits_since or now,
        next_attempt_at=now,
        due_at=waiting_due_at(delivery, wait.reason, now, decided_after),
    )


def waiting_partition(partner: str) -> str:
    """Return the partition of the index `due` that holds the deliveries that wait for a partner."""
    return f"{partner}#{WAITING}"


def end_wait(delivery: Delivery, now: datetime) -> Delivery:
    """Return the delivery without its wait. The retry window is later by the time that the delivery waited.

    It is written with the next step, so it keeps its version.
    """
    if delivery.waits_since is None:
        return delivery
    since = delivery.retrying_since
    moved = None if since is None else since + (now - delivery.waits_since)
    return replace(delivery, window_at=moved, **NOT_WAITING)

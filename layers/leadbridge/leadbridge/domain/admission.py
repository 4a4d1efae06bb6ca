"""Whether a partner gets a lead now, or the lead waits: the partner is paused, or takes no leads at the time.

A waiting delivery leaves its queue. The sweep queues it again when the partner gets leads again. The time of the wait
is no part of the retry window.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from leadbridge.domain.clock import to_text
from leadbridge.domain.delivery import NOT_WAITING, Change, Delivery, step

# The partition of waiting deliveries in the list of leads by state, and a part of the name of those in `due`.
WAITING = "waiting"


class WaitReason(StrEnum):
    """Why a partner gets no leads at the moment."""

    PAUSED = "paused"
    CLOSED = "closed"
    CAPPED = "capped"


@dataclass(frozen=True)
class Pause:
    """An operator's pause of a partner, with its reason."""

    reason: str
    operator: str
    at: datetime


@dataclass(frozen=True)
class PartnerState:
    """What is stored about a partner. `admits_since` is when the last pause ended; None if there was none."""

    pause: Pause | None = None
    admits_since: datetime | None = None


@dataclass(frozen=True)
class Wait:
    """Why a lead waits, and until when; None if the end is not known. `data` is for its timeline entry."""

    reason: WaitReason
    until: datetime | None = None
    data: Mapping[str, Any] = field(default_factory=dict)


def find_wait(state: PartnerState) -> Wait | None:
    """Return why a partner gets no lead now; None if it gets one."""
    return None if state.pause is None else Wait(WaitReason.PAUSED)


def wait_for_partner(delivery: Delivery, now: datetime, wait: Wait) -> Change:
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
        due_at=now,
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

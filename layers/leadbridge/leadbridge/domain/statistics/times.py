"""How long leads take from their reception to each stage, counted in ranges of time, and the median of such counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum

LONGER = "longer"  # than the last limit


class Stage(StrEnum):
    """A stage of the funnel that begins with the reception of a lead.

    A success counts as approved, too: the partner may report it without an approval before. A lead whose approval was
    followed by a refusal stays approved. One whose success was taken back is not issued any more.
    """

    SUBMITTED = "submitted"
    APPROVED = "approved"
    ISSUED = "issued"


HOUR, DAY = 3600, 86_400
# Seconds from a lead's reception to a stage: the upper limits of the ranges.
TIME_LIMITS: Mapping[Stage, tuple[int, ...]] = {
    Stage.SUBMITTED: (5, 30, 300, HOUR, DAY),
    Stage.APPROVED: (HOUR, 6 * HOUR, DAY, 2 * DAY, 3 * DAY, 7 * DAY, 14 * DAY, 30 * DAY),
    Stage.ISSUED: (HOUR, 6 * HOUR, DAY, 2 * DAY, 3 * DAY, 7 * DAY, 14 * DAY, 30 * DAY),
}


def time_limit(stage: Stage, received_at: datetime, reached_at: datetime) -> str:
    """Return the least limit within which a lead reached a stage, or `LONGER`."""
    took = reached_at - received_at
    return next((str(limit) for limit in TIME_LIMITS[stage] if took <= timedelta(seconds=limit)), LONGER)


def shortest(limits: Iterable[str]) -> str:
    """Return the least of some limits; empty without any."""
    return min(limits, key=lambda one: (one == LONGER, len(one), one), default="")


def median_seconds(stage: Stage, counts: Mapping[str, int]) -> int | None:
    """Return the median of a stage's times, by their limits; None without any, and above the last limit.

    Within a range the times are taken as evenly spread.
    """
    half, before, start = sum(counts.values()) / 2, 0, 0
    if not half:
        return None
    for limit in TIME_LIMITS[stage]:
        found = counts.get(str(limit), 0)
        if found and before + found >= half:
            return round(start + (limit - start) * (half - before) / found)
        before, start = before + found, limit
    return None

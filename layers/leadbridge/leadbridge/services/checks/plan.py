"""Which deals are due for a status check, without writing anything per deal.

A deal is checked at fixed ages (`CheckSchedule.ages`). So the deals that had the check of an age are those followed
since a moment or earlier: the age's watermark. One item per partner holds the watermarks of all ages. The deals that
are due are those between an age's watermark and the moment up to which its check is due now.

These functions are pure. The deals of a range are read from an index that shows a delivery some time after it was
written, up to `INDEX_MARGIN`. Ranges therefore end so long before now. A deal that the index shows even later misses
the checks of the ages that have passed, and gets the next one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

type Watermarks = Mapping[timedelta, datetime]
"""age → deals followed since this moment or earlier had the check of this age"""

# A submission ends within 90 seconds after it took the time of `followed_since`, and an index lags by seconds.
INDEX_MARGIN = timedelta(minutes=2)
MILLISECOND = timedelta(milliseconds=1)  # the precision of the index's keys


class Schedule(Protocol):
    """The ages at which a partner's deals are checked, shifted into its working hours."""

    @property
    def ages(self) -> tuple[timedelta, ...]:
        """The ages at which a deal is checked, ascending."""
        ...

    def opened_until(self, age: timedelta, now: datetime) -> datetime:
        """Return the moment: deals followed since then or earlier have had the check of this age due by `now`."""
        ...

    def sweep_until(self, age: timedelta, swept_until: datetime, now: datetime) -> datetime:
        """Return the end of the range to read now for the check of this age; `swept_until` if it can wait."""
        ...

    def due_at(self, followed_since: datetime, age: timedelta) -> datetime:
        """Return when the check of this age is due."""
        ...

    def precision(self, age: timedelta) -> timedelta:
        """Return by how much a sweep may delay the check of this age."""
        ...


@dataclass(frozen=True)
class AgeRange:
    """The deals with `after` < `followed_since` <= `until`, for which the check of one age is due."""

    age: timedelta
    after: datetime
    until: datetime


@dataclass(frozen=True)
class DueRange:
    """Overlapping ranges of several ages. A deal in it is checked once, whatever number of ages are due."""

    parts: tuple[AgeRange, ...]

    @property
    def after(self) -> datetime:
        """The moment before the first deal."""
        return min(part.after for part in self.parts)

    @property
    def until(self) -> datetime:
        """The moment of the last deal."""
        return max(part.until for part in self.parts)


def start(schedule: Schedule, stored: Watermarks, now: datetime, margin: timedelta) -> dict[timedelta, datetime]:
    """Return the watermark of every age of the schedule. The checks of an age that is new begin now."""
    return {age: stored.get(age) or _planned_until(schedule, age, now, margin) for age in schedule.ages}


def due_ranges(schedule: Schedule, watermarks: Watermarks, now: datetime, margin: timedelta) -> list[DueRange]:
    """Return the ranges to read now, the longest delayed in relation to its age first.

    An age waits until its range is as long as its precision, so that few ranges are read.
    """
    parts = []
    for age, after in watermarks.items():
        until = min(_floor(schedule.sweep_until(age, after, now)), _floor(now - margin))
        if until > after:
            parts.append(AgeRange(age, after, until))
    return sorted(_merged(parts), key=lambda one: _relative_delay(schedule, one, now), reverse=True)


def advance(watermarks: Watermarks, done: DueRange, until: datetime) -> dict[timedelta, datetime]:
    """Return the watermarks after the deals of a range up to `until` were sent to their queue."""
    moved = {part.age: max(part.after, min(part.until, until)) for part in done.parts}
    return {**watermarks, **moved}


def oldest_due_seconds(schedule: Schedule, watermarks: Watermarks, now: datetime, margin: timedelta) -> float:
    """Return by how many seconds the latest check is later than its precision allows; 0 if none is.

    Without watermarks nothing is late: the checks have not begun.
    """
    late = [
        now - schedule.due_at(after + MILLISECOND, age) - schedule.precision(age) - margin
        for age, after in watermarks.items()
        if age in schedule.ages and _planned_until(schedule, age, now, margin) > after
    ]
    return max(0.0, max((one.total_seconds() for one in late), default=0.0))


def _planned_until(schedule: Schedule, age: timedelta, now: datetime, margin: timedelta) -> datetime:
    return _floor(min(schedule.opened_until(age, now), now - margin))


def _floor(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _merged(parts: Sequence[AgeRange]) -> list[DueRange]:
    """Merge ranges that overlap or touch."""
    groups: list[list[AgeRange]] = []
    until: datetime | None = None
    for part in sorted(parts, key=lambda one: one.after):
        if until is not None and part.after <= until:
            groups[-1].append(part)
            until = max(until, part.until)
        else:
            groups.append([part])
            until = part.until
    return [DueRange(tuple(group)) for group in groups]


def _relative_delay(schedule: Schedule, one: DueRange, now: datetime) -> float:
    return max((now - schedule.due_at(part.after + MILLISECOND, part.age)) / part.age for part in one.parts)

"""The days and times at which a partner changes statuses, such as "mon-fri 09:00-18:00"."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple, Self

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_NAMES = {name: name[:3] for name in ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")}
_DAY = f"(?:{'|'.join(DAYS)})"
_DAY_RANGE = f"{_DAY}(?:-{_DAY})?"
_TIME = "(?:[01]?[0-9]|2[0-4]):[0-5][0-9]"
# For editors. The parser accepts more: spaces, full names of days, times without minutes.
LINE_PATTERN = f"^{_DAY_RANGE}(?:,{_DAY_RANGE})* {_TIME}-{_TIME}$"
_LINE = re.compile(r"([a-z,-]+) ([0-9]{1,2})(?::([0-5][0-9]))?-([0-9]{1,2})(?::([0-5][0-9]))?")
_HELP = 'opening hours look like "mon-fri 09:00-18:00" or "sat,sun 10:00-14:00"'
# A weekly period opens within eight days. The change of the clocks can remove one opening.
_SEARCHED_DAYS = 16


class Opening(NamedTuple):
    """A weekly period in local time, both ends included. `weekday` is 0 for Monday; times are minutes of the day."""

    weekday: int
    start: int
    end: int


def parse_hours(line: str) -> list[Opening]:
    """Return the periods of a line such as "mon-fri 09:00-18:00". Raises ValueError with what is wrong."""
    text = re.sub(r" *([,-]) *", r"\1", " ".join(line.lower().replace("–", "-").split()))
    found = _LINE.fullmatch(text)
    if found is None:
        raise ValueError(_HELP)
    start, end = (int(found[hour]) * 60 + int(found[hour + 1] or 0) for hour in (2, 4))
    if max(start, end) > 24 * 60:
        raise ValueError("the latest time is 24:00")
    if end <= start:
        raise ValueError(f"{line!r} must end after it starts; write hours past midnight as two lines")
    return [Opening(day, start, end) for part in found[1].split(",") for day in _days(part)]


def check_overlaps(lines: Iterable[str]) -> None:
    """Raises ValueError if two periods of one day overlap, because then one of them does nothing."""
    openings = sorted(opening for line in lines for opening in parse_hours(line))
    for one, other in pairwise(openings):
        if one.weekday == other.weekday and other.start < one.end:
            raise ValueError(f"two periods of {DAYS[one.weekday]} overlap")


def _days(part: str) -> Iterator[int]:
    ends = [_NAMES.get(end, end) for end in part.split("-")]
    if len(ends) > 2 or any(end not in DAYS for end in ends):
        raise ValueError(f"{part!r} is no day; {_HELP}")
    first, last = DAYS.index(ends[0]), DAYS.index(ends[-1])
    return ((first + number) % 7 for number in range((last - first) % 7 + 1))


@dataclass(frozen=True)
class OpeningHours:
    """When a partner is open. Without openings it is always open. Moments are aware datetimes; results are in UTC."""

    openings: tuple[Opening, ...] = ()
    time_zone: str = "UTC"

    @classmethod
    def parse(cls, lines: Iterable[str], time_zone: str) -> Self:
        """Return the hours of configuration lines. Raises ValueError with what is wrong."""
        return cls(tuple(opening for line in lines for opening in parse_hours(line)), time_zone)

    @lru_cache(maxsize=8)  # noqa: B019 - the configuration lives as long as the process; a sweep asks for one moment
    def last_open(self, moment: datetime) -> datetime:
        """Return the latest moment up to `moment` at which the partner is open: `moment` itself, or a closing time."""
        moment = moment.astimezone(UTC)
        if not self.openings:
            return moment
        return max(self._first(moment, -1, lambda start, end: min(end, moment) if start <= moment else None))

    def next_open(self, moment: datetime) -> datetime:
        """Return the first moment from `moment` on at which the partner is open: `moment`, or an opening time."""
        moment = moment.astimezone(UTC)
        if not self.openings:
            return moment
        return min(self._first(moment, 1, lambda start, end: max(start, moment) if end >= moment else None))

    def contains(self, moment: datetime) -> bool:
        """Return whether a moment is in a period; its start is, its end is not."""
        from zoneinfo import ZoneInfo

        today = moment.astimezone(ZoneInfo(self.time_zone)).date()
        days = (today - timedelta(days=1), today)  # where the clocks change at midnight, a period can reach into a day
        return any(start <= moment < end for day in days for start, end in self.periods(day))

    def _first(
        self, moment: datetime, step: int, select: Callable[[datetime, datetime], datetime | None]
    ) -> list[datetime]:
        """Return what `select` returns for the periods of the nearest days in one direction that have any.

        The search starts a day early, and the day after the first match also counts: where the clocks change at
        midnight, a period can reach into the neighbouring day.
        """
        from zoneinfo import ZoneInfo

        today = moment.astimezone(ZoneInfo(self.time_zone)).date()
        found: list[datetime] = []
        for days in range(-1, _SEARCHED_DAYS):
            had_any = bool(found)
            day = today + timedelta(days=step * days)
            found += [one for start, end in self.periods(day) if (one := select(start, end)) is not None]
            if had_any:
                break
        return found

    @lru_cache(maxsize=64)  # noqa: B019 - the configuration lives as long as the process
    def periods(self, day: date) -> tuple[tuple[datetime, datetime], ...]:
        """Return the start and the end, in UTC, of each opening of a local day."""
        from zoneinfo import ZoneInfo

        zone = ZoneInfo(self.time_zone)
        return tuple(
            (min(_in_utc(day, start, zone)), max(_in_utc(day, end, zone)))
            for weekday, start, end in self.openings
            if weekday == day.weekday()
        )


def _in_utc(day: date, minutes: int, zone: tzinfo) -> tuple[datetime, datetime]:
    """Return both readings of a local time, which differ if the clocks change at it."""
    days, minutes = divmod(minutes, 24 * 60)  # 24:00 is midnight of the next day
    local = datetime.combine(day + timedelta(days=days), time(minutes // 60, minutes % 60), tzinfo=zone)
    return local.astimezone(UTC), local.replace(fold=1).astimezone(UTC)

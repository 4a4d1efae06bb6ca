"""When the status of a deal is checked: fixed ages, shifted by the partner's opening hours."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from leadbridge.settings.opening_hours import OpeningHours

# The longest time that a delivery stays in the table without a change: the maximum of the template's RetentionDays.
HORIZON = timedelta(days=3650)
MAX_AGES = 1000  # of one schedule; a sweep stores and reads something for each
MAX_PRECISION = timedelta(hours=1)


def check_ages(next_age: Callable[[float], float]) -> tuple[timedelta, ...]:
    """Return the ages up to `HORIZON` at which a deal is checked, ascending, in whole seconds.

    `next_age` returns the age of the check after one at an age, in seconds. Raises ValueError if there are more than
    `MAX_AGES`.
    """
    ages: list[int] = []
    age, horizon = 0, HORIZON.total_seconds()
    while (age := max(age + 1, int(next_age(age)))) <= horizon:
        ages.append(age)
        if len(ages) > MAX_AGES:
            years = HORIZON.days // 365
            raise ValueError(
                f"a deal would be checked more than {MAX_AGES} times in {years} years; "
                'use a share of its age for older deals, such as every = "20%"'
            )
    return tuple(timedelta(seconds=one) for one in ages)


@dataclass(frozen=True)
class CheckSchedule:
    """The checks of one partner's deals: a pure function of the moment since which a deal is followed.

    A check becomes due when the deal has one of the `ages`, or, if the partner is closed then, when it opens. Checks
    that become due together are one check. A deal is not checked after `HORIZON`.
    """

    ages: tuple[timedelta, ...]
    hours: OpeningHours = field(default_factory=OpeningHours)

    def opened_until(self, age: timedelta, now: datetime) -> datetime:
        """Return the moment T for which the check of `age` is due by `now` for exactly the deals followed since T or
        earlier.

        T increases with `now`. While the partner is closed, T stays where it was at the closing time.
        """
        return self.hours.last_open(now) - age

    def due_at(self, followed_since: datetime, age: timedelta) -> datetime:
        """Return when the check of `age` becomes due for a deal."""
        return self.hours.next_open(followed_since + age)

    def next_check(self, followed_since: datetime, now: datetime) -> datetime | None:
        """Return when the first check after `now` becomes due for a deal; None if there is none."""
        number = bisect_right(self.ages, self.hours.last_open(now) - followed_since)
        return self.due_at(followed_since, self.ages[number]) if number < len(self.ages) else None

    def checks_until(self, followed_since: datetime, age: timedelta) -> int:
        """Return the number of checks of a deal until it has this age."""
        due = {self.due_at(followed_since, one) for one in self.ages if one <= age}
        return sum(moment <= followed_since + age for moment in due)

    def precision(self, age: timedelta) -> timedelta:
        """Return by how much a sweep may delay the check of `age`: a twentieth of the time since the check before."""
        number = bisect_left(self.ages, age)
        before = self.ages[number - 1] if number else timedelta()
        return min((age - before) / 20, MAX_PRECISION)

    def sweep_until(self, age: timedelta, swept_until: datetime, now: datetime) -> datetime:
        """Return the end of the range of deals that a sweep reads for the check of `age`.

        The range starts after `swept_until`, the end of the last one. The result is `swept_until` itself, so the range
        is empty, until the range is at least `precision(age)` long or the partner is closed.
        """
        until = self.opened_until(age, now)
        is_closed = until + age < now
        return max(until, swept_until) if is_closed or until - swept_until >= self.precision(age) else swept_until

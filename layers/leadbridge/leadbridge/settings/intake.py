"""The part of a partner's configuration that says how many leads it takes, and when (`[partner.intake]`)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, StrictInt, model_validator

from leadbridge.settings.opening_hours import DAYS, OpeningHours
from leadbridge.settings.sections import Hours, Section

ALWAYS = (f"{DAYS[0]}-{DAYS[-1]} 00:00-24:00",)
MAX_CAP = 1_000_000
MAX_HOLIDAYS = 100
# A weekly period opens within eight days. The change of the clocks can remove one opening, a holiday another one.
_SEARCHED_DAYS, _DAYS_PER_HOLIDAY = 16, 7

Cap = Annotated[StrictInt, Field(ge=1, le=MAX_CAP)]
Refused = Literal["next", "wait", "hold"]


@dataclass(frozen=True)
class IntakeHours:
    """When a partner takes leads: its hours, except on holidays. A period includes its start, and not its end."""

    hours: OpeningHours
    holidays: frozenset[date]

    def next_open(self, moment: datetime) -> datetime | None:
        """Return the first moment from `moment` on at which the partner takes leads, in UTC; None if there is none."""
        opening = self._opening(moment)
        return None if opening is None else max(opening, moment.astimezone(UTC))

    def opened_at(self, moment: datetime) -> datetime | None:
        """Return the start of the period that contains `moment`; None if the partner is closed then."""
        opening = self._opening(moment)
        return opening if opening is not None and opening <= moment else None

    def _opening(self, moment: datetime) -> datetime | None:
        """Return the start of the first period that ends after `moment`."""
        from zoneinfo import ZoneInfo

        today = moment.astimezone(ZoneInfo(self.hours.time_zone)).date()
        found: list[datetime] = []
        for number in range(-1, _SEARCHED_DAYS + _DAYS_PER_HOLIDAY * len(self.holidays)):
            had_any, day = bool(found), today + timedelta(days=number)
            if day not in self.holidays:
                found += [start for start, end in self.hours.periods(day) if end > moment]
            if had_any:  # where the clocks change at midnight, a period can reach into the next day
                break
        return min(found, default=None)


class Intake(Section):
    """How many leads a partner takes, and when, in its `time_zone`.

    `per_hour` counts in hours of UTC, `per_day` in the partner's days, `total` from the first lead on. Without `hours`
    the partner takes leads at any time, except on `holidays`. A lead that it does not take goes to the `next` partner
    of its rule, has to `wait`, or is put on `hold` for an operator.
    """

    per_hour: Cap | None = None
    per_day: Cap | None = None
    total: Cap | None = None
    hours: Hours = ()
    holidays: Annotated[tuple[date, ...], Field(max_length=MAX_HOLIDAYS)] = ()
    when_capped: Refused = "wait"
    when_closed: Refused = "wait"

    @property
    def caps(self) -> dict[Literal["per_hour", "per_day", "total"], int]:
        """The limits by setting, the shortest period first."""
        limits: dict[Literal["per_hour", "per_day", "total"], int | None] = {
            "per_hour": self.per_hour,
            "per_day": self.per_day,
            "total": self.total,
        }
        return {name: limit for name, limit in limits.items() if limit is not None}

    @property
    def has_hours(self) -> bool:
        """Whether there are times at which the partner takes no leads."""
        return bool(self.hours or self.holidays)

    def hours_in(self, time_zone: str) -> IntakeHours:
        """Return when the partner takes leads."""
        return IntakeHours(OpeningHours.parse(self.hours or ALWAYS, time_zone), frozenset(self.holidays))

    @model_validator(mode="after")
    def _limits_something(self) -> Intake:
        caps = list(self.caps.items())
        if not caps and not self.has_hours:
            raise ValueError("give per_hour, per_day, total, hours or holidays, or remove the section")
        for (name, limit), (wider, most) in pairwise(caps):
            if limit > most:
                raise ValueError(f"{name} is more than {wider}, so it limits nothing: lower or remove it")
        if len(set(self.holidays)) < len(self.holidays):
            raise ValueError("holidays has a date twice: remove one of the two")
        return self

    @model_validator(mode="after")
    def _needs_its_actions(self) -> Intake:
        if "when_capped" in self.model_fields_set and not self.caps:
            raise ValueError("when_capped needs per_hour, per_day or total: add one, or remove it")
        if "when_closed" in self.model_fields_set and not self.has_hours:
            raise ValueError("when_closed needs hours or holidays: add them, or remove it")
        return self

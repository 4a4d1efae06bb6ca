"""What all parts of the configuration are made of."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictStr,
    WithJsonSchema,
    model_validator,
)

from leadbridge.settings.opening_hours import LINE_PATTERN, check_overlaps, parse_hours

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def _duration(value: object) -> timedelta:
    found = re.fullmatch(r"([1-9][0-9]{0,5})([smhd])", value) if isinstance(value, str) else None
    if found is None:
        raise ValueError('a duration looks like "30s", "5m", "2h" or "7d"')
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def _duration_or_share(value: object) -> timedelta | float:
    share = re.fullmatch(r"([0-9]{1,3}(?:\.[0-9])?)%", value) if isinstance(value, str) else None
    if share is not None:
        if not 1 <= (percent := float(share[1])) <= 100:
            raise ValueError('a share of the age is between "1%" and "100%"')
        return percent / 100
    try:
        return _duration(value)
    except ValueError as error:
        raise ValueError(f'{error}, a share of the age like "20%"') from None


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError(f"must be a time zone such as Europe/Kyiv, not {name!r}") from None
    return name


def _valid_hours(line: str) -> str:
    parse_hours(line)
    return line


def _without_overlaps(lines: tuple[str, ...]) -> tuple[str, ...]:
    check_overlaps(lines)
    return lines


Duration = Annotated[timedelta, BeforeValidator(_duration)]
DurationOrShare = Annotated[
    timedelta | float,
    BeforeValidator(_duration_or_share),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^([1-9][0-9]{0,5}[smhd]|([1-9][0-9]?(\.[0-9])?|100(\.0)?)%)$",
            "examples": ["20%", "5m", "2h", "7d"],
        }
    ),
]
Zone = Annotated[str, AfterValidator(_known_zone)]
HoursLine = Annotated[
    str,
    AfterValidator(_valid_hours),
    Field(json_schema_extra={"examples": ["mon-fri 09:00-18:00", "sat,sun 10:00-14:00"], "pattern": LINE_PATTERN}),
]
Hours = Annotated[tuple[HoursLine, ...], Field(min_length=1, max_length=50), AfterValidator(_without_overlaps)]
Country = Annotated[StrictStr, Field(pattern="^[A-Z]{2}$")]  # ISO 3166


class Section(BaseModel):
    """One table of the configuration: what it does not know is an error, and nothing changes it."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class Timeouts(Section):
    """How long a partner may take to accept a connection, and to answer."""

    connect: Duration
    read: Duration


class RetryPolicy(Section):
    """When to retry a call that was definitely not processed."""

    first_delay: Duration
    longest_delay: Duration
    give_up_after: Duration


class CircuitPolicy(Section):
    """When a partner's circuit opens, and for how long.

    It opens after `failures` consecutive failures, for `open_for`. Each failed probe doubles that, up to `longest`.
    """

    failures: Annotated[int, Field(ge=1, le=1000)] = 5
    open_for: Duration = timedelta(seconds=30)
    longest: Duration = timedelta(minutes=10)

    @model_validator(mode="after")
    def _longest_is_longest(self) -> CircuitPolicy:
        if self.longest < self.open_for:
            raise ValueError("longest must not be shorter than open_for")
        return self

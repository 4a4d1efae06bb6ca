"""What all parts of the configuration are made of."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictStr

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def _duration(value: object) -> timedelta:
    found = re.fullmatch(r"([1-9][0-9]{0,5})([smhd])", value) if isinstance(value, str) else None
    if found is None:
        raise ValueError('a duration looks like "30s", "5m", "2h" or "7d"')
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError(f"there is no time zone {name!r}") from None
    return name


Duration = Annotated[timedelta, BeforeValidator(_duration)]
Zone = Annotated[str, AfterValidator(_known_zone)]
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

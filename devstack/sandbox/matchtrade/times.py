"""This partner's times: whole milliseconds since the epoch, and RFC 3339 with Z."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from devstack.sandbox.calls import rfc3339
from devstack.sandbox.partner import Clock

type Millis = int

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?Z", re.ASCII)


def millis(at: datetime) -> Millis:
    return (at - _EPOCH) // _MILLISECOND


def millis_of(text: str) -> Millis:
    """Parse `2019-12-11T00:00:00Z`, with or without a fraction. Raises `ValueError` for any other format."""
    if not _INSTANT.fullmatch(text):
        raise ValueError(text)
    return millis(datetime.fromisoformat(text))


def instant(at: Millis) -> str:
    """`2026-01-31T09:30:00.123Z`."""
    return rfc3339(at / 1000)


def local_time(at: Millis, time_zone: str) -> str:
    """`2026-01-31T11:30:00.123`, without an offset."""
    local = (_EPOCH + at * _MILLISECOND).astimezone(ZoneInfo(time_zone))
    return local.replace(tzinfo=None).isoformat(timespec="milliseconds")


def millis_now(clock: Clock) -> Millis:
    return round(clock() * 1000)

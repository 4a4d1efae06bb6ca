"""Times: aware UTC datetimes, RFC 3339 texts with milliseconds, and days in a time zone."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)


def date_in(time_zone: str, moment: datetime) -> date:
    """Return the date of a moment in a time zone, such as `Europe/Kyiv`."""
    return moment.astimezone(ZoneInfo(time_zone)).date()


def start_of_day(time_zone: str, day: date) -> datetime:
    """Return the time at which a day begins in a time zone."""
    return datetime.combine(day, time(), ZoneInfo(time_zone)).astimezone(UTC)


def to_text(moment: datetime) -> str:
    """Format an aware datetime as `2026-11-23T02:14:24.123Z`. These texts sort by time."""
    if moment.tzinfo is None:
        raise ValueError("the datetime has no time zone")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def from_text(text: str) -> datetime:
    """Parse the text of `to_text`. Raises ValueError if it has no offset."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("the time has no offset")
    return moment.astimezone(UTC)

"""How values are written in requests. There are four ways to write a time, a field each; all are UTC."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

from leadbridge.domain.clock import to_text

NOT_DEFINED = "NOT_DEFINED"


def timestamp(moment: datetime) -> str:
    """`2026-11-23T02:14:24.123Z`, as `transactionDate` and a call's `date` are. Raises ValueError for a naive one."""
    return to_text(moment)


def minute(moment: datetime) -> str:
    """`2026-11-23 02:14`, as `paymentDate` is. Raises ValueError for a naive one."""
    return _utc(moment).isoformat(sep=" ", timespec="minutes").removesuffix("+00:00")


def day(moment: datetime) -> str:
    """`2026-11-23`, as filters are. Raises ValueError for a naive one."""
    return _utc(moment).date().isoformat()


def price(amount: Decimal) -> str:
    """All of its digits: `100.50` stays `100.50`. Raises ValueError for what is no number."""
    if not amount.is_finite():
        raise ValueError("a price is a number")
    return format(amount, "f")


def flag(value: bool) -> str:
    """`"true"` or `"false"`: the partner wants text."""
    return "true" if value else "false"


def between(since: datetime | None, until: datetime | None) -> Iterator[tuple[str, str]]:
    """The filter on the day of the last message, either end of which may be open."""
    if since is not None:
        yield "filter[last_message][from]", day(since)
    if until is not None:
        yield "filter[last_message][to]", day(until)


def _utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("a naive datetime has no place in time")
    return moment.astimezone(UTC)

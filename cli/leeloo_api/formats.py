"""Formats of request values. The API has several formats of a time; all are UTC."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

from leadbridge.domain.clock import to_text


def timestamp(moment: datetime) -> str:
    """`2026-11-23T02:14:24.123Z`, for `transactionDate` and a call's `date`. Raises ValueError for a naive datetime."""
    return to_text(moment)


def minute(moment: datetime) -> str:
    """`2026-11-23 02:14`, for `paymentDate`. Raises ValueError for a naive datetime."""
    return _utc(moment).isoformat(sep=" ", timespec="minutes").removesuffix("+00:00")


def day(moment: datetime) -> str:
    """`2026-11-23`, for filters. Raises ValueError for a naive datetime."""
    return _utc(moment).date().isoformat()


def price(amount: Decimal) -> str:
    """All digits: `100.50` stays `100.50`. Raises ValueError for NaN and infinity."""
    if not amount.is_finite():
        raise ValueError("a price must be a finite number")
    return format(amount, "f")


def flag(value: bool) -> str:
    """`"true"` or `"false"`: the API expects text."""
    return "true" if value else "false"


def last_message_filter(since: datetime | None, until: datetime | None) -> Iterator[tuple[str, str]]:
    """The filter by the day of the last message; either end may be open."""
    if since is not None:
        yield "filter[last_message][from]", day(since)
    if until is not None:
        yield "filter[last_message][to]", day(until)


def _utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("a naive datetime has no UTC time")
    return moment.astimezone(UTC)

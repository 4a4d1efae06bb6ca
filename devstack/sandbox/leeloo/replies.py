"""Leeloo's successes: `{"data": …, "status": 1}`, pages with `meta`, and two time formats."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from devstack.sandbox.calls import rfc3339
from devstack.sandbox.leeloo.requests import Asked
from devstack.sandbox.partner import Answer

DEFAULT_LIMIT = 20
MAXIMUM_LIMIT = 100


def success(data: object, *, meta: object = None, more: dict[str, Any] | None = None, **facts: object) -> Answer:
    """`more` is `included` or `linked`. Facts go to the call log."""
    envelope = {"data": data, "status": 1, **({} if meta is None else {"meta": meta}), **(more or {})}
    return Answer.of(200, envelope, **facts)


def page[Row](asked: Asked, matching: Iterable[Row], total: int, shape: Callable[[Row], object]) -> Answer:
    """The rows of `limit` and `offset`. A limit above the maximum is the maximum, also in `meta`."""
    rows = list(matching)
    limit = min(int(asked.query.get("limit", DEFAULT_LIMIT)), MAXIMUM_LIMIT)
    offset = int(asked.query.get("offset", 0))
    meta = {"limit": limit, "offset": offset, "filteredCount": len(rows), "totalCount": total}
    return success([shape(row) for row in rows[offset : offset + limit]], meta=meta)


def instant(at: float | None) -> str | None:
    """`2026-01-31T09:30:00.123Z`."""
    return None if at is None else rfc3339(at)


def minute(at: float) -> str:
    """`2026-01-31T09:30Z`, for users and tunnels."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%MZ")


def number(amount: Decimal) -> int | float:
    return int(amount) if amount == amount.to_integral_value() else float(amount)

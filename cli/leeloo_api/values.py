"""Lenient parsing of the value types that only the CLI's models have. See `leadbridge.partners.leeloo.values`."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated

from pydantic import BeforeValidator

from leadbridge.partners.leeloo.values import read_text, read_texts

_MAX_DIGITS = 30


def _decimal(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        return None
    try:
        number = Decimal(value)
    except InvalidOperation:
        return None
    return number if number.is_finite() and -_MAX_DIGITS < number.adjusted() < _MAX_DIGITS else None


def _integer(value: object) -> int | None:
    number = _decimal(value)
    return int(number) if number is not None and number == number.to_integral_value() else None


def _datetime(value: object) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value.strip())
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _boolean(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _ids(value: object) -> tuple[str, ...]:
    """Return the ids of a list, whose items are ids or objects with an `id`."""
    items = value if isinstance(value, list) else []
    return read_texts([item.get("id") if isinstance(item, dict) else item for item in items])


def _text_map(value: object) -> dict[str, str]:
    texts = {name: read_text(each) for name, each in value.items()} if isinstance(value, dict) else {}
    return {read_text(name) or "": text for name, text in texts.items() if text is not None}


Money = Annotated[Decimal | None, BeforeValidator(_decimal)]
Count = Annotated[int | None, BeforeValidator(_integer)]
Moment = Annotated[datetime | None, BeforeValidator(_datetime)]
Boolean = Annotated[bool | None, BeforeValidator(_boolean)]
Ids = Annotated[tuple[str, ...], BeforeValidator(_ids)]
TextMap = Annotated[dict[str, str], BeforeValidator(_text_map)]

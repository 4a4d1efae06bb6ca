"""Strict JSON: exact decimals, no duplicate keys, no NaN, no excessive depth."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, NoReturn

from leadbridge.forms.base import Unreadable

MAX_INT_DIGITS = 100  # longer integers become decimals: Python limits the conversion of integers


def read_object(body: bytes) -> dict[str, Any]:
    """Read a JSON object; numbers with a point become Decimal. Raises Unreadable."""
    return as_json_object(read_value(body))


def read_value(body: bytes) -> Any:
    """Read a JSON value of any type, as `read_object` does. Raises Unreadable."""
    try:
        return _DECODER.decode(body.decode("utf-8-sig"))
    except Unreadable:
        raise
    except (ValueError, RecursionError, ArithmeticError):
        raise Unreadable("the body is not JSON") from None


def as_json_object(value: Any) -> dict[str, Any]:
    """Return a JSON value that is an object. Raises Unreadable."""
    if not isinstance(value, dict):
        raise Unreadable("the body is not a JSON object")
    return value


def _integer(digits: str) -> int | Decimal:
    return int(digits) if len(digits) <= MAX_INT_DIGITS else Decimal(digits)


def _refuse_constant(_: str) -> NoReturn:
    raise Unreadable("the body contains NaN or Infinity, which are not JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Unreadable("an object in the body has a duplicate key")
    return found


_DECODER = json.JSONDecoder(
    parse_float=Decimal, parse_int=_integer, parse_constant=_refuse_constant, object_pairs_hook=_unique
)

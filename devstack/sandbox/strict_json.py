"""Strict JSON: exact numbers, no duplicate keys, nothing outside the standard."""

import json
from decimal import Decimal
from typing import Any


def parse(raw: bytes) -> Any:
    """Parse UTF-8 JSON. Integers become `int`, all other numbers `Decimal`.

    Raises ValueError, also for duplicate keys, NaN, lone surrogates and extreme nesting. It never quotes the text.
    """
    try:
        value = json.loads(
            raw.decode(), parse_float=Decimal, parse_constant=_refuse_constant, object_pairs_hook=_unique
        )
        if b"\\u" in raw:
            dump(value)  # no lone surrogate has an encoding
    except (ArithmeticError, RecursionError) as error:
        raise ValueError("a number out of range, or nested too deeply") from error
    return value


def dump(value: object) -> bytes:
    """UTF-8 JSON. A `Decimal` becomes a string with all its digits."""
    return json.dumps(value, ensure_ascii=False, default=str).encode()


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("an object names a key twice")
    return result

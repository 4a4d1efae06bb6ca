"""Strict JSON: exact numbers, no duplicate keys, nothing outside the standard."""

import json
from decimal import Decimal, InvalidOperation
from typing import Any


class MalformedJsonError(ValueError):
    """The message has the reason, and never quotes the text."""


def parse(raw: bytes) -> Any:
    """Parse UTF-8 JSON. Integers become `int`, all other numbers `Decimal`.

    Raises `MalformedJsonError`, also for duplicate keys, NaN, lone surrogates and extreme nesting.
    """
    try:
        text = raw.decode()
        value = json.loads(
            text, parse_float=Decimal, parse_constant=_refuse_constant, object_pairs_hook=_object_without_duplicates
        )
        if "\\u" in text:
            dump(value)
    except UnicodeError as error:
        raise MalformedJsonError("not UTF-8 text") from error
    except RecursionError as error:
        raise MalformedJsonError("nested too deeply") from error
    except InvalidOperation as error:
        raise MalformedJsonError("a number out of range") from error
    except json.JSONDecodeError as error:
        raise MalformedJsonError(f"{error.msg}: line {error.lineno} column {error.colno}") from error
    except ValueError as error:
        raise MalformedJsonError(str(error)) from error
    return value


def dump(value: object) -> bytes:
    """UTF-8 JSON. A `Decimal` becomes a string with all its digits."""
    return json.dumps(value, ensure_ascii=False, default=str).encode()


def raw_text(value: object) -> str | None:
    """A number with all its digits, any other value as JSON, None as None."""
    if value is None:
        return None
    return str(value) if isinstance(value, Decimal) else dump(value).decode()


def _refuse_constant(name: str) -> None:
    raise MalformedJsonError(f"{name} is not JSON")


def _object_without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise MalformedJsonError("an object names a key twice")
    return result

"""Strict JSON: exact numbers, no duplicate keys, nothing outside the standard."""

import json
from decimal import Decimal, InvalidOperation
from typing import Any, Self


class MalformedJsonError(ValueError):
    """The message has the reason, and never quotes the text."""


class Number(Decimal):
    """A JSON number with a fraction or an exponent: exact, with its original text (`6000.00`)."""

    text: str

    def __new__(cls, text: str) -> Self:
        number = super().__new__(cls, text)
        number.text = text
        return number


def parse(raw: bytes) -> Any:
    """Parse UTF-8 JSON. Integers become `int`, all other numbers `Number`.

    Raises `MalformedJsonError`, also for duplicate keys, NaN, lone surrogates and extreme nesting.
    """
    try:
        text = raw.decode()
        value = json.loads(
            text, parse_float=Number, parse_constant=_refuse_constant, object_pairs_hook=_object_without_duplicates
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
    """UTF-8 JSON. A `Number` becomes a string with its original text."""
    return json.dumps(value, ensure_ascii=False, default=_written).encode()


def raw_text(value: object) -> str | None:
    """A number exactly as sent, any other value as JSON, None as None."""
    if value is None:
        return None
    return value.text if isinstance(value, Number) else dump(value).decode()


def _written(value: object) -> str:
    if isinstance(value, Number):
        return value.text
    raise TypeError(f"{type(value).__name__} is not JSON")


def _refuse_constant(name: str) -> None:
    raise MalformedJsonError(f"{name} is not JSON")


def _object_without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise MalformedJsonError("an object names a key twice")
    return result

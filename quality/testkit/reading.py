"""Read one value as a form's, with the rules of a source: the result, its warnings, or the code of the problem."""

from __future__ import annotations

from typing import Any

from leadbridge.domain.errors.field_codes import InvalidValue
from leadbridge.domain.fields.reading import Parser, Reading, ReadingRules


def read(parser: Parser, value: object, **rules: str) -> Any:
    """Return the result of a parser."""
    return parser(value, Reading(ReadingRules(**rules)))


def warnings(parser: Parser, value: object, **rules: str) -> list[str]:
    """Return the codes of the warnings about a value that is read."""
    reading = Reading(ReadingRules(**rules))
    parser(value, reading)
    return [warning.code.value for warning in reading.warnings]


def problem(parser: Parser, value: object, **rules: str) -> str | None:
    """Return the code of the problem of a value; None if it is read."""
    try:
        read(parser, value, **rules)
    except InvalidValue as error:
        return error.code.value
    return None

"""Conversion of a client method's parameters to arguments and options of a command."""

import inspect
import json
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any, Literal, NewType, Union, get_args, get_origin

import typer

from leadbridge_cli.exit_codes import usage_error
from leadbridge_cli.key_values import parse_pairs


@dataclass(frozen=True)
class ParamType:
    """One parameter: its declaration for typer, and the conversion of the given value."""

    name: str
    parameter: inspect.Parameter
    reader: Callable[[Any], Any]

    @classmethod
    def of(cls, wanted: inspect.Parameter) -> "ParamType":
        """Return the declaration for a parameter of the client. A positional one becomes an argument."""
        kind = _base_type(wanted.annotation)
        option = f"--{wanted.name.replace('_', '-')}"
        taken, reader, hint = _cli_type(kind, option)
        has_default = wanted.default is not inspect.Parameter.empty
        is_argument = wanted.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD and not has_default
        default: Any = inspect.Parameter.empty
        if has_default:
            default = wanted.default if isinstance(wanted.default, str | int) else None
            taken = taken if default is not None else taken | None
        least = 1 if kind is int else None
        shown = typer.Argument(help=hint) if is_argument else typer.Option(option, help=hint, min=least)
        parameter = inspect.Parameter(
            wanted.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[taken, shown]
        )
        return cls(wanted.name, parameter, reader)

    def read(self, given: Any) -> Any:
        """Convert a given value for the client. Raises Failure."""
        return self.reader(given)


def _base_type(annotation: Any) -> Any:
    """Return the type without `| None`; of a union the first member, because all ids are text."""
    if isinstance(annotation, NewType):
        return annotation.__supertype__
    if get_origin(annotation) in {Union, types.UnionType}:
        return _base_type(next(each for each in get_args(annotation) if each is not type(None)))
    return annotation


def _cli_type(kind: Any, option: str) -> tuple[Any, Callable[[Any], Any], str | None]:
    """Return the type that typer parses, the conversion of its value, and the help text."""
    if kind is datetime:
        return str, lambda text: _moment(text, option), "A time such as 2026-11-23T02:14:00Z, or a day (UTC)."
    if kind is Decimal:
        return str, lambda text: _number(text, option), "A number such as 100.50."
    origin = get_origin(kind)
    if origin is Literal or kind in {str, int, bool}:
        return kind, lambda value: value, None
    if origin is Mapping:
        return list[str], lambda texts: parse_pairs(texts, option), "name=value. Repeatable."
    if origin is Sequence:
        item = _base_type(get_args(kind)[0])
        if item is str:
            return list[str], list, "Repeatable."
        names = ", ".join(_fields(item))
        hint = f"A JSON object of {names}, or @FILE with one. Repeatable."
        return list[str], lambda texts: [_object(item, text, option) for text in texts], hint
    raise TypeError(f"{option}: type {kind} is not supported")


def _fields(model: Any) -> tuple[str, ...]:
    return (*(model.__dataclass_fields__ if is_dataclass(model) else model.model_fields),)


def _object(model: Any, text: str, option: str) -> Any:
    if text.startswith("@"):
        text = Path(text[1:]).read_text(encoding="utf-8")
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict) or not set(content) <= set(_fields(model)):
        raise usage_error(f"{option} must be a JSON object of {', '.join(_fields(model))}, or @FILE with one.")
    try:
        return model(**content)
    except (TypeError, ValueError):
        raise usage_error(f"{option} needs valid values for all of {', '.join(_fields(model))}.") from None


def _moment(text: str, option: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise usage_error(f"{option} must be a time such as 2026-11-23T02:14:00Z, or a day.") from None
    if moment.tzinfo is None and len(text) > len("2026-11-23"):
        raise usage_error(f"{option} needs a UTC offset, such as 2026-11-23T02:14:00Z.")
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _number(text: str, option: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise usage_error(f"{option} must be a number such as 100.50.") from None
    if not number.is_finite():
        raise usage_error(f"{option} must be a number such as 100.50.")
    return number

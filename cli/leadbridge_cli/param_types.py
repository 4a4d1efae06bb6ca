"""A parameter of a partner's client as an argument or an option: what is typed, and what the client gets of it."""

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

from leadbridge_cli.exit_codes import wrong_use
from leadbridge_cli.key_values import pairs_in


@dataclass(frozen=True)
class Typed:
    """One parameter: as typer takes it, and how what it took is read."""

    name: str
    parameter: inspect.Parameter
    reader: Callable[[Any], Any]

    @classmethod
    def of(cls, wanted: inspect.Parameter) -> "Typed":
        """What a parameter of the client is on a command line: an argument if it is positional there."""
        kind = _bare(wanted.annotation)
        option = f"--{wanted.name.replace('_', '-')}"
        taken, reader, hint = _as_typed(kind, option)
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
        """What the client gets. Raises Failure."""
        return self.reader(given)


def _bare(annotation: Any) -> Any:
    """The type, without `| None`; of several kinds of ids the first, for they are all text."""
    if isinstance(annotation, NewType):
        return annotation.__supertype__
    if get_origin(annotation) in {Union, types.UnionType}:
        return _bare(next(each for each in get_args(annotation) if each is not type(None)))
    return annotation


def _as_typed(kind: Any, option: str) -> tuple[Any, Callable[[Any], Any], str | None]:
    """The type that typer reads, how to go on from there, and what help says of it."""
    if kind is datetime:
        return str, lambda text: _moment(text, option), "A time such as 2026-11-23T02:14:00Z, or a day (UTC)."
    if kind is Decimal:
        return str, lambda text: _number(text, option), "A number such as 100.50."
    origin = get_origin(kind)
    if origin is Literal or kind in {str, int, bool}:
        return kind, lambda value: value, None
    if origin is Mapping:
        return list[str], lambda texts: pairs_in(texts, option), "name=value; as often as needed."
    if origin is Sequence:
        item = _bare(get_args(kind)[0])
        if item is str:
            return list[str], list, "As often as needed."
        names = ", ".join(_fields(item))
        hint = f"A JSON object of {names}, or @FILE with one; as often as needed."
        return list[str], lambda texts: [_object(item, text, option) for text in texts], hint
    raise TypeError(f"{option}: nobody has said how {kind} is typed")


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
        raise wrong_use(f"{option} is a JSON object of {', '.join(_fields(model))}, or @FILE with one.")
    try:
        return model(**content)
    except (TypeError, ValueError):
        raise wrong_use(f"{option} needs all of {', '.join(_fields(model))}, each as it should be.") from None


def _moment(text: str, option: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise wrong_use(f"{option} is a time such as 2026-11-23T02:14:00Z, or a day.") from None
    if moment.tzinfo is None and len(text) > len("2026-11-23"):
        raise wrong_use(f"{option} lacks its offset: 2026-11-23T02:14:00Z.")
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _number(text: str, option: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise wrong_use(f"{option} is a number such as 100.50.") from None
    if not number.is_finite():
        raise wrong_use(f"{option} is a number such as 100.50.")
    return number

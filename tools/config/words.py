"""Error texts for values of the configuration."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from tools.config.lines import Place

_MUST = {
    "string_type": "must be text in quotes",
    "int_type": "must be a whole number without quotes",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "tuple_type": 'must be a list such as ["one", "two"]',
    "dict_type": "must be a table of settings",
    "model_type": "must be a table of settings",
    "too_short": "must not be empty",
    "string_too_short": "must not be empty",
    "literal_error": "must be {expected}",
    "greater_than_equal": "must be {ge} at least",
    "less_than_equal": "must be {le} at most",
}


def sentence(error: Any, place: Place, model: type[BaseModel]) -> str:
    """The text for one of Pydantic's errors about a model at `place` (without the file's table)."""
    kind, context = error["type"], error.get("ctx", {})
    subject = repr(" ".join(part if isinstance(part, str) else f"no. {part + 1}" for part in place[1:]))
    if kind == "extra_forbidden":
        return f"there is no setting {place[-1]!r}{meant(str(place[-1]), _settings_of(model, error['loc'][:-1]))}"
    if kind == "missing":
        return f"{place[-1]!r} is missing"
    if kind == "value_error":
        return f"{subject}: {context['error']}" if len(place) > 1 else str(context["error"])
    words = _MUST[kind].format(**context) if kind in _MUST else f"is wrong: {error['msg']}"
    return f"{subject if len(place) > 1 else 'it'} {words}"


def meant(name: str, known: Iterable[str]) -> str:
    """A suggestion for an unknown name, if a similar one exists."""
    close = get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _settings_of(kind: Any, place: Place) -> list[str]:
    """The names of the possible settings of a table in a model."""
    for part in place:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            named = {field.alias or name: field.annotation for name, field in kind.model_fields.items()}
            kind = named.get(str(part))
        else:
            kind = get_args(kind)[-1] if get_origin(kind) is dict else next(iter(get_args(kind)), None)
        while get_origin(kind) in (Annotated, Union, UnionType):
            kind = get_args(kind)[0]
    is_model = isinstance(kind, type) and issubclass(kind, BaseModel)
    return [field.alias or name for name, field in kind.model_fields.items()] if is_model else []

"""Error texts for values of the configuration."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from leadbridge.settings import Settings
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
}


def sentence(error: Any, place: Place) -> str:
    """The text for one of Pydantic's errors at `place` (without the file's table)."""
    subject = (
        "it"
        if len(place) == 1
        else repr(" ".join(part if isinstance(part, str) else f"no. {part + 1}" for part in place[1:]))
    )
    match error["type"]:
        case "extra_forbidden":
            return f"there is no setting {place[-1]!r}{meant(str(place[-1]), _settings_of(error['loc'][:-1]))}"
        case "missing":
            return f"{place[-1]!r} is missing"
        case "value_error":
            return f"{subject}: {error['ctx']['error']}" if len(place) > 1 else str(error["ctx"]["error"])
        case "literal_error":
            return f"{subject} must be {error['ctx']['expected']}"
        case "greater_than_equal":
            return f"{subject} must be {error['ctx']['ge']} at least"
        case "less_than_equal":
            return f"{subject} must be {error['ctx']['le']} at most"
        case kind:
            return f"{subject} {_MUST.get(kind) or 'is wrong: ' + error['msg']}"


def meant(name: str, known: Iterable[str]) -> str:
    """A suggestion for an unknown name, if a similar one exists."""
    close = get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _settings_of(place: Place) -> list[str]:
    """The names of the possible settings of a table."""
    kind: Any = Settings
    for part in place:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            named = {field.alias or name: field.annotation for name, field in kind.model_fields.items()}
            kind = named.get(str(part))
        else:
            kind = get_args(kind)[-1] if get_origin(kind) is dict else next(iter(get_args(kind)), None)
        while get_origin(kind) in (Annotated, Union, UnionType):
            kind = get_args(kind)[0]
    if not (isinstance(kind, type) and issubclass(kind, BaseModel)):
        return []
    return [field.alias or name for name, field in kind.model_fields.items()]

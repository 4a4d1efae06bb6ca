"""Lenient parsing of response values: one malformed value does not invalidate the response.

A value that is missing or malformed becomes None. So does `NOT_DEFINED`, the partner's own word for a missing value.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import AliasChoices, AliasGenerator, BaseModel, BeforeValidator, ConfigDict
from pydantic.alias_generators import to_camel

from leadbridge.partners.leeloo.answers import readable

NOT_DEFINED = "NOT_DEFINED"


class ResponseModel(BaseModel):
    """Part of a response. `created_at` is read from `created_at` or `createdAt`; unknown fields are ignored."""

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        defer_build=True,  # a cold start builds only the models it uses
        alias_generator=AliasGenerator(validation_alias=lambda name: AliasChoices(name, to_camel(name))),
    )


def read_text(value: object) -> str | None:
    """Return text, or a number as text; else None."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal) or value == NOT_DEFINED:
        return None
    try:
        return str(value).encode("utf-8", "replace").decode()
    except ValueError:
        return None


def read_texts(value: object) -> tuple[str, ...]:
    """Return the non-empty texts of a list."""
    texts = [read_text(each) for each in value] if isinstance(value, list) else []
    return tuple(text for text in texts if text)


def required_id(value: object) -> str:
    """Return an id. Raises ValueError if it is missing."""
    found = read_text(value)
    if not found:
        raise ValueError("the id is missing")
    return found


def optional_id(value: object) -> str | None:
    """Return an id, or None."""
    return read_text(value) or None


def rows_of(model: type[BaseModel]) -> BeforeValidator:
    """Parse a list of models; omit the rows that cannot be parsed."""
    return BeforeValidator(lambda value: readable(model, value))


Text = Annotated[str | None, BeforeValidator(read_text)]
Texts = Annotated[tuple[str, ...], BeforeValidator(read_texts)]


class Entity(ResponseModel):
    """A model with an id."""

    id: Annotated[str, BeforeValidator(required_id)]


class NamedEntity(Entity):
    """A model with an id and a name."""

    name: Text = None

"""How values are read from answers: leniently, so that one odd value does not cost us the rest.

What cannot be read is None, as what is missing is; so is the partner's own word for it, `NOT_DEFINED`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated

from pydantic import AliasChoices, AliasGenerator, BaseModel, BeforeValidator, ConfigDict
from pydantic.alias_generators import to_camel

from leadbridge.partners.leeloo.answers import readable
from leadbridge.partners.leeloo.wording import NOT_DEFINED

_MAX_DIGITS = 30  # digits


class Read(BaseModel):
    """Something of an answer: `created_at` is `created_at` or `createdAt` there, fields we do not know are left."""

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        defer_build=True,  # a flow pays for the models that it reads
        alias_generator=AliasGenerator(validation_alias=lambda name: AliasChoices(name, to_camel(name))),
    )


def _text(value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal) or value == NOT_DEFINED:
        return None
    try:
        return str(value).encode("utf-8", "replace").decode()
    except ValueError:
        return None


def _number(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        return None
    try:
        number = Decimal(value)
    except InvalidOperation:
        return None
    return number if number.is_finite() and -_MAX_DIGITS < number.adjusted() < _MAX_DIGITS else None


def _whole(value: object) -> int | None:
    number = _number(value)
    return int(number) if number is not None and number == number.to_integral_value() else None


def _moment(value: object) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value.strip())
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _truth(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _texts(value: object) -> tuple[str, ...]:
    read = [_text(each) for each in value] if isinstance(value, list) else []
    return tuple(each for each in read if each)


def _ids(value: object) -> tuple[str, ...]:
    """Ids, each given as it is or as an object that has it."""
    found = value if isinstance(value, list) else []
    return _texts([each.get("id") if isinstance(each, dict) else each for each in found])


def _named_texts(value: object) -> dict[str, str]:
    read = {name: _text(each) for name, each in value.items()} if isinstance(value, dict) else {}
    return {_text(name) or "": each for name, each in read.items() if each is not None}


def identity(value: object) -> str:
    """An id, which must be there. Raises ValueError."""
    found = _text(value)
    if not found:
        raise ValueError("without its id")
    return found


def identity_or_none(value: object) -> str | None:
    """An id that may be missing."""
    return _text(value) or None


def rows_of(model: type[BaseModel]) -> BeforeValidator:
    """A list of the model's; what cannot be read is left out."""
    return BeforeValidator(lambda value: readable(model, value))


Text = Annotated[str | None, BeforeValidator(_text)]
Money = Annotated[Decimal | None, BeforeValidator(_number)]
Count = Annotated[int | None, BeforeValidator(_whole)]
Moment = Annotated[datetime | None, BeforeValidator(_moment)]
Truth = Annotated[bool | None, BeforeValidator(_truth)]
Texts = Annotated[tuple[str, ...], BeforeValidator(_texts)]
Ids = Annotated[tuple[str, ...], BeforeValidator(_ids)]
NamedTexts = Annotated[dict[str, str], BeforeValidator(_named_texts)]


class Entity(Read):
    """Something that has an id of its own."""

    id: Annotated[str, BeforeValidator(identity)]


class Named(Entity):
    """Something with an id and a name."""

    name: Text = None

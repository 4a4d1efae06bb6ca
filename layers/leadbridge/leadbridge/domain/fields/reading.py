"""How the values of one post are read: the rules of its source, and the warnings that the parsers leave."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import BeforeValidator, ValidationInfo

from leadbridge.domain.errors.field_codes import FieldCode, FieldError

if TYPE_CHECKING:
    from leadbridge.settings import Partner, Source

DEFAULT_PHONE_COUNTRY = "UA"


@dataclass(frozen=True)
class ReadingRules:
    """The rules of a source for values that can be written in several ways.

    `phone_country` is the ISO 3166 code of the country of a phone number without a country code. `number_format` is
    how numbers are grouped: `auto` accepts what has one reading.
    """

    phone_country: str = DEFAULT_PHONE_COUNTRY
    number_format: str = "auto"


def reading_rules(source: Source, partners: Mapping[str, Partner]) -> ReadingRules:
    """Return the rules of a source. The country of its phones is its own, else that of its first partner with one."""
    named = [name for route in source.partners for name in route.partners]
    countries = [partners[name].phone_country for name in named if name in partners]
    country = source.phone_country or next(filter(None, countries), DEFAULT_PHONE_COUNTRY)
    return ReadingRules(country, source.number_format)


@dataclass
class Reading:
    """The reading of one post, passed to the parsers as Pydantic's validation context."""

    rules: ReadingRules = field(default_factory=ReadingRules)
    section: str = ""
    warnings: list[FieldError] = field(default_factory=list)
    field_name: str = ""

    def warn(self, code: FieldCode, message: str = "") -> None:
        """Add a warning about the field that is read."""
        self.warnings.append(FieldError(f"{self.section}.{self.field_name}", code, message))


type Parser = Callable[[object, Reading], object]


def parsed_by(parser: Parser) -> BeforeValidator:
    """Return the annotation of a field that a parser reads. The parser raises InvalidValue."""

    def validate(value: object, info: ValidationInfo) -> Any:
        reading = info.context if isinstance(info.context, Reading) else Reading()
        reading.field_name = info.field_name or ""
        return parser(value, reading)

    return BeforeValidator(validate)


def _enter_section(value: object, info: ValidationInfo) -> object:
    if isinstance(info.context, Reading):
        info.context.section = info.field_name or ""
    return value


SECTION = BeforeValidator(_enter_section)
"""The annotation of a section: the warnings about its fields name it."""

"""A lead: the fields of a form's post, validated, and the stored lead."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import datetime
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, model_validator

from leadbridge.domain import fields
from leadbridge.domain.acceptance.consent import Consent, consent_of
from leadbridge.domain.acceptance.ids import read_ids
from leadbridge.domain.errors.field_codes import FieldCode, FieldError, InvalidValue
from leadbridge.domain.fields.reading import SECTION, parsed_by

if TYPE_CHECKING:
    from leadbridge.settings import Partner

MAX_UTM_TAGS = 30
MAX_UTM_LENGTH = 1024  # characters of a tag; a longer one is cut

Name = Annotated[str | None, parsed_by(fields.name)]
Words = Annotated[str | None, parsed_by(fields.words)]
Label = Annotated[str | None, parsed_by(fields.label)]
Opaque = Annotated[str | None, parsed_by(fields.opaque)]
Amount = Annotated[Decimal | None, parsed_by(fields.amount), PlainSerializer(str)]


def _utm(value: object) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidValue(FieldCode.NOT_AN_OBJECT, "must be an object of texts")
    tags: dict[str, str] = {}
    for name, content in islice(value.items(), MAX_UTM_TAGS):
        clean_name, clean = fields.truncate_text(name, MAX_UTM_LENGTH), fields.truncate_text(content, MAX_UTM_LENGTH)
        if clean_name and clean:
            tags[clean_name] = clean
    return tags


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True, defer_build=True)


class Person(_Section):
    """The person. A full name that the form did not ask for is composed of its parts."""

    full_name: Name = None
    first_name: Name = None
    middle_name: Name = None
    last_name: Name = None
    phone: Annotated[str | None, parsed_by(fields.phone)] = None
    email: Annotated[str | None, parsed_by(fields.email)] = None
    tax_number: Annotated[str | None, parsed_by(fields.tax_number)] = None
    activity: Words = None
    city: Words = None
    region: Words = None

    @property
    def composed_name(self) -> str | None:
        """The parts of the name in Ukrainian order; None without any."""
        return fields.compose_full_name(self.first_name, self.middle_name, self.last_name)

    @model_validator(mode="after")
    def _compose_full_name(self) -> Person:
        if self.full_name is None and (composed := self.composed_name):
            object.__setattr__(self, "full_name", composed)  # the model is frozen from here on
        return self


class Loan(_Section):
    """The requested loan: `amount` in hryvnias, `term` in the lender's unit."""

    amount: Amount = None
    term: Annotated[int | None, parsed_by(fields.term)] = None


class Trading(_Section):
    """The origin of a trader's lead, in the broker's terms. A text that is too long is cut."""

    offer: Label = None
    site: Label = None
    description: Label = None
    click_id: Opaque = None


class LeadFields(_Section):
    """The fields of a lead."""

    person: Annotated[Person, SECTION] = Field(default_factory=Person)
    loan: Annotated[Loan, SECTION] = Field(default_factory=Loan)
    trading: Annotated[Trading, SECTION] = Field(default_factory=Trading)
    utm: Annotated[dict[str, str], BeforeValidator(_utm)] = {}
    ids: Annotated[dict[str, str], BeforeValidator(read_ids), Field(validate_default=True)] = {}
    consent: Annotated[Consent, BeforeValidator(consent_of)] = Field(default_factory=Consent)

    @property
    def click_id(self) -> str | None:
        """The click id in the broker's terms: that of `trading`, else that of `ids`."""
        return self.trading.click_id or self.ids.get("click_id")

    def value(self, path: str) -> object:
        """Return the value at a dotted path such as `person.phone`; None if there is none."""
        section, _, name = path.partition(".")
        found = getattr(self, section, None)
        return found.get(name) if isinstance(found, dict) else getattr(found, name, None)


class Lead(LeadFields):
    """A stored lead.

    `problems` are why no partner can take the lead; a lead without problems is complete. `warnings` are about
    values that are unusual, or were changed or left out. `answers` are the form's own answers, as they came; they
    are stored if a value could not be used as it came. `newer_answers` are those of the last edit that the form's
    builder posted under the same id. `fallbacks` maps a partner to the next one of its order. `next_on` are the
    outcomes after which the next one gets the lead, by partner; only those of rules that do not use the default.
    `campaign` is the value by which the statistics count it (the source's `count_by`), and `day` the day, in their
    time zone. `unused` are names of form fields that no configuration uses, if the receiver has not reported them
    today. `routed` and `routed_data` are the reason for the timeline. `content_hash` is a keyed hash of the
    post's content; it shows whether a redelivery has other content. `revision` counts corrections. `restored_at` is
    when an incomplete lead was restored from a backup: it may have been completed and delivered since. `erased_at`
    is when the person was erased; the rest of such a lead is a tombstone.
    """

    ids: dict[str, str] = {}  # read already
    lead_id: str
    source: str
    received_at: datetime
    partners: tuple[str, ...]
    fallbacks: dict[str, str] = {}
    next_on: dict[str, tuple[str, ...]] = {}
    campaign: str = ""
    day: str = ""
    unused: tuple[str, ...] = ()
    routed: str | None = None
    routed_data: dict[str, Any] = {}
    warnings: tuple[FieldError, ...] = ()
    problems: tuple[FieldError, ...] = ()
    answers: dict[str, str] = {}
    newer_answers: dict[str, str] = {}
    content_hash: str | None = None
    revision: int = 0
    restored_at: datetime | None = None
    erased_at: datetime | None = None


class InvalidLead(ValueError):
    """A lead that cannot be accepted, with all wrong fields, and the names of the form's fields that nothing uses."""

    def __init__(self, errors: tuple[FieldError, ...]) -> None:
        super().__init__(f"{len(errors)} field(s) are wrong")
        self.errors = errors
        self.unused: tuple[str, ...] = ()


def lead_id_of(source: str, delivery_id: str) -> str:
    """Return the id of the lead with this `delivery_id` of the source. A redelivery has the same id."""
    digest = hashlib.sha256(json.dumps([source, delivery_id]).encode()).digest()
    return f"ld_{base64.b32encode(digest[:20]).decode().lower()[:26]}"


def find_field_errors(asked: LeadFields, partner: Partner) -> list[FieldError]:
    """Return the reasons why a partner does not accept a lead; empty if it does."""
    errors = [FieldError(path, FieldCode.REQUIRED) for path in partner.requires if asked.value(path) is None]
    phone, number = asked.person.phone, asked.person.tax_number
    country = partner.phone_country
    if country is not None and phone is not None and not fields.is_phone_of(phone, country):
        errors.append(FieldError("person.phone", FieldCode.WRONG_COUNTRY))
    longest = partner.account.max_value_length  # a phone or an e-mail cannot be cut
    too_long = [path for path in ("person.email", "person.phone") if len(str(asked.value(path) or "")) > longest]
    errors += [FieldError(path, FieldCode.TOO_LONG, f"must be at most {longest} characters") for path in too_long]
    if partner.tax_number_checksum == "strict" and number is not None and not fields.has_valid_check_digit(number):
        errors.append(FieldError("person.tax_number", FieldCode.WRONG_CHECK_DIGIT))
    return errors


def field_paths() -> tuple[str, ...]:
    """Return the dotted paths of all fields of a person, a loan and a trader's lead."""
    sections: dict[str, type[_Section]] = {"person": Person, "loan": Loan, "trading": Trading}
    return tuple(f"{section}.{field}" for section, model in sections.items() for field in model.model_fields)


def changed_fields(before: LeadFields, after: LeadFields) -> tuple[str, ...]:
    """Return the fields of a lead that differ, as dotted paths; all tags count as one, `utm`, and all ids as `ids`."""
    changed = [path for path in (*field_paths(), "consent.text") if before.value(path) != after.value(path)]
    maps = [name for name in ("utm", "ids") if getattr(before, name) != getattr(after, name)]
    return (*changed, *maps)


def find_missing_fields(lead: LeadFields, partner: Partner | None) -> tuple[str, ...]:
    """Return the fields because of which a partner does not accept a lead; none if it is not configured."""
    return () if partner is None else tuple(error.field for error in find_field_errors(lead, partner))

"""A lead: the fields of a form's post, validated, and the stored lead."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, ValidationError, model_validator

from leadbridge.domain import fields
from leadbridge.domain.consent import Consent, consent_of
from leadbridge.domain.errors.field_codes import FieldCode, FieldError, InvalidValue
from leadbridge.domain.fields.reading import SECTION, Reading, ReadingRules, parsed_by
from leadbridge.domain.routing import Decision, skip_unfit_partners

if TYPE_CHECKING:
    from leadbridge.settings import Partner

MAX_UTM_TAGS = 30
MAX_UTM_LENGTH = 1024  # characters of a tag; a longer one is cut

Name = Annotated[str | None, parsed_by(fields.name)]
Words = Annotated[str | None, parsed_by(fields.words)]
Label = Annotated[str | None, parsed_by(fields.label)]
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
    click_id: Label = None


class LeadFields(_Section):
    """The fields of a lead."""

    person: Annotated[Person, SECTION] = Field(default_factory=Person)
    loan: Annotated[Loan, SECTION] = Field(default_factory=Loan)
    trading: Annotated[Trading, SECTION] = Field(default_factory=Trading)
    utm: Annotated[dict[str, str], BeforeValidator(_utm)] = {}
    consent: Annotated[Consent, BeforeValidator(consent_of)] = Field(default_factory=Consent)

    def value(self, path: str) -> object:
        """Return the value at a dotted path such as `person.phone`; None if there is none."""
        section, _, name = path.partition(".")
        found = getattr(self, section, None)
        return found.get(name) if isinstance(found, dict) else getattr(found, name, None)


class Lead(LeadFields):
    """A stored lead.

    `warnings` are about fields with unusual values that were accepted. `fallbacks` maps a partner to the
    one that gets the lead after a rejection. `routed` and `routed_data` are the reason for the timeline. `content_hash`
    is a keyed hash of the post's content; it shows whether a redelivery has other content. `erased_at` is when the
    person was erased; the rest of such a lead is a tombstone.
    """

    lead_id: str
    source: str
    received_at: datetime
    partners: tuple[str, ...]
    fallbacks: dict[str, str] = {}
    routed: str | None = None
    routed_data: dict[str, Any] = {}
    warnings: tuple[FieldError, ...] = ()
    content_hash: str | None = None
    erased_at: datetime | None = None


class InvalidLead(ValueError):
    """A lead that cannot be accepted, with all wrong fields."""

    def __init__(self, errors: tuple[FieldError, ...]) -> None:
        super().__init__(f"{len(errors)} field(s) are wrong")
        self.errors = errors


def lead_id_of(source: str, delivery_id: str) -> str:
    """Return the id of the lead with this `delivery_id` of the source. A redelivery has the same id."""
    digest = hashlib.sha256(json.dumps([source, delivery_id]).encode()).digest()
    return f"ld_{base64.b32encode(digest).decode().lower()[:26]}"


DEFAULT_RULES = ReadingRules()

type Chooser = Callable[[LeadFields], Decision]


def build_lead(
    values: dict[str, Any],
    *,
    lead_id: str,
    source: str,
    received_at: datetime,
    partners: Mapping[str, Partner],
    choose: Chooser | None = None,
    content_hash: str | None = None,
    rules: ReadingRules = DEFAULT_RULES,
) -> Lead:
    """Validate a form's values for the partners that get the lead: those that `choose` returns, or all.

    In an order of partners, one that does not accept the lead is skipped. `values` contains the sections `person`,
    `loan`, `trading`, `utm` and `consent` of the post. Raises InvalidLead.
    """
    asked, wrong, warnings = _clean(values, rules)
    chosen = _chosen(asked, partners, choose)
    for name in chosen.partners:
        for found in find_field_errors(asked, partners[name]):
            if not any(found.field == field or found.field.startswith(f"{field}.") for field in wrong):
                wrong[found.field] = found
    if wrong:
        raise InvalidLead(tuple(wrong.values()))
    known = {"lead_id": lead_id, "source": source, "received_at": received_at, "content_hash": content_hash}
    return _lead(asked, chosen, partners, warnings, **known)


def build_partial_lead(
    values: dict[str, Any],
    *,
    lead_id: str,
    source: str,
    received_at: datetime,
    partners: Mapping[str, Partner],
    choose: Chooser | None = None,
    rules: ReadingRules = DEFAULT_RULES,
) -> tuple[Lead, dict[str, tuple[FieldError, ...]]]:
    """Build a lead whose sender cannot correct it: wrong values are dropped, with a warning each.

    Returns the lead and, for each partner that does not accept it, the errors.
    """
    asked, wrong, warnings = _clean(values, rules)
    chosen = _chosen(asked, partners, choose)
    lacking = {
        name: tuple(wrong.get(found.field, found) for found in find_field_errors(asked, partners[name]))
        for name in chosen.partners
    }
    left_out = [replace(error, message=f"{error.message}; the value was dropped") for error in wrong.values()]
    warnings += left_out
    lead = _lead(asked, chosen, partners, warnings, lead_id=lead_id, source=source, received_at=received_at)
    return lead, {name: errors for name, errors in lacking.items() if errors}


def _chosen(asked: LeadFields, partners: Mapping[str, Partner], choose: Chooser | None) -> Decision:
    if choose is None:
        return Decision(tuple(partners))
    return skip_unfit_partners(choose(asked), lambda name: not find_field_errors(asked, partners[name]))


def _lead(
    asked: LeadFields, chosen: Decision, partners: Mapping[str, Partner], warnings: list[FieldError], **known: Any
) -> Lead:
    return Lead(
        **known,
        partners=chosen.partners,
        fallbacks=dict(chosen.fallbacks),
        routed=chosen.reason,
        routed_data=dict(chosen.data),
        warnings=(*_warnings(asked, [partners[name] for name in chosen.partners]), *warnings),
        person=asked.person,
        loan=asked.loan,
        trading=asked.trading,
        utm=asked.utm,
        consent=asked.consent,
    )


def _clean(values: dict[str, Any], rules: ReadingRules) -> tuple[LeadFields, dict[str, FieldError], list[FieldError]]:
    """Return the valid values, the errors of the others by field, and the warnings."""
    reading = Reading(rules)
    try:
        return LeadFields.model_validate(values, context=reading), {}, reading.warnings
    except ValidationError as error:
        wrong = {one.field: one for one in map(_field_error, error.errors(include_url=False))}
    rest = {
        name: {key: value for key, value in section.items() if f"{name}.{key}" not in wrong}
        for name, section in values.items()
        if name not in wrong and isinstance(section, dict)
    }
    reading = Reading(rules)
    return LeadFields.model_validate(rest, context=reading), wrong, reading.warnings


def _field_error(detail: Any) -> FieldError:
    where = ".".join(str(part) for part in detail["loc"])
    match detail["type"]:
        case "value_error":
            error = detail["ctx"]["error"]
            code = error.code if isinstance(error, InvalidValue) else FieldCode.UNREADABLE
            return FieldError(where, code, str(error))
        case "model_type" | "model_attributes_type" | "dict_type":
            return FieldError(where, FieldCode.NOT_AN_OBJECT)
        case _:
            return FieldError(where, FieldCode.UNREADABLE)


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


def next_partner(lead: Lead, partner: str, partners: Mapping[str, Partner]) -> str | None:
    """Return the partner that gets a lead after this one rejected it: the next in the order that accepts it."""
    found = lead.fallbacks.get(partner)
    for _ in lead.fallbacks:
        if found is None or (found in partners and not find_field_errors(lead, partners[found])):
            break
        found = lead.fallbacks.get(found)
    return found


def changed_fields(before: LeadFields, after: LeadFields) -> tuple[str, ...]:
    """Return the fields of a lead that differ, as dotted paths; all tags count as one, `utm`."""
    sections: dict[str, type[_Section]] = {"person": Person, "loan": Loan, "trading": Trading}
    paths = [f"{section}.{field}" for section, model in sections.items() for field in model.model_fields]
    changed = [path for path in (*paths, "consent.text") if before.value(path) != after.value(path)]
    return (*changed, *(["utm"] if before.utm != after.utm else []))


def find_missing_fields(lead: LeadFields, partner: Partner | None) -> tuple[str, ...]:
    """Return the fields because of which a partner does not accept a lead; none if it is not configured."""
    return () if partner is None else tuple(error.field for error in find_field_errors(lead, partner))


def _warnings(asked: LeadFields, partners: Sequence[Partner]) -> list[FieldError]:
    found = [FieldError("person.full_name", code) for code in fields.find_name_warnings(asked.person.full_name or "")]
    number = asked.person.tax_number
    policies = {partner.tax_number_checksum for partner in partners}
    if "warn" in policies and number is not None and not fields.has_valid_check_digit(number):
        found.append(FieldError("person.tax_number", FieldCode.WRONG_CHECK_DIGIT))
    return found

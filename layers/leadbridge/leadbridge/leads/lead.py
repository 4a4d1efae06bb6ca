"""A lead: what a person asked for, as it came from a form and as it is kept."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, ValidationError

from leadbridge.clock import to_text
from leadbridge.leads import fields
from leadbridge.leads.consent import Consent, consent_of
from leadbridge.problems import FieldError
from leadbridge.settings import Partner

UTM_KEYS = 30
UTM_LIMIT = 1024  # characters of a tag; longer ones are cut

Text = Annotated[str | None, BeforeValidator(fields.text)]
Amount = Annotated[Decimal | None, BeforeValidator(fields.amount), PlainSerializer(str)]


def _utm(value: object) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError("must be an object of texts")
    tags = {fields.text_cut(name, UTM_LIMIT): fields.text_cut(content, UTM_LIMIT) for name, content in value.items()}
    return {name: content for name, content in list(tags.items())[:UTM_KEYS] if name and content}


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class Person(_Section):
    """Who asks."""

    full_name: Text = None
    phone: Annotated[str | None, BeforeValidator(fields.phone)] = None
    email: Annotated[str | None, BeforeValidator(fields.email)] = None
    tax_number: Annotated[str | None, BeforeValidator(fields.tax_number)] = None
    activity: Text = None
    city: Text = None
    region: Text = None


class Loan(_Section):
    """The credit asked for: `amount` in hryvnias, `term` in the lender's unit."""

    amount: Amount = None
    term: Annotated[int | None, BeforeValidator(fields.term)] = None


class Trading(_Section):
    """Where a trader's lead comes from, in the broker's words."""

    offer: Text = None
    site: Text = None
    description: Text = None
    click_id: Text = None


class Asked(_Section):
    """What a form's fields amount to."""

    person: Person = Person()
    loan: Loan = Loan()
    trading: Trading = Trading()
    utm: Annotated[dict[str, str], BeforeValidator(_utm)] = {}
    consent: Annotated[Consent, BeforeValidator(consent_of)] = Consent()

    def value(self, path: str) -> object:
        """What stands at a dotted path such as `person.phone`; None where nothing does."""
        section, _, name = path.partition(".")
        return getattr(getattr(self, section, None), name, None)


class Lead(Asked):
    """A stored lead. `warnings` tell what looked wrong and was accepted all the same."""

    lead_id: str
    source: str
    received_at: datetime
    partners: tuple[str, ...]
    warnings: tuple[tuple[str, str], ...] = ()

    def shown(self) -> dict[str, Any]:
        """The lead as the API shows it, empty fields left out."""
        consent = self.consent.model_dump(exclude_none=True)
        return {
            "lead_id": self.lead_id,
            "source": self.source,
            "received_at": to_text(self.received_at),
            **self.model_dump(include={"person", "loan", "trading"}, exclude_none=True),
            "utm": dict(self.utm),
            **({"consent": consent} if consent else {}),
            "warnings": [{"field": field, "message": message} for field, message in self.warnings],
        }


class InvalidLead(ValueError):
    """A lead that cannot be accepted: every field that is wrong, each once."""

    def __init__(self, errors: tuple[FieldError, ...]) -> None:
        super().__init__(f"{len(errors)} field(s) are wrong")
        self.errors = errors


def lead_id_of(source: str, delivery_id: str) -> str:
    """The id of the lead that `source` knows as `delivery_id`: the same for every delivery of it."""
    digest = hashlib.sha256(json.dumps([source, delivery_id]).encode()).digest()
    return f"ld_{base64.b32encode(digest).decode().lower()[:26]}"


def build_lead(
    values: dict[str, Any], *, lead_id: str, source: str, received_at: datetime, partners: dict[str, Partner]
) -> Lead:
    """Clean and check what a form sent, for the partners (by name) that shall get it.

    `values` holds the sections `person`, `loan`, `trading`, `utm`, `consent` as they came. Raises InvalidLead.
    """
    asked, wrong = _clean(values)
    for partner in partners.values():
        for found in _wrong_for(asked, partner):
            if not any(found.field == field or found.field.startswith(f"{field}.") for field in wrong):
                wrong[found.field] = found
    if wrong:
        raise InvalidLead(tuple(wrong.values()))
    return Lead(
        lead_id=lead_id,
        source=source,
        received_at=received_at,
        partners=tuple(partners),
        warnings=tuple(_warnings(asked, partners)),
        person=asked.person,
        loan=asked.loan,
        trading=asked.trading,
        utm=asked.utm,
        consent=asked.consent,
    )


def _clean(values: dict[str, Any]) -> tuple[Asked, dict[str, FieldError]]:
    """What can be used of the values, and what is wrong with the rest, by field."""
    try:
        return Asked.model_validate(values), {}
    except ValidationError as error:
        found = [_field_error(detail) for detail in error.errors(include_url=False)]
    wrong = {one.field: one for one in found}
    rest = {
        name: {key: value for key, value in section.items() if f"{name}.{key}" not in wrong}
        for name, section in values.items()
        if name not in wrong and isinstance(section, dict)
    }
    return Asked.model_validate(rest), wrong


def _field_error(detail: Any) -> FieldError:
    where = ".".join(str(part) for part in detail["loc"])
    match detail["type"]:
        case "value_error":
            return FieldError(where, str(detail["ctx"]["error"]))
        case "model_type" | "model_attributes_type" | "dict_type":
            return FieldError(where, "must be an object")
        case _:
            return FieldError(where, "is not valid")


def _wrong_for(asked: Asked, partner: Partner) -> list[FieldError]:
    errors = [FieldError(path, "is required") for path in partner.requires if asked.value(path) is None]
    phone, number = asked.person.phone, asked.person.tax_number
    if partner.phone_country == "UA" and phone is not None and not fields.is_ukrainian(phone):
        errors.append(FieldError("person.phone", "must be a Ukrainian phone number"))
    if partner.tax_number_checksum == "strict" and number is not None and not fields.tax_number_checks(number):
        errors.append(FieldError("person.tax_number", "has a wrong check digit"))
    return errors


def _warnings(asked: Asked, partners: dict[str, Partner]) -> list[tuple[str, str]]:
    warnings = [("person.full_name", message) for message in fields.name_warnings(asked.person.full_name or "")]
    number = asked.person.tax_number
    policies = {partner.tax_number_checksum for partner in partners.values()}
    if "warn" in policies and number is not None and not fields.tax_number_checks(number):
        warnings.append(("person.tax_number", "has a wrong check digit"))
    return warnings

"""Creating an account: validating the body.

{"offerUuid": "…", "account": {"partnerId": 0, "email": "…", "name": "…", "surname": "…", "phone": "123456789",
 "leadInfo": {"leadSource": "Test Offer|testoffer.com|Test Description |a12dd0a66a"}}}
"""

import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError, ValidationInfo

from devstack.sandbox.matchtrade.broker import INVALID_MODEL, Broker, Credentials, refusal
from devstack.sandbox.partner import Filled, Incoming, written_as

COLUMNS = ("uuid", "created", "updated", "partner_id", "email", "name", "surname", "phone", "country", "lead_source")
UUID = r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"


def _own_number(number: int, info: ValidationInfo) -> int:
    if info.context is None or number != info.context["partner_id"]:
        raise ValueError("another partner's number")
    return number


def _phone(text: str, info: ValidationInfo) -> str:
    plus = r"\+?" if info.context is not None and info.context["plus_in_phone"] else ""
    if not re.fullmatch(plus + "[0-9]+", text):
        raise ValueError("not a phone")
    return text


class Fields(BaseModel):
    """Unknown fields are accepted. Empty values and null are invalid."""

    model_config = ConfigDict(strict=True)


class LeadInfo(Fields):
    leadSource: Filled = ""


class Account(Fields):
    partnerId: Annotated[int, AfterValidator(_own_number)]
    email: Annotated[str, AfterValidator(written_as(r"[^@\s]+@[^@\s]+\.[^@\s.]+"))] = ""
    name: Filled = ""
    surname: Filled = ""
    phone: Annotated[str, AfterValidator(_phone)] = ""
    country: Filled = ""
    state: Filled = ""
    city: Filled = ""
    postCode: Filled = ""
    address: Filled = ""
    clientType: Filled = ""
    dateOfBirth: date = date.min
    leadInfo: LeadInfo = LeadInfo()


class Registration(Fields):
    offerUuid: Annotated[str, AfterValidator(written_as(UUID))]
    account: Account


def registration(incoming: Incoming, broker: Broker, credentials: Credentials) -> dict[str, Any]:
    """The valid body, as sent. Raises `Refusal`; the call log gets all errors."""
    if incoming.content_type != "application/json":
        raise refusal(415, f"Content type '{incoming.content_type}' not supported", "media type")
    try:
        body = incoming.json
    except ValueError as error:
        raise refusal(400, "JSON parse error", f"malformed JSON: {error}") from error
    given = dict(_flat(incoming.fields.get("account")))
    wrong = {f"account.{path}" for path in broker.required if path not in given}
    wrong |= {"account.leadInfo"} if given.get("leadInfo") == {} else set()
    context = {"partner_id": credentials.partner_id, "plus_in_phone": broker.plus_in_phone}
    try:
        Registration.model_validate_json(incoming.raw, context=context)
    except ValidationError as error:
        found = {".".join(map(str, each["loc"])) for each in error.errors(include_url=False, include_input=False)}
        wrong = found if "account" in found else wrong | found
    if wrong:
        raise refusal(500, INVALID_MODEL, sorted(wrong))
    return dict(body)


def fit(account: Mapping[str, Any], broker: Broker) -> None:
    """Raises `Refusal` if a text is longer than its column: with the SQL and the person's address, as drivers write."""
    length = broker.column_length
    for path, value in _flat(account):
        if isinstance(value, str) and len(value) > length:
            insert = f"insert into account ({', '.join(COLUMNS)})"
            message = (
                f"could not execute batch; SQL [{insert} values ({', '.join('?' * len(COLUMNS))})]; nested exception is"
                f" org.hibernate.exception.DataException: could not execute batch: Batch entry 0 {insert} values"
                f" (…, '{account.get('email')}', …) was aborted: ERROR: value too long for type"
                f" character varying({length})"
            )
            raise refusal(400, message, f"does not fit: account.{path}")


def unknown_fields(body: Mapping[str, Any], model: type[BaseModel] = Registration, prefix: str = "") -> Iterator[str]:
    """The paths of unknown fields, which are accepted but logged."""
    for name, value in body.items():
        known = model.model_fields.get(name)
        if known is None:
            yield prefix + name
        elif isinstance(value, dict) and isinstance(known.annotation, type) and issubclass(known.annotation, Fields):
            yield from unknown_fields(value, known.annotation, f"{prefix}{name}.")


def _flat(account: object) -> Iterator[tuple[str, Any]]:
    """Fields by path. `leadInfo` itself if it is not an object or empty."""
    for name, value in account.items() if isinstance(account, dict) else ():
        if name == "leadInfo" and isinstance(value, dict) and value:
            yield from ((f"{name}.{inner}", held) for inner, held in value.items())
        else:
            yield name, value

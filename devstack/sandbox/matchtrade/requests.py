"""Creating an account: validating the body. Listing accounts: parsing the query, and a Spring page."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from multidict import MultiMapping
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from devstack.sandbox.matchtrade import accounts
from devstack.sandbox.matchtrade.broker import Broker, Credentials, refusal
from devstack.sandbox.partner import Answer, Filled, Incoming, rfc3339, written_as

INSTANT = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?Z"
TOO_LONG = (  # with the SQL and the person's address, as drivers write
    "could not execute batch; SQL [insert into account (uuid, email, name, surname, phone, …) values (?, ?, ?, ?, ?,"
    " …)]; nested exception is org.hibernate.exception.DataException: could not execute batch: Batch entry 0 insert"
    " into account values (…, '{email}', …) was aborted: ERROR: value too long for type character varying({length})"
)

type Instant = Annotated[datetime, BeforeValidator(written_as(INSTANT))]
type Whole = Annotated[int, BeforeValidator(written_as("[0-9]{1,9}"))]


class Fields(BaseModel):
    """Unknown fields are accepted. Empty values and null are invalid."""

    model_config = ConfigDict(strict=True)


class LeadInfo(Fields):
    leadSource: Filled


class Account(Fields):
    partnerId: int
    email: Annotated[str, AfterValidator(written_as(r"[^@\s]+@[^@\s]+\.[^@\s.]+"))] = ""
    name: Filled = ""
    surname: Filled = ""
    phone: Annotated[str, AfterValidator(written_as(r"\+?[0-9]+"))] = ""
    country: Filled = ""
    state: Filled = ""
    city: Filled = ""
    postCode: Filled = ""
    address: Filled = ""
    clientType: Filled = ""
    dateOfBirth: date = date.min
    leadInfo: LeadInfo = LeadInfo(leadSource="-")


class Registration(Fields):
    offerUuid: Annotated[str, AfterValidator(written_as(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"))]
    account: Account


KNOWN = {"offerUuid", "account", "account.leadInfo.leadSource", *(f"account.{name}" for name in Account.model_fields)}


class Query(BaseModel):
    query: str = ""
    start: Instant = Field(alias="from")
    end: Instant = Field(alias="to")
    size: Annotated[Whole, Field(ge=1)] = 20
    page: Whole = 0


PARAMETERS = tuple(known.alias or name for name, known in Query.model_fields.items())


def registration(incoming: Incoming, broker: Broker, credentials: Credentials) -> dict[str, Any]:
    """The valid body, as sent. Raises `Refusal`; the call log gets all errors."""
    if incoming.content_type != "application/json":
        raise refusal(415, f"Content type '{incoming.content_type}' not supported", "media type")
    try:
        body = incoming.json
    except ValueError as error:
        raise refusal(400, "JSON parse error", f"malformed JSON: {error}") from error
    given, wrong = dict(by_path(incoming.fields)), set()
    try:
        Registration.model_validate_json(incoming.raw)
    except ValidationError as error:
        wrong = {".".join(map(str, each["loc"])) for each in error.errors(include_url=False, include_input=False)}
    if "account" not in wrong:
        wrong |= {f"account.{path}" for path in broker.required} - given.keys()
        if given.get("account.partnerId") != credentials.partner_id:
            wrong.add("account.partnerId")
        if str(given.get("account.phone", "")).startswith("+") and not broker.plus_in_phone:
            wrong.add("account.phone")
    if wrong:
        raise refusal(500, "Register Account Model is not valid", sorted(wrong))
    return dict(body)


def fit(account: Mapping[str, Any], broker: Broker) -> None:
    """Raises `Refusal` if a text is longer than its column."""
    for path, value in by_path(account):
        if isinstance(value, str) and len(value) > broker.column_length:
            message = TOO_LONG.format(email=account.get("email"), length=broker.column_length)
            raise refusal(400, message, f"does not fit: account.{path}")


def by_path(fields: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in fields.items():
        yield prefix + name, value
        if isinstance(value, dict):
            yield from by_path(value, f"{prefix}{name}.")


def query_of(given: MultiMapping[str]) -> Query:
    """Parse a query. Others than the known parameters are ignored. Raises `Refusal`, a 400."""
    values = {name: given.getall(name) for name in PARAMETERS if name in given}
    try:
        return Query.model_validate({name: each[0] if len(each) == 1 else each for name, each in values.items()})
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)[0]
        name = found["loc"][0]
        wrong = "Failed to convert value of" if found["type"] != "missing" else "Missing required"
        raise refusal(400, f"{wrong} parameter '{name}'") from error


def page(registry: accounts.Registry, query: Query, broker: Broker, **facts: int) -> Answer:
    """Rows are ordered by creation. The minimal shape has only the members that other views of this API have."""
    start, end, text = query.start.timestamp(), query.end.timestamp(), query.query.strip().lower()
    matching = registry.within(start, end, broker.filter_by, text)
    size = min(query.size, broker.max_size)
    rows = matching[query.page * size : (query.page + 1) * size]
    pages = -(-len(matching) // size)
    shown: dict[str, Any] = {"content": [row(account, broker) for account in rows], "totalPages": pages}
    if broker.page_shape == "full":
        shown |= {"totalElements": len(matching), "last": query.page + 1 >= pages, "number": query.page, "size": size}
    return Answer.of(200, shown, rows=len(rows), total=len(matching), **facts)


def row(account: accounts.Account, broker: Broker) -> dict[str, Any]:
    nested = broker.lead_source == "nested" or (broker.lead_source == "mixed" and account.number % 2 == 0)
    source, status = {"leadSource": account.lead_source}, account.progress.status
    return {
        "uuid": account.uuid,
        "created": _time(account.created, broker),
        "updated": _time(account.progress.updated, broker),
        **{name: account.person.get(name) for name in ("email", "name", "surname", "phone", "country")},
        "role": "CLIENT" if status == "ACTIVE_CLIENT" else "LEAD",
        "leadStatus": broker.words.get(status, status),
        **({"leadInfo": source} if nested else source),
    }


def _time(at: float, broker: Broker) -> str:
    """With Z, or local and without an offset."""
    if broker.time_zone is None:
        return rfc3339(at)
    return (
        datetime.fromtimestamp(at, ZoneInfo(broker.time_zone)).replace(tzinfo=None).isoformat(timespec="milliseconds")
    )

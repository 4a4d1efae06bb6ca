"""The list of accounts: parsing the query, and a Spring page."""

from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from multidict import MultiMapping
from pydantic import BaseModel, BeforeValidator, Field, ValidationError

from devstack.sandbox.matchtrade.accounts import Account, Registry
from devstack.sandbox.matchtrade.broker import Broker, refusal
from devstack.sandbox.partner import Answer, rfc3339, written_as

SHOWN = ("email", "name", "surname", "phone", "country")
INSTANT = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?Z"

type Instant = Annotated[datetime, BeforeValidator(written_as(INSTANT))]
type Whole = Annotated[int, BeforeValidator(written_as("[0-9]{1,9}"))]


class Query(BaseModel):
    """The window includes `from` and `to`, which are required. `query` may be empty. Pages start at 0."""

    query: str = ""
    start: Instant = Field(alias="from")
    end: Instant = Field(alias="to")
    size: Annotated[Whole, Field(ge=1)] = 20
    page: Whole = 0


PARAMETERS = tuple(known.alias or name for name, known in Query.model_fields.items())


def query_of(given: MultiMapping[str]) -> Query:
    """Parse a query. Others than the known parameters are ignored. Raises `Refusal`, a 400."""
    values = {name: given.getall(name) for name in PARAMETERS if name in given}
    try:
        return Query.model_validate({name: each[0] if len(each) == 1 else each for name, each in values.items()})
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)[0]
        name = found["loc"][0]
        if found["type"] == "missing":
            raise refusal(400, f"Required parameter '{name}' is not present", f"missing: {name}") from error
        raise refusal(400, f"Failed to convert value of parameter '{name}'", f"malformed: {name}") from error


def page(registry: Registry, query: Query, broker: Broker) -> Answer:
    """Rows are ordered by creation. The minimal shape has only the members that other views of this API have."""
    start, end, text = query.start.timestamp(), query.end.timestamp(), query.query.strip().lower()
    matching = registry.within(start, end, broker.filter_by, text)
    size = min(query.size, broker.max_size)
    rows = matching[query.page * size : (query.page + 1) * size]
    pages = -(-len(matching) // size)
    shown: dict[str, Any] = {"content": [row(account, broker) for account in rows], "totalPages": pages}
    if broker.page_shape == "full":
        shown |= {"totalElements": len(matching), "last": query.page + 1 >= pages, "number": query.page, "size": size}
    return Answer.of(200, shown, rows=len(rows), total=len(matching))


def row(account: Account, broker: Broker) -> dict[str, Any]:
    """One account in the broker's list; unknown values are null."""
    nested = broker.lead_source == "nested" or (broker.lead_source == "mixed" and account.number % 2 == 0)
    source = {"leadSource": account.lead_source}
    return {
        "uuid": account.uuid,
        "created": _time(account.created, broker),
        "updated": _time(account.progress.updated, broker),
        **{name: account.person.get(name) for name in SHOWN},
        "role": "CLIENT" if account.progress.status == "ACTIVE_CLIENT" else "LEAD",
        "leadStatus": broker.words.get(account.progress.status, account.progress.status),
        **({"leadInfo": source} if nested else source),
    }


def shown(account: Account, broker: Broker) -> dict[str, Any]:
    """One account in the control: its row, and what the broker does not show."""
    return {
        **row(account, broker),
        "leadSource": account.lead_source,
        "origin": account.origin,
        "moves": bool(account.progress.ahead),
        "account": account.person if account.origin == "registered" else None,
        "history": account.progress.as_json(),
    }


def _time(at: float, broker: Broker) -> str:
    """With Z, or local and without an offset."""
    if broker.time_zone is None:
        return rfc3339(at)
    local = datetime.fromtimestamp(at, ZoneInfo(broker.time_zone))
    return local.replace(tzinfo=None).isoformat(timespec="milliseconds")

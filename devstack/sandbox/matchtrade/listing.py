"""The list of accounts: parsing the query, and a Spring page."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from multidict import MultiMapping

from devstack.sandbox.matchtrade.accounts import Account, Origin
from devstack.sandbox.matchtrade.broker import Broker
from devstack.sandbox.matchtrade.refusals import Refusal
from devstack.sandbox.matchtrade.registry import Registry, Window
from devstack.sandbox.matchtrade.statuses import ACTIVE_CLIENT
from devstack.sandbox.matchtrade.times import Millis, instant, local_time, millis_of
from devstack.sandbox.partner import Answer

PARAMETERS = ("query", "from", "to", "size", "page")
DEFAULT_SIZE = 20
SHOWN = ("email", "name", "surname", "phone", "country")
_WHOLE = re.compile(r"[0-9]{1,9}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Asked:
    """A valid query. The window includes both ends; pages start at 0."""

    window: Window
    page: int
    size: int


def asked(query: MultiMapping[str], broker: Broker) -> Asked:
    """`from` and `to` are required, `query` may be empty, `size` is limited by the broker.

    Raises `Refusal`, a 400.
    """
    repeated = [name for name in PARAMETERS if len(query.getall(name, [])) > 1]
    if repeated:
        raise _malformed(repeated[0])
    start, end = _read(query, "from", millis_of), _read(query, "to", millis_of)
    page, size = _read(query, "page", _whole, "0"), _read(query, "size", _whole, str(DEFAULT_SIZE))
    if size < 1:
        raise _malformed("size")
    text = query.get("query", "").strip().lower()
    return Asked(Window(start, end, broker.filter_by, text), page, min(size, broker.max_size))


def page(registry: Registry, asked: Asked, broker: Broker) -> Answer:
    """Rows are ordered by creation. The minimal shape has only the members that other views of this API have."""
    matching = registry.within(asked.window)
    start = asked.page * asked.size
    rows = matching[start : start + asked.size]
    pages = -(-len(matching) // asked.size)
    shown: dict[str, Any] = {"content": [row(account, broker) for account in rows], "totalPages": pages}
    if broker.page_shape == "full":
        shown |= {
            "totalElements": len(matching),
            "last": asked.page + 1 >= pages,
            "number": asked.page,
            "size": asked.size,
        }
    return Answer.of(200, shown, rows=len(rows), total=len(matching))


def row(account: Account, broker: Broker) -> dict[str, Any]:
    """One account in the broker's list; unknown values are null."""
    person = account.person()
    return {
        "uuid": account.uuid,
        "created": _time(account.created, broker),
        "updated": _time(account.updated, broker),
        **{name: person.get(name) for name in SHOWN},
        "role": "CLIENT" if account.status == ACTIVE_CLIENT else "LEAD",
        "leadStatus": broker.words.get(account.status, account.status),
        **_lead_source(account, broker),
    }


def shown(account: Account, broker: Broker) -> dict[str, Any]:
    """One account in the control: its row, and what the broker does not show."""
    return {
        **row(account, broker),
        "leadSource": account.lead_source(),
        "origin": account.origin.value,
        "moves": bool(account.ahead),
        "account": account.given if account.origin is Origin.REGISTERED else None,
        "history": [{"status": status, "at": instant(at)} for status, at in account.history],
    }


def _time(at: Millis, broker: Broker) -> str:
    return instant(at) if broker.time_zone is None else local_time(at, broker.time_zone)


def _lead_source(account: Account, broker: Broker) -> dict[str, Any]:
    source = account.lead_source()
    nested = broker.lead_source == "nested" or (broker.lead_source == "mixed" and account.number % 2 == 0)
    return {"leadInfo": {"leadSource": source}} if nested else {"leadSource": source}


def _read[Value](
    query: MultiMapping[str], name: str, reading: Callable[[str], Value], default: str | None = None
) -> Value:
    text = query.get(name, default)
    if text is None:
        raise Refusal(400, f"Required parameter '{name}' is not present", f"missing: {name}")
    try:
        return reading(text)
    except ValueError as error:
        raise _malformed(name) from error


def _whole(text: str) -> int:
    if not _WHOLE.fullmatch(text):
        raise ValueError(text)
    return int(text)


def _malformed(name: str) -> Refusal:
    return Refusal(400, f"Failed to convert value of parameter '{name}'", f"malformed: {name}")

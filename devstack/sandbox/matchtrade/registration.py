"""Creating an account: validating the body.

{"offerUuid": "…", "account": {"partnerId": 0, "email": "…", "name": "…", "surname": "…", "phone": "123456789",
 "leadInfo": {"leadSource": "Test Offer|testoffer.com|Test Description |a12dd0a66a"}}}
"""

import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from devstack.sandbox.matchtrade import refusals
from devstack.sandbox.matchtrade.broker import Broker
from devstack.sandbox.matchtrade.credentials import Credentials
from devstack.sandbox.matchtrade.refusals import Refusal
from devstack.sandbox.partner import Incoming

TEXTS = ("name", "surname", "country", "state", "city", "postCode", "address", "clientType")
KNOWN = frozenset({*TEXTS, "partnerId", "email", "phone", "dateOfBirth", "leadInfo"})
LEAD_SOURCE = "leadInfo.leadSource"
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")

type Check = Callable[[object], bool]


@dataclass(frozen=True, slots=True)
class Registration:
    """A valid body. `account` has the fields as sent."""

    offer_uuid: str
    account: Mapping[str, Any]

    @property
    def email(self) -> str:
        email: str = self.account.get("email", "")
        return email


def registration(incoming: Incoming, broker: Broker, credentials: Credentials) -> Registration:
    """Parse a body. Raises `Refusal`; the call log gets all errors. Empty values and null are invalid."""
    if incoming.content_type != "application/json":
        raise Refusal(415, f"Content type '{incoming.content_type}' not supported", "media type")
    if incoming.json_error is not None:
        raise Refusal(400, "JSON parse error", f"malformed JSON: {incoming.json_error}")
    body = incoming.json if isinstance(incoming.json, dict) else {}
    account = body.get("account")
    if not isinstance(account, dict):
        raise refusals.invalid_model("account")
    wrong = [
        *([] if _is_uuid(body.get("offerUuid")) else ["offerUuid"]),
        *(f"account.{path}" for path in _wrong(account, broker, credentials.partner_id)),
    ]
    if wrong:
        raise refusals.invalid_model(*wrong)
    return Registration(body["offerUuid"], account)


def fit(asked: Registration, broker: Broker) -> None:
    """Raises `Refusal` if a text is longer than its column."""
    for path, value in _flat(asked.account):
        if isinstance(value, str) and len(value) > broker.column_length:
            raise refusals.does_not_fit(asked.email, broker.column_length, f"account.{path}")


def unknown_fields(body: object) -> list[str]:
    """Unknown fields, which are accepted but logged."""
    if not isinstance(body, dict):
        return []
    account, info = body.get("account"), None
    found = [name for name in body if name not in {"offerUuid", "account"}]
    if isinstance(account, dict):
        found += [f"account.{name}" for name in account if name not in KNOWN]
        info = account.get("leadInfo")
    if isinstance(info, dict):
        found += [f"account.leadInfo.{name}" for name in info if name != "leadSource"]
    return found


def _wrong(account: Mapping[str, Any], broker: Broker, partner_id: int) -> Iterator[str]:
    given = dict(_flat(account))
    yield from (path for path in ("partnerId", *broker.required) if path not in given)
    checks = _checks(broker, partner_id)
    yield from (path for path, value in given.items() if path in checks and not checks[path](value))


def _checks(broker: Broker, partner_id: int) -> dict[str, Check]:
    phone = re.compile(r"\+?[0-9]+" if broker.plus_in_phone else r"[0-9]+", re.ASCII)
    return {
        **dict.fromkeys((*TEXTS, LEAD_SOURCE), _is_text),
        "partnerId": lambda value: type(value) is int and value == partner_id,
        "email": lambda value: isinstance(value, str) and _EMAIL.fullmatch(value) is not None,
        "phone": lambda value: isinstance(value, str) and phone.fullmatch(value) is not None,
        "dateOfBirth": _is_date,
        "leadInfo": lambda _value: False,
    }


def _flat(account: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Fields by path. `leadInfo` itself if it is not an object or empty."""
    for name, value in account.items():
        if name == "leadInfo" and isinstance(value, dict) and value:
            yield from ((f"{name}.{inner}", held) for inner, held in value.items())
        else:
            yield name, value


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_date(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(date.fromisoformat(value))
    except ValueError:
        return False


def _is_uuid(value: object) -> bool:
    try:
        return isinstance(value, str) and str(uuid.UUID(value)) == value.lower()
    except ValueError:
        return False

"""What operators ask with a path, a query or a body, read; what cannot be answered is a Problem."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

from pydantic import BaseModel

from leadbridge.api.problems import Problem
from leadbridge.api.requests import InvalidRequest, read_request
from leadbridge.domain import fields
from leadbridge.domain.delivery import State
from leadbridge.forms.base import Request, TooLarge, Unreadable
from leadbridge.forms.parsing.json_body import read_object

LIMIT = 25
MOST = 100
LEAD_ID = r"ld_[a-z2-7]{26}"
PARTNER = r"[a-z0-9_-]{1,64}"
YEARS = range(2000, 2200)  # days of others are nobody's question, and near the calendar's ends cannot be counted with


def operator(event: dict[str, Any]) -> str:
    """The name of the operator who asks, as the authorizer found it."""
    return str(((event.get("requestContext") or {}).get("authorizer") or {}).get("operator") or "")


def lead_id_in(event: dict[str, Any]) -> str:
    """The lead that the path names. Raises Problem."""
    lead_id = (event.get("pathParameters") or {}).get("lead_id") or ""
    if not re.fullmatch(LEAD_ID, lead_id):
        raise unknown_lead()
    return lead_id


def state_in(text: str | None) -> State | None:
    """The state that `status=` names. Raises Problem."""
    if not text:
        return None
    try:
        return State(text)
    except ValueError:
        raise bad_query(f"status is one of {', '.join(State)}.") from None


def limit_in(text: str | None) -> int:
    """The page size that `limit=` names. Raises Problem."""
    if not text:
        return LIMIT
    if not re.fullmatch(r"[0-9]{1,3}", text) or not 1 <= int(text) <= MOST:
        raise bad_query(f"limit is a number from 1 to {MOST}.")
    return int(text)


def masked_in(text: str | None) -> bool:
    """Whether `masked=` asks for people to be masked. Raises Problem."""
    return _flag("masked", text)


def attention_in(text: str | None) -> bool:
    """Whether `attention=` asks for deliveries that need a person only. Raises Problem."""
    return _flag("attention", text)


def phone_in(text: str | None) -> str | None:
    """The phone that `phone=` names. A `+` that arrived as a space is understood. Raises Problem."""
    try:
        return fields.phone(text) if text else None
    except ValueError:
        raise bad_query("phone is a phone number.") from None


def day_in(name: str, text: str | None, default: date) -> date:
    """The day that `from=` or `to=` names, such as 2026-11-02. Raises Problem."""
    if not text:
        return default
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = date.min
    if day.year not in YEARS:
        raise bad_query(f"{name} is a day such as 2026-11-02.")
    return day


def known_in(query: dict[str, str], *names: str) -> dict[str, str]:
    """The query, if it has no other parameters than these. Raises Problem."""
    if unknown := set(query) - set(names):
        raise bad_query(f"There is no parameter {', '.join(sorted(unknown))}.")
    return query


def body_in(event: dict[str, Any]) -> dict[str, Any]:
    """The JSON object that is the body; none is an empty one. Raises Problem."""
    try:
        body = Request.of(event).body
        return read_object(body) if body.strip() else {}
    except TooLarge:
        raise Problem(413, "too-large", "Body too large", "A body may have 256 KiB at most.") from None
    except Unreadable:
        raise Problem(400, "unreadable", "Unreadable body", "The body is not a JSON object.") from None


def bad_query(detail: str) -> Problem:
    """A query that cannot be answered."""
    return Problem(400, "bad-query", "Bad query", detail)


def unknown_lead() -> Problem:
    """There is no such lead, or it has no such delivery."""
    return Problem(404, "unknown-lead", "Unknown lead", "There is no such lead or delivery.")


def erased_lead() -> Problem:
    """The lead's person was erased, so nothing can be done with it."""
    return Problem(409, "wrong-state", "Wrong state", "The person was erased.")


def _flag(name: str, text: str | None) -> bool:
    if text not in {None, "", "true", "false"}:
        raise bad_query(f"{name} is true or false.")
    return text == "true"


def asked_in[R: BaseModel](event: dict[str, Any], kind: type[R]) -> R:
    """What the body asks for. Raises Problem."""
    try:
        return read_request(kind, body_in(event))
    except InvalidRequest as wrong:
        detail = "This cannot be done as it is asked for; see errors."
        raise Problem(422, "invalid-request", "Invalid request", detail, wrong.errors) from None

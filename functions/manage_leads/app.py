"""The operator's routes: the list of leads, and all that is known of one. Also GET /health, open to monitors."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from leadbridge import aws
from leadbridge.leads import fields
from leadbridge.leads.delivery import State
from leadbridge.leads.items import keyed_hash
from leadbridge.leads.listing import BadCursor, Listing, Wanted
from leadbridge.leads.shown import journey_shown, lead_shown
from leadbridge.leads.store import Store
from leadbridge.logs import count, logger, metrics
from leadbridge.problems import Problem, Response, answer, unexpected
from leadbridge.secrets import Secrets

LIMIT = 25
MOST = 100


@lru_cache
def store() -> Store:
    """The table of leads."""
    return Store(aws.dynamodb(), os.environ["TABLE_NAME"])


@lru_cache
def listing() -> Listing:
    """The list of leads."""
    return Listing(aws.dynamodb(), os.environ["TABLE_NAME"])


@lru_cache
def secrets() -> Secrets:
    """This stack's secrets."""
    return Secrets(aws.secrets_manager(), os.environ["SECRETS_PREFIX"])


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: Any) -> Response:
    """Gateway proxy event in, proxy response out."""
    count("OperatorRequests")
    try:
        route = ROUTES.get((event["httpMethod"], event["resource"]))
        if route is None:
            raise Problem(404, "unknown-route", "Unknown route", "There is nothing here.")
        return route(event)
    except Problem as problem:
        return problem.response()
    except Exception:  # the outermost edge
        logger.exception("could not answer")
        return unexpected()


def health(_: dict[str, Any]) -> Response:
    """GET /health."""
    return answer(200, {"status": "ok"})


def list_leads(event: dict[str, Any]) -> Response:
    """GET /leads?status=&source=&partner=&phone=&limit=&cursor="""
    query = event.get("queryStringParameters") or {}
    unknown = set(query) - {"status", "source", "partner", "phone", "limit", "cursor"}
    if unknown:
        raise bad_query(f"There is no parameter {', '.join(sorted(unknown))}.")
    wanted = Wanted(
        status=state_in(query.get("status")),
        source=query.get("source") or None,
        partner=query.get("partner") or None,
        phone_hash=phone_hash_in(query.get("phone")),
    )
    try:
        page = listing().page(wanted, limit_in(query.get("limit")), query.get("cursor") or None)
    except BadCursor:
        raise bad_query("The cursor does not belong to this list.") from None
    return answer(200, {"leads": [lead_shown(journey) for journey in page.leads], "cursor": page.cursor})


def show_lead(event: dict[str, Any]) -> Response:
    """GET /leads/{lead_id}"""
    lead_id = (event.get("pathParameters") or {}).get("lead_id") or ""
    journey = store().journey(lead_id) if re.fullmatch(r"ld_[a-z2-7]{26}", lead_id) else None
    if journey is None:
        raise Problem(404, "unknown-lead", "Unknown lead", "There is no lead with this id.")
    logger.info("shown", lead_id=lead_id, operator=operator(event))
    return answer(200, journey_shown(journey))


def operator(event: dict[str, Any]) -> str:
    """The name of the operator who asks, as the authorizer found it."""
    return str(((event.get("requestContext") or {}).get("authorizer") or {}).get("operator") or "")


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


def phone_hash_in(text: str | None) -> str | None:
    """The keyed hash of the phone that `phone=` names. A `+` that arrived as a space is understood. Raises Problem."""
    if not text:
        return None
    try:
        phone = fields.phone(text)
    except ValueError:
        raise bad_query("phone is a phone number.") from None
    return keyed_hash(secrets().get("index")["key"], phone) if phone else None


def bad_query(detail: str) -> Problem:
    """A query that cannot be answered."""
    return Problem(400, "bad-query", "Bad query", detail)


ROUTES: dict[tuple[str, str], Callable[[dict[str, Any]], Response]] = {
    ("GET", "/health"): health,
    ("GET", "/leads"): list_leads,
    ("GET", "/leads/{lead_id}"): show_lead,
}

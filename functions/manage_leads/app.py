"""The operator's routes: the list of leads, all that is known of one, messages to people. GET /health is open."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any
from uuid import uuid4

from leadbridge import aws
from leadbridge.clock import utc_now
from leadbridge.forms.adapter import Request, TooLarge, Unreadable
from leadbridge.forms.json_body import read_object
from leadbridge.leads import fields
from leadbridge.leads.delivery import State
from leadbridge.leads.finding import Finder
from leadbridge.leads.items import Entry, keyed_hash
from leadbridge.leads.listing import BadCursor, Listing, Wanted
from leadbridge.leads.message import by_operator
from leadbridge.leads.outbox import Outbox
from leadbridge.leads.requests import InvalidRequest, read_message_request
from leadbridge.leads.shown import journey_shown, lead_shown
from leadbridge.leads.store import Store
from leadbridge.logs import count, logger, metrics
from leadbridge.problems import Problem, Response, answer, unexpected
from leadbridge.secrets import Secrets

LIMIT = 25
MOST = 100
LEAD_ID = r"ld_[a-z2-7]{26}"


@lru_cache
def store() -> Store:
    """The table of leads."""
    return Store(aws.dynamodb(), os.environ["TABLE_NAME"])


@lru_cache
def listing() -> Listing:
    """The list of leads."""
    return Listing(aws.dynamodb(), os.environ["TABLE_NAME"])


@lru_cache
def finder() -> Finder:
    """Which lead an account belongs to."""
    return Finder(aws.dynamodb(), os.environ["TABLE_NAME"])


@lru_cache
def outbox() -> Outbox:
    """The messages to people."""
    return Outbox(aws.dynamodb(), os.environ["TABLE_NAME"])


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
    journey = store().journey(lead_id) if re.fullmatch(LEAD_ID, lead_id) else None
    if journey is None:
        raise unknown_lead()
    logger.info("shown", lead_id=lead_id, operator=operator(event))
    return answer(200, journey_shown(journey))


def write_message(event: dict[str, Any]) -> Response:
    """POST /messages"""
    try:
        asked = read_message_request(read_object(Request.of(event).body))
    except TooLarge:
        raise Problem(413, "too-large", "Body too large", "A body may have 256 KiB at most.") from None
    except Unreadable:
        raise Problem(400, "unreadable", "Unreadable body", "The body is not a JSON object.") from None
    except InvalidRequest as wrong:
        detail = "The message cannot be sent; see errors."
        raise Problem(422, "invalid-message", "Invalid message", detail, wrong.errors) from None
    now, entry = utc_now(), None
    lead_id = asked.lead_id or finder().by_account(asked.account_id or "")
    if lead_id is not None:
        if store().lead(lead_id) is None:
            raise unknown_lead()
        entry = Entry(now, "message_requested", "leeloo", f"by {operator(event)}")
    message = by_operator(
        lead_id or asked.account_id or "",
        now,
        uuid4().hex,
        account_id=asked.account_id,
        template_id=asked.template_id,
        text=asked.text,
        variables=asked.variables,
    )
    outbox().add(message, entry)
    logger.info("message requested", lead_id=message.owner, message_id=message.message_id, operator=operator(event))
    return answer(202, {"message_id": message.message_id, "status": message.state.value})


def check_delivery(event: dict[str, Any]) -> Response:
    """POST /leads/{lead_id}/deliveries/{partner}/check"""
    path = event.get("pathParameters") or {}
    lead_id, partner = path.get("lead_id") or "", path.get("partner") or ""
    delivery = store().delivery(lead_id, partner) if re.fullmatch(LEAD_ID, lead_id) else None
    if delivery is None:
        raise unknown_lead()
    if delivery.state is not State.SUBMITTED:
        detail = f"The delivery is {delivery.state.value}; only one that is submitted can be checked."
        raise Problem(409, "wrong-state", "Wrong state", detail)
    store().note(lead_id, Entry(utc_now(), "check_requested", partner, f"by {operator(event)}"), uuid4().hex)
    aws.sqs().send_message(
        QueueUrl=os.environ["CHECK_QUEUE_URL"],
        MessageBody=json.dumps({"lead_id": lead_id, "partner": partner, "at_once": True}),
    )
    logger.info("check requested", lead_id=lead_id, operator=operator(event))
    return answer(202, {"status": "queued"})


def unknown_lead() -> Problem:
    """There is no such lead, or it has no such delivery."""
    return Problem(404, "unknown-lead", "Unknown lead", "There is no such lead or delivery.")


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
    ("POST", "/leads/{lead_id}/deliveries/{partner}/check"): check_delivery,
    ("POST", "/messages"): write_message,
}

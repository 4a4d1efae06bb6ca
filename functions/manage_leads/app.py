"""The operator's routes: the list of leads, all that is known of one, messages to people. GET /health is open."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from leadbridge.api import resolve_problems
from leadbridge.api.params import (
    PARTNER,
    asked_in,
    attention_in,
    bad_query,
    erased_lead,
    known_in,
    lead_id_in,
    limit_in,
    masked_in,
    operator,
    phone_in,
    state_in,
    unknown_lead,
)
from leadbridge.api.problems import Problem, Response, answer, busy, not_ready, unexpected
from leadbridge.api.requests import (
    MessageRequest,
    ResolveRequest,
    RetryRequest,
)
from leadbridge.api.response_size import leads_that_fit
from leadbridge.api.routes import operations, retries
from leadbridge.api.schemas import delivery_shown, journey_shown, lead_shown
from leadbridge.auth.secrets import SecretMissing, Secrets
from leadbridge.domain.clock import utc_now
from leadbridge.domain.consent import Consent
from leadbridge.domain.delivery import Change, Delivery, State
from leadbridge.domain.lead import Lead, lacking_for
from leadbridge.domain.message import by_operator
from leadbridge.domain.operator_steps import Busy, WrongState, retry_by_operator
from leadbridge.runtime import aws
from leadbridge.runtime.aws_errors import is_transient
from leadbridge.runtime.budget import Budget
from leadbridge.runtime.logs import count, logger, metrics
from leadbridge.runtime.queues import send
from leadbridge.runtime.warmup import warm_up
from leadbridge.settings import settings
from leadbridge.storage.erasure.eraser import Eraser, UnknownLead
from leadbridge.storage.items import Entry, keyed_hash
from leadbridge.storage.leads import Journey, LeadRepository
from leadbridge.storage.messages import MessageRepository
from leadbridge.storage.queries.lead_list import BadCursor, Listing, Wanted
from leadbridge.storage.queries.lead_search import Finder
from leadbridge.storage.table import Conflict, Contended

if TYPE_CHECKING:
    from leadbridge.services.resolve_delivery import Register

RESERVE = 5.0  # seconds that a call to a partner leaves for writing the result


@lru_cache
def store() -> LeadRepository:
    """The table of leads."""
    return LeadRepository(aws.dynamodb(), os.environ["TABLE_NAME"])


@lru_cache
def listing() -> Listing:
    """The list of leads."""
    return Listing(aws.dynamodb(), os.environ["TABLE_NAME"])


@lru_cache
def finder() -> Finder:
    """Which lead an account belongs to."""
    return Finder(aws.dynamodb(), os.environ["TABLE_NAME"])


@lru_cache
def outbox() -> MessageRepository:
    """The messages to people."""
    return MessageRepository(aws.dynamodb(), os.environ["TABLE_NAME"])


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
        if route is resolve_delivery:  # calls a partner, and must answer before the gateway gives up
            return resolve_delivery(event, Budget.of(context, reserve=RESERVE))
        return route(event)
    except Problem as problem:
        return problem.response()
    except SecretMissing:
        logger.warning("a secret has no usable value", exc_info=True)
        return not_ready("A secret has no usable value. Please try again.").response()
    except Exception as error:  # the outermost edge
        logger.exception("could not answer")
        return busy().response() if is_transient(error) else unexpected()


def health(_: dict[str, Any]) -> Response:
    """GET /health."""
    return answer(200, {"status": "ok"})


def list_leads(event: dict[str, Any]) -> Response:
    """GET /leads?status=&source=&partner=&phone=&attention=&masked=&limit=&cursor="""
    names = ("status", "source", "partner", "phone", "attention", "masked", "limit", "cursor")
    query = known_in(event.get("queryStringParameters") or {}, *names)
    phone, masked = phone_in(query.get("phone")), masked_in(query.get("masked"))
    wanted = Wanted(
        status=state_in(query.get("status")),
        source=query.get("source") or None,
        partner=query.get("partner") or None,
        phone_hash=keyed_hash(secrets().get("index")["key"], phone) if phone else None,
        needs_attention=attention_in(query.get("attention")),
    )
    try:
        page = listing().page(wanted, limit_in(query.get("limit")), query.get("cursor") or None)
    except BadCursor:
        raise bad_query("The cursor does not belong to this list.") from None
    leads, cursor = leads_that_fit(page, lambda journey: lead_shown(journey, masked=masked))
    logger.info("listed", leads=len(leads), operator=operator(event), masked=masked)
    return answer(200, {"leads": leads, "cursor": cursor})


def show_lead(event: dict[str, Any]) -> Response:
    """GET /leads/{lead_id}?masked="""
    lead_id = lead_id_in(event)
    masked = masked_in(known_in(event.get("queryStringParameters") or {}, "masked").get("masked"))
    logger.info("shown", lead_id=lead_id, operator=operator(event), masked=masked)
    return answer(200, journey_shown(journey_of(lead_id), masked=masked))


def reveal_lead(event: dict[str, Any]) -> Response:
    """POST /leads/{lead_id}/reveal: the lead unmasked, and a line in its timeline that says to whom."""
    lead_id = lead_id_in(event)
    if journey_of(lead_id).lead.erased_at is not None:
        raise erased_lead()
    if not store().note(lead_id, Entry.by_operator(utc_now(), "revealed", operator(event)), uuid4().hex):
        raise erased_lead()
    logger.info("revealed", lead_id=lead_id, operator=operator(event))
    return answer(200, journey_shown(journey_of(lead_id)))


def journey_of(lead_id: str) -> Journey:
    """All that is known of a lead. Raises Problem."""
    journey = store().journey(lead_id)
    if journey is None:
        raise unknown_lead()
    return journey


def write_message(event: dict[str, Any]) -> Response:
    """POST /messages"""
    asked = asked_in(event, MessageRequest)
    now, entry = utc_now(), None
    lead_id = asked.lead_id or finder().by_account(asked.account_id or "")
    if lead_id is not None:
        lead = store().lead(lead_id)
        if lead is None:
            raise unknown_lead()
        if lead.erased_at is not None:
            raise erased_lead()
        entry = Entry.by_operator(now, "message_requested", operator(event), "leeloo")
    message = by_operator(
        lead_id or asked.account_id or "",
        now,
        uuid4().hex,
        account_id=asked.account_id,
        template_id=asked.template_id,
        text=asked.text,
        variables=asked.variables,
    )
    try:
        outbox().add(message, entry)
    except Conflict:
        raise erased_lead() from None
    logger.info("message requested", lead_id=message.owner, message_id=message.message_id, operator=operator(event))
    return answer(202, {"message_id": message.message_id, "status": message.state.value})


def check_delivery(event: dict[str, Any]) -> Response:
    """POST /leads/{lead_id}/deliveries/{partner}/check"""
    delivery = delivery_in(event)
    lead_id, partner = delivery.lead_id, delivery.partner
    if delivery.state is not State.SUBMITTED or delivery.is_erased:
        detail = f"The delivery is {delivery.state.value}; only one that is submitted, and not erased, can be checked."
        raise Problem(409, "wrong-state", "Wrong state", detail)
    entry = Entry.by_operator(utc_now(), "check_requested", operator(event), partner)
    if not store().note(lead_id, entry, uuid4().hex):
        raise erased_lead()
    send(os.environ["CHECK_QUEUE_URL"], {"lead_id": lead_id, "partner": partner, "at_once": True})
    logger.info("check requested", lead_id=lead_id, operator=operator(event))
    return answer(202, {"status": "queued"})


def retry_delivery(event: dict[str, Any]) -> Response:
    """POST /leads/{lead_id}/deliveries/{partner}/retry

    The adapter's name in the partner's place retries the fetch of a lead that has no deliveries yet.
    """
    asked = asked_in(event, RetryRequest)
    if retries.names_adapter(event):
        return retries.retry_fetch(event)

    def change(delivery: Delivery, lead: Lead) -> Change:
        lacking = lacking_for(lead, settings().partners.get(delivery.partner))
        return retry_by_operator(delivery, utc_now(), operator(event), is_confirmed=asked.confirm, lacking=lacking)

    return changed(event, change, 202)


def resolve_delivery(event: dict[str, Any], budget: Budget) -> Response:
    """POST /leads/{lead_id}/deliveries/{partner}/resolve"""
    asked, delivery = asked_in(event, ResolveRequest), delivery_in(event)
    lead = living_lead(delivery)
    after = resolve_problems.resolved(store(), register, delivery, lead, asked, operator(event), budget)
    return answer(200, delivery_shown(after))


@lru_cache
def register(partner: str) -> Register:
    """Return what asks a partner whether it knows an id. The client is imported late: other routes do not need it."""
    from leadbridge.services.resolve_delivery import AccountRegister, DealRegister

    if settings().partners[partner].sync is None:
        from leadbridge.partners.leadleader.wiring import lead_leader

        return DealRegister(lead_leader())
    from leadbridge.partners.matchtrade.wiring import match_trade

    return AccountRegister(match_trade())


def erase_lead(event: dict[str, Any]) -> Response:
    """DELETE /leads/{lead_id}"""
    lead_id = lead_id_in(event)
    try:
        Eraser(aws.dynamodb(), os.environ["TABLE_NAME"]).erase(lead_id, operator(event), utc_now())
    except UnknownLead:
        raise unknown_lead() from None
    except (Busy, Conflict, Contended):
        detail = "The lead is being worked on at this moment. Please try again in a minute."
        raise Problem(409, "busy", "Busy", detail) from None
    count("LeadsErased")
    logger.info("erased", lead_id=lead_id, operator=operator(event))
    return {"statusCode": 204, "headers": {"Cache-Control": "no-store"}, "body": ""}


def changed(event: dict[str, Any], change: Callable[[Delivery, Lead], Change], status: int) -> Response:
    """Change a delivery as an operator wants it, and show it as it is then. Raises Problem."""
    delivery = delivery_in(event)
    lead = living_lead(delivery)
    try:
        after = store().apply(change(delivery, lead))
    except (WrongState, Conflict, Contended) as refused:
        raise resolve_problems.not_changed(refused) from None
    logger.info("changed", lead_id=after.lead_id, partner=after.partner, state=after.state, operator=operator(event))
    return answer(status, delivery_shown(after))


def living_lead(delivery: Delivery) -> Lead:
    """The lead of a delivery, whose person was not erased. Raises Problem."""
    lead = store().lead(delivery.lead_id)
    if lead is None or lead.erased_at is not None:
        raise erased_lead()
    return lead


def delivery_in(event: dict[str, Any]) -> Delivery:
    """The delivery that the path names. Raises Problem."""
    lead_id, partner = lead_id_in(event), (event.get("pathParameters") or {}).get("partner") or ""
    delivery = store().delivery(lead_id, partner) if re.fullmatch(PARTNER, partner) else None
    if delivery is None:
        raise unknown_lead()
    return delivery


ROUTES: dict[tuple[str, str], Callable[..., Response]] = {
    ("GET", "/health"): health,
    ("GET", "/leads"): list_leads,
    ("GET", "/leads/{lead_id}"): show_lead,
    ("POST", "/leads/{lead_id}/reveal"): reveal_lead,
    ("POST", "/leads/{lead_id}/deliveries/{partner}/check"): check_delivery,
    ("POST", "/leads/{lead_id}/deliveries/{partner}/retry"): retry_delivery,
    ("POST", "/leads/{lead_id}/deliveries/{partner}/resolve"): resolve_delivery,
    ("POST", "/leads/{lead_id}/fetch/retry"): retries.retry_fetch,
    ("POST", "/leads/{lead_id}/messages/{message_id}/retry"): retries.retry_message,
    ("DELETE", "/leads/{lead_id}"): erase_lead,
    ("GET", "/stats"): operations.show_figures,
    ("GET", "/sync"): operations.show_sync,
    ("GET", "/dead-letters"): operations.list_letters,
    ("POST", "/dead-letters/{queue}/redrive"): operations.redrive_letters,
    ("POST", "/dead-letters/{queue}/discard"): operations.discard_letter,
    ("POST", "/messages"): write_message,
}


warm_up(settings, store, listing, secrets, Consent.model_rebuild, Lead.model_rebuild)

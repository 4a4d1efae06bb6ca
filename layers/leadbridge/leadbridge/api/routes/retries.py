"""The operator's routes that retry a fetch or a message without its dead letter."""

from __future__ import annotations

import os
import re
from typing import Any
from urllib.parse import unquote

from leadbridge.api.params import asked_in, erased_lead, lead_id_in, operator, unknown_lead
from leadbridge.api.problems import Problem, Response, answer
from leadbridge.api.requests import RetryRequest
from leadbridge.api.resolve_problems import not_changed
from leadbridge.api.schemas import fetch_shown
from leadbridge.domain.clock import utc_now
from leadbridge.domain.fetch import FetchState, refetch
from leadbridge.domain.lead import Lead
from leadbridge.domain.message import MessageState
from leadbridge.domain.message import retried as retried_message
from leadbridge.runtime import aws
from leadbridge.runtime.logs import logger
from leadbridge.settings import settings
from leadbridge.storage.fetches import FetchRepository
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.messages import MessageRepository
from leadbridge.storage.table import Conflict, Contended

MESSAGE_ID = r"[0-9A-Za-z:.#_-]{1,256}"


def retry_fetch(event: dict[str, Any]) -> Response:
    """POST /leads/{lead_id}/fetch/retry: fetch a lead that could not be fetched."""
    lead, asked = _lead(event), asked_in(event, RetryRequest)
    arrivals = FetchRepository(aws.dynamodb(), os.environ["TABLE_NAME"])
    fetch = arrivals.fetch(lead.lead_id)
    if fetch is None or fetch.state is not FetchState.FAILED:
        state = "not there" if fetch is None else fetch.state.value
        raise _wrong_state(f"The fetch is {state}; only one that is failed can be retried.")
    if fetch.restored_at is not None and not asked.confirm:
        raise _wrong_state("It was restored, and the lead may have been delivered since. Confirm to fetch it.")
    try:
        after = arrivals.apply(refetch(fetch, utc_now(), operator(event)))
    except (Conflict, Contended) as refused:
        raise not_changed(refused) from None
    logger.info("fetch retried", lead_id=lead.lead_id, operator=operator(event))
    return answer(202, fetch_shown(after))


def retry_message(event: dict[str, Any]) -> Response:
    """POST /leads/{lead_id}/messages/{message_id}/retry: send a message that failed.

    A message is skipped if a newer one about the same delivery was sent.
    """
    lead, message_id = _lead(event), _message_id(event)
    outbox = MessageRepository(aws.dynamodb(), os.environ["TABLE_NAME"])
    others = outbox.messages(lead.lead_id)
    message = next((one for one in others if one.message_id == message_id), None)
    if message is None:
        raise Problem(404, "unknown-message", "Unknown message", "The lead has no such message.")
    if message.state is not MessageState.FAILED:
        raise _wrong_state(f"The message is {message.state.value}; only one that is failed can be retried.")
    try:
        after = outbox.apply(retried_message(message, utc_now(), operator(event), others=others))
    except (Conflict, Contended) as refused:
        raise not_changed(refused) from None
    logger.info("message retried", lead_id=lead.lead_id, message_id=message_id, operator=operator(event))
    return answer(202, {"message_id": message_id, "status": after.state.value})


def names_adapter(event: dict[str, Any]) -> bool:
    """Return whether the path names an adapter that fetches leads, in the place of a partner."""
    partner = (event.get("pathParameters") or {}).get("partner")
    fetching = {source.adapter for source in settings().sources.values() if source.fetch is not None}
    return partner in fetching and partner not in settings().partners


def _lead(event: dict[str, Any]) -> Lead:
    """The lead that the path names, if its person was not erased. Raises Problem."""
    lead = LeadRepository(aws.dynamodb(), os.environ["TABLE_NAME"]).lead(lead_id_in(event))
    if lead is None:
        raise unknown_lead()
    if lead.erased_at is not None:
        raise erased_lead()
    return lead


def _message_id(event: dict[str, Any]) -> str:
    """Return the id of the message that the path names, decoded or percent-encoded. Raises Problem."""
    message_id = unquote(str((event.get("pathParameters") or {}).get("message_id") or ""))
    if not re.fullmatch(MESSAGE_ID, message_id):
        raise Problem(404, "unknown-message", "Unknown message", "The lead has no such message.")
    return message_id


def _wrong_state(detail: str) -> Problem:
    return Problem(409, "wrong-state", "Wrong state", detail)

"""The bodies of the dead letters that workers write. `services.dead_letters` parses them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from leadbridge.domain.delivery import Delivery
from leadbridge.domain.errors.error_codes import ErrorCode, ErrorInfo
from leadbridge.domain.errors.partner_answer import RECORD_ANSWER, PartnerAnswer
from leadbridge.domain.fetch import Fetch
from leadbridge.domain.message import Message

if TYPE_CHECKING:
    from leadbridge.domain.feedback.postback import Postback

NOT_RECORDED = ErrorInfo(ErrorCode.ANSWER_NOT_RECORDED, "the partner answered, and the answer could not be stored")


def failed_delivery(delivery: Delivery, error: ErrorInfo) -> dict[str, Any]:
    """Return the body for a delivery that needs an operator."""
    return {"lead_id": delivery.lead_id, "partner": delivery.partner, "step": "submit", **error.dead_letter}


def unrecorded_answer(delivery: Delivery, answer: PartnerAnswer) -> dict[str, Any]:
    """Return the body for a partner's answer that could not be stored. A redrive stores it."""
    about = {
        "lead_id": delivery.lead_id,
        "partner": delivery.partner,
        "step": RECORD_ANSWER,
        **NOT_RECORDED.dead_letter,
    }
    return {**about, "answer": answer.as_json(), "attempt": delivery.attempts}


def failed_message(message: Message, error: ErrorInfo) -> dict[str, Any]:
    """Return the body for a message that cannot be sent."""
    return {"lead_id": message.owner, "message_id": message.message_id, "step": "send", **error.dead_letter}


def unrecorded_send(message: Message, error: ErrorInfo) -> dict[str, Any]:
    """Return the body for a sent message whose state could not be stored. A redrive stores it."""
    about = {"lead_id": message.owner, "message_id": message.message_id, "step": RECORD_ANSWER, **error.dead_letter}
    return {**about, "answer": {"outcome": "sent"}, "attempt": message.attempts}


def failed_postback(postback: Postback, error: ErrorInfo) -> dict[str, Any]:
    """Return the body for a postback that the tracker did not accept."""
    return {"lead_id": postback.lead_id, "event_id": postback.event_id, "step": "feedback", **error.dead_letter}


def failed_fetch(fetch: Fetch, error: ErrorInfo) -> dict[str, Any]:
    """Return the body for a lead that cannot be fetched."""
    return {"lead_id": fetch.lead_id, "step": "fetch", **error.dead_letter}

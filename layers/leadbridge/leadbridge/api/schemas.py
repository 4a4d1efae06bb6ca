"""Leads as the operator's API shows them, whole or with the person masked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from leadbridge.api.response_size import bounded_journey
from leadbridge.domain.clock import to_text
from leadbridge.domain.delivery import Delivery
from leadbridge.domain.error_codes import HasError
from leadbridge.domain.fetch import Fetch
from leadbridge.domain.message import Message
from leadbridge.storage.leads import Journey

DOTS = "•••"  # always three: how much is hidden is hidden too
TRACES = frozenset({"ip", "user_agent", "page_url"})  # of a consent: by which a person could be followed


def lead_shown(journey: Journey, *, masked: bool = False) -> dict[str, Any]:
    """A lead and its deliveries, without the timeline; where it is, or was, to be fetched, how that stands."""
    lead = journey.lead.shown()
    if masked:
        lead["person"] = _masked(lead["person"])
        if "consent" in lead:
            lead["consent"] = {name: value for name, value in lead["consent"].items() if name not in TRACES}
    return {
        **lead,
        "masked": masked,
        "status": journey.status.value,
        **({"fetch": fetch_shown(journey.fetch)} if journey.fetch else {}),
        "deliveries": {partner: delivery_shown(delivery) for partner, delivery in journey.deliveries.items()},
    }


def journey_shown(journey: Journey, *, masked: bool = False) -> dict[str, Any]:
    """All that is known of a lead; the timeline's oldest entry first, and the messages' too."""
    return bounded_journey(
        lead_shown(journey, masked=masked),
        [entry.shown() for entry in journey.timeline],
        [message_shown(message, masked=masked) for message in journey.messages],
    )


def message_shown(message: Message, *, masked: bool = False) -> dict[str, Any]:
    """A message; what an operator wrote is left out of a masked one.

    `kind` is `told` (of a status, by itself), `operator`, or `mirror` (a note at Leeloo that nobody is sent).
    """
    return {
        "message_id": message.message_id,
        "kind": message.line,
        "state": message.state.value,
        "created_at": to_text(message.created_at),
        "sent_at": _time(message.sent_at),
        "subject": message.subject,
        **_last_error(message),
        "code": message.code.value if message.code else None,
        **({} if masked else {"text": message.text}),
    }


def delivery_shown(delivery: Delivery) -> dict[str, Any]:
    """A delivery; what is not known yet is null.

    `settled_at` is when an operator settled it; then it can be corrected. `attention` is the code of why it needs a
    person.
    """
    return {
        "state": delivery.state.value,
        "deal_id": delivery.deal_id,
        "account_uuid": delivery.account_uuid,
        "repeat_of": delivery.repeat_of,
        "partner_status": delivery.partner_status,
        "status_meaning": delivery.status_meaning,
        "attempts": delivery.attempts,
        **_last_error(delivery),
        "next_attempt_at": _time(delivery.next_attempt_at),
        "submitted_at": _time(delivery.submitted_at),
        "settled_at": _time(delivery.settled_at),
        "attention": delivery.attention,
    }


def fetch_shown(fetch: Fetch) -> dict[str, Any]:
    """How the fetch of a lead stands."""
    return {
        "state": fetch.state.value,
        "attempts": fetch.attempts,
        **_last_error(fetch),
        "next_attempt_at": _time(fetch.next_attempt_at),
    }


def _last_error(item: HasError) -> dict[str, Any]:
    return {
        "last_error": item.last_error,
        "last_error_code": item.last_error_code,
        "last_error_data": dict(item.last_error_data or {}),
    }


def _masked(person: dict[str, str]) -> dict[str, str]:
    """The person as those see them who need not call them: the name stays, or nobody could be told from another."""
    return {name: _MASKS[name](value) if name in _MASKS else value for name, value in person.items()}


def _masked_phone(phone: str) -> str:
    """The country's code and the operator's stay, and two digits to know it by: +38050•••01."""
    return f"{phone[:6]}{DOTS}{phone[-2:]}" if len(phone) > 10 else f"{phone[:2]}{DOTS}"


def _masked_number(number: str) -> str:
    """The last two digits stay; the first ones of a tax number are a date of birth."""
    return f"{DOTS}{number[-2:]}" if len(number) > 6 else DOTS


def _masked_email(email: str) -> str:
    """The first character stays, and the domain."""
    name, at, domain = email.rpartition("@")
    return f"{name[:1]}{DOTS}{at}{domain}" if at else DOTS


_MASKS: dict[str, Callable[[str], str]] = {
    "phone": _masked_phone,
    "tax_number": _masked_number,
    "email": _masked_email,
}


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else to_text(moment)

"""Leads as the operator's API shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from leadbridge.clock import to_text
from leadbridge.leads.delivery import Delivery
from leadbridge.leads.fetch import Fetch
from leadbridge.leads.store import Journey


def lead_shown(journey: Journey) -> dict[str, Any]:
    """A lead and its deliveries, without the timeline; where it is, or was, to be fetched, how that stands."""
    return {
        **journey.lead.shown(),
        "status": journey.status.value,
        **({"fetch": fetch_shown(journey.fetch)} if journey.fetch else {}),
        "deliveries": {partner: delivery_shown(delivery) for partner, delivery in journey.deliveries.items()},
    }


def journey_shown(journey: Journey) -> dict[str, Any]:
    """All that is known of a lead; the timeline's oldest entry first."""
    return {**lead_shown(journey), "timeline": [entry.shown() for entry in journey.timeline]}


def delivery_shown(delivery: Delivery) -> dict[str, Any]:
    """A delivery; what is not known yet is null."""
    return {
        "state": delivery.state.value,
        "deal_id": delivery.deal_id,
        "account_uuid": delivery.account_uuid,
        "repeat_of": delivery.repeat_of,
        "partner_status": delivery.partner_status,
        "status_meaning": delivery.status_meaning,
        "attempts": delivery.attempts,
        "last_error": delivery.last_error,
        "next_attempt_at": _time(delivery.next_attempt_at),
        "submitted_at": _time(delivery.submitted_at),
    }


def fetch_shown(fetch: Fetch) -> dict[str, Any]:
    """How the fetch of a lead stands."""
    return {
        "state": fetch.state.value,
        "attempts": fetch.attempts,
        "last_error": fetch.last_error,
        "next_attempt_at": _time(fetch.next_attempt_at),
    }


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else to_text(moment)

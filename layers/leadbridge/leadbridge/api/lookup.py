"""Find the lead or the delivery of a path. Raises the problem if there is none or its person was erased."""

from __future__ import annotations

from leadbridge.api.errors import erased_lead
from leadbridge.api.params import unknown_lead
from leadbridge.api.requests import ApiRequest
from leadbridge.domain.delivery import Delivery
from leadbridge.domain.lead import Lead
from leadbridge.storage.leads import Journey


def find_journey(request: ApiRequest) -> Journey:
    """Return the lead of the path with all its items. Raises Problem."""
    journey = request.resources.leads.journey(request.path["lead_id"])
    if journey is None:
        raise unknown_lead()
    return journey


def find_lead(request: ApiRequest, lead_id: str) -> Lead:
    """Return a lead whose person was not erased. Raises Problem."""
    lead = request.resources.leads.lead(lead_id)
    if lead is None:
        raise unknown_lead()
    if lead.erased_at is not None:
        raise erased_lead()
    return lead


def find_delivery(request: ApiRequest) -> Delivery:
    """Return the delivery of the path. Raises Problem."""
    delivery = request.resources.leads.delivery(request.path["lead_id"], request.path["partner"])
    if delivery is None:
        raise unknown_lead()
    return delivery

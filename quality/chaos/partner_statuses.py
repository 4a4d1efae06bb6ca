"""The statuses of deals and accounts at their partners, and which deliveries are followed there."""

from __future__ import annotations

from devstack.sandbox.matchtrade.statuses import SEEN
from devstack.sandbox.remote import Remote
from leadbridge.domain.delivery import Delivery, State
from quality.chaos.settling import LENDERS_OPEN


def is_followed(delivery: Delivery) -> bool:
    """Whether the partner is still asked about a delivery."""
    return delivery.state is State.SUBMITTED and not delivery.is_erased and delivery.created is not None


def statuses_of(delivery: Delivery) -> tuple[str, ...]:
    """The statuses that a deal or an account can have without closing the delivery."""
    return LENDERS_OPEN if delivery.deal_id is not None else SEEN


def status_at(partner: Remote, delivery: Delivery) -> str:
    """The status of a delivery's deal or account at the partner."""
    if delivery.deal_id is not None:
        return str(partner.deal(delivery.deal_id)["status"])
    return str(partner.account(delivery.account_uuid or "")["leadStatus"])


def put_status(partner: Remote, delivery: Delivery, status: str) -> None:
    """Put a delivery's deal or account in a status."""
    if delivery.deal_id is not None:
        partner.pin(delivery.deal_id, status)
    elif delivery.account_uuid is not None:
        partner.put_account(delivery.account_uuid, status)

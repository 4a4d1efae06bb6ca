"""The statuses of deliveries at their partners, and which deliveries are followed there."""

from __future__ import annotations

from devstack.sandbox.profile import profiles
from devstack.sandbox.remote import Remote
from leadbridge.domain.delivery import Delivery, State


def is_followed(delivery: Delivery) -> bool:
    """Whether the partner is still asked about a delivery."""
    return delivery.state is State.SUBMITTED and not delivery.is_erased and delivery.created is not None


def statuses_of(delivery: Delivery) -> tuple[str, ...]:
    """The statuses that the partner can give without closing the delivery."""
    return profiles()[delivery.partner].open_statuses


def status_at(partner: Remote, delivery: Delivery) -> str:
    """The status of a delivery at the partner."""
    return profiles()[delivery.partner].status(partner, delivery.created)


def put_status(partner: Remote, delivery: Delivery, status: str) -> None:
    """Give a delivery another status at the partner."""
    if delivery.created is not None:
        profiles()[delivery.partner].put_status(partner, delivery.created, status)


def is_last(delivery: Delivery, status: str) -> bool:
    """Whether no status follows this one."""
    return status in profiles()[delivery.partner].last_statuses

"""The statuses of deliveries at their partners, and statuses that change back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from devstack.partners import partner_profiles
from devstack.sandbox.remote import Remote
from leadbridge.domain.delivery import Delivery, State
from quality.chaos.reconciliation import Posted

RECENT = 8  # of the latest leads, one's status flips
READERS = ("sync", "operator", "sync", "none")  # what usually reads a status after each of its changes


def is_followed(delivery: Delivery) -> bool:
    """Whether the product still checks a delivery's status."""
    return delivery.state is State.SUBMITTED and not delivery.is_erased and delivery.created is not None


def status_at(partner: Remote, delivery: Delivery) -> str:
    return partner_profiles()[delivery.partner].status(partner, delivery.created)


def put_status(partner: Remote, delivery: Delivery, status: str) -> None:
    if delivery.created is not None:
        partner_profiles()[delivery.partner].put_status(partner, delivery.created, status)


def other_status(random: Random, delivery: Delivery, status: str) -> str:
    """A status that differs and does not close the delivery."""
    return random.choice([one for one in partner_profiles()[delivery.partner].open_statuses if one != status])


def flip_status(
    random: Random,
    partner: Remote,
    posted: Sequence[Posted],
    delivery_of: Callable[[str, str], Delivery | None],
    read: Callable[[Delivery, str], None],
) -> bool:
    """Change a followed status and change it back. Each value is read by a sync, an operator's check or nothing.

    Returns False if there is no such status.
    """
    found = []
    for one in posted[-RECENT:]:
        for name, profile in partner_profiles().items():
            delivery = delivery_of(one.lead_id, name)
            if delivery is None or not is_followed(delivery):
                continue
            if status_at(partner, delivery) not in profile.last_statuses:
                found.append(delivery)
    if not found:
        return False
    delivery = random.choice(found)
    first = status_at(partner, delivery)
    other = other_status(random, delivery, first)
    for status, reader in zip((first, other, first), READERS, strict=False):
        put_status(partner, delivery, status)
        read(delivery, reader if random.random() < 0.6 else random.choice(READERS))
    return True

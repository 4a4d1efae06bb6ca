"""Partners that can be asked whether they have a person: what their answer says of a delivery whose reply was lost."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import Enum, auto
from typing import TYPE_CHECKING, Protocol

from leadbridge.domain.delivery import Delivery

if TYPE_CHECKING:
    from leadbridge.runtime.budget import Budget

MAX_CLOCK_SKEW = timedelta(minutes=2)  # by which a partner's clock may be behind ours
MAX_REQUEST_TIME = timedelta(hours=1)  # after which no request of ours makes anything any more


class PartnerAccount(Protocol):
    """A person as the partner has them; what it does not tell is None."""

    @property
    def uuid(self) -> str | None:
        """What the partner calls it."""
        ...

    @property
    def created(self) -> datetime | None:
        """Since when there is one, at the earliest."""
        ...

    @property
    def created_latest(self) -> datetime | None:
        """Since when at the latest, where the partner's local time names two moments; else None."""
        ...

    @property
    def status(self) -> str | None:
        """The partner's own word for how far it got."""
        ...


class Accounts(Protocol):
    """A partner's accounts."""

    @property
    def seconds_per_page(self) -> float:
        """Seconds that a look-up can take."""
        ...

    def find(self, email: str, budget: Budget) -> PartnerAccount | None:
        """The account of this e-mail, None where there surely is none. Safe to repeat. Raises PartnerError."""
        ...


class Origin(Enum):
    """Whose making an account is."""

    OURS = auto()
    FOREIGN = auto()
    UNDETERMINED = auto()


def match_account(account: PartnerAccount, delivery: Delivery, owner: str | None) -> Origin:
    """Whether a delivery's attempts made an account: not if it is older, or another lead's (`owner` is a lead's id).

    Undetermined for an account that is much younger than the last attempt, and for one with an ambiguous time of
    creation whose two moments lead to two results.
    """
    if owner is not None:
        return Origin.OURS if owner == delivery.lead_id else Origin.FOREIGN
    if account.created is None:
        return Origin.UNDETERMINED
    if delivery.first_attempt_at is None:
        return Origin.FOREIGN
    results = {_origin_at(at, delivery, delivery.first_attempt_at) for at in (account.created, account.created_latest)}
    results.discard(None)
    return results.pop() or Origin.UNDETERMINED if len(results) == 1 else Origin.UNDETERMINED


def _origin_at(created: datetime | None, delivery: Delivery, first_attempt_at: datetime) -> Origin | None:
    if created is None:
        return None
    if created < first_attempt_at - MAX_CLOCK_SKEW:
        return Origin.FOREIGN
    if created > (delivery.last_attempt_at or first_attempt_at) + MAX_REQUEST_TIME:
        return Origin.UNDETERMINED
    return Origin.OURS

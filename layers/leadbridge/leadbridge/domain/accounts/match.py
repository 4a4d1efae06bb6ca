"""Match a partner's account to a delivery whose reply was lost."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import Enum, auto
from typing import TYPE_CHECKING, Protocol

from leadbridge.domain.delivery import Delivery

if TYPE_CHECKING:
    from leadbridge.runtime.budget import Budget

MAX_CLOCK_SKEW = timedelta(minutes=2)  # between a partner's clock and ours
MAX_REQUEST_TIME = timedelta(hours=1)  # from the start of a request until it cannot create an account any more


class PartnerAccount(Protocol):
    """An account at the partner. Missing values are None."""

    @property
    def uuid(self) -> str | None:
        """The partner's id."""
        ...

    @property
    def created(self) -> datetime | None:
        """The earliest possible time of creation."""
        ...

    @property
    def created_latest(self) -> datetime | None:
        """The latest possible time of creation if the partner's local time is ambiguous; else None."""
        ...

    @property
    def status(self) -> str | None:
        """The status in the partner's spelling."""
        ...


class Accounts(Protocol):
    """Looks up a partner's accounts."""

    @property
    def seconds_per_page(self) -> float:
        """The longest time of a look-up, in seconds."""
        ...

    def find(self, email: str, budget: Budget) -> PartnerAccount | None:
        """Return the account with this e-mail, None if there is none. Safe to repeat. Raises PartnerError."""
        ...


class Origin(Enum):
    """Who created an account."""

    OURS = auto()
    FOREIGN = auto()
    UNDETERMINED = auto()


def match_account(account: PartnerAccount, delivery: Delivery, owner: str | None) -> Origin:
    """Return whether an attempt of a delivery created an account. `owner` is the lead that it is linked to.

    An account that is older than the first attempt, or linked to another lead, is foreign. The result is undetermined
    if the account is much younger than the last attempt, or if its time of creation is ambiguous and the two possible
    times have different results.
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

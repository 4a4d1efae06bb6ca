"""What a submission needs of the table and of a partner."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from leadbridge.domain.delivery import Change, Delivery, State
from leadbridge.domain.lead import Lead
from leadbridge.domain.repeats import Repeat
from leadbridge.runtime.budget import Budget


class Ledger(Protocol):
    """The part of the store that a submission needs."""

    def delivery(self, lead_id: str, partner: str) -> Delivery | None:
        """The delivery as it is now."""
        ...

    def lead(self, lead_id: str) -> Lead | None:
        """The lead."""
        ...

    def apply(self, change: Change, *, retry_for: float = ...) -> Delivery:
        """Write a change. Raises Conflict if another writer was faster, Contended after `retry_for` seconds."""
        ...

    def defer(self, delivery: Delivery, due_at: datetime) -> None:
        """Move the time at which a delivery is due, and nothing else."""
        ...

    def owner_of(self, partner: str, created: int | str) -> str | None:
        """The lead that a deal or an account at the partner was made of, if one of ours was."""
        ...

    def has_unnamed_twin(self, delivery: Delivery) -> bool:
        """Whether the partner took another lead of the same e-mail, and did not tell as which account."""
        ...


class EarlierLead(Protocol):
    """The lead with which a person came to a partner before."""

    @property
    def lead_id(self) -> str:
        """Its id."""
        ...

    @property
    def state(self) -> State:
        """The state of its delivery to the partner."""
        ...

    @property
    def is_unsettled(self) -> bool:
        """Whether its delivery may still end without the partner having it."""
        ...


class Repeats(Protocol):
    """Finds earlier leads of the same person, and what the source's configuration does with a repeat."""

    def first(self, delivery: Delivery) -> EarlierLead | None:
        """Return the lead with which the person came to this partner before, None if none. Safe to repeat."""
        ...

    def then(self, source: str) -> Repeat:
        """What a source wants done."""
        ...


class Authorized(Protocol):
    """A partner's permission to create one lead."""

    def create(self, lead: Lead, budget: Budget) -> int | str | None:
        """Create the lead at the partner and return its deal's id or its account's uuid there, None if it is not told.

        Raises PartnerError.
        """
        ...


class Partner(Protocol):
    """A partner that leads are submitted to."""

    @property
    def seconds_per_submission(self) -> float:
        """Seconds that authorizing and creating can take together."""
        ...

    @property
    def seconds_per_create(self) -> float:
        """Seconds that creating alone can take."""
        ...

    def authorize(self, budget: Budget) -> Authorized:
        """Get permission for one create. Nothing is created, so it is always safe to repeat. Raises PartnerError."""
        ...

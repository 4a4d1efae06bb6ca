"""What submissions, status checks and resolutions need of the table and of a partner."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from leadbridge.runtime.budget import Budget

if TYPE_CHECKING:
    from leadbridge.domain.delivery import Change, Delivery, State
    from leadbridge.domain.errors.error_codes import ErrorInfo
    from leadbridge.domain.lead import Lead
    from leadbridge.domain.repeats import Repeat
    from leadbridge.services.resolve_delivery import ConfirmedId
    from leadbridge.storage.leads import Journey


class Deliveries(Protocol):
    """Reads and writes deliveries."""

    def delivery(self, lead_id: str, partner: str) -> Delivery | None:
        """The delivery as it is now."""
        ...

    def apply(self, change: Change, *, retry_for: float = ...) -> Delivery:
        """Write a change. Raises Conflict if another writer was faster, Contended after `retry_for` seconds.

        Raises AlreadyLinked if another lead has the partner's id.
        """
        ...


class DueDeliveries(Deliveries, Protocol):
    """Deliveries that become due."""

    def defer(self, delivery: Delivery, due_at: datetime, /) -> None:
        """Move the time at which a delivery is due, and nothing else."""
        ...


class SubmissionLedger(DueDeliveries, Protocol):
    """The part of the store that a submission needs."""

    def lead(self, lead_id: str) -> Lead | None:
        """The lead."""
        ...

    def owner_of(self, partner: str, created: int | str) -> str | None:
        """The lead that a deal or an account at the partner was made of, if one of ours was."""
        ...

    def has_unnamed_twin(self, delivery: Delivery) -> bool:
        """Whether the partner took another lead of the same e-mail, and did not return the account's id."""
        ...


class StatusLedger(DueDeliveries, Protocol):
    """The part of the store that a status check needs."""

    def defer_check(
        self, delivery: Delivery, due_at: datetime, *, error: ErrorInfo | None = None, is_refused: bool = False
    ) -> None:
        """Put off the next check of a delivery."""
        ...


class ResolutionLedger(Protocol):
    """The part of the store that a resolution needs."""

    def owner_of(self, partner: str, created: int | str) -> str | None:
        """The lead that has a deal or an account at the partner."""
        ...

    def journey(self, lead_id: str) -> Journey | None:
        """Return the lead with its deliveries, timeline and messages."""
        ...

    def apply(self, change: Change) -> Delivery:
        """Write a change; raises Conflict, AlreadyLinked, Contended."""
        ...


class PreviousLead(Protocol):
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


class RepeatRules(Protocol):
    """Finds earlier leads of the same person, and what the source's configuration does with a repeat."""

    def first(self, delivery: Delivery) -> PreviousLead | None:
        """Return the lead with which the person came to this partner before, None if none. Safe to repeat."""
        ...

    def then(self, source: str) -> Repeat:
        """What a source wants done."""
        ...


class Authorization(Protocol):
    """A partner's permission to create one lead."""

    def create(self, lead: Lead, budget: Budget) -> int | str | None:
        """Create the lead at the partner and return its deal's id or its account's uuid there, None if it is not told.

        Raises PartnerError.
        """
        ...


class SubmissionPartner(Protocol):
    """A partner that leads are submitted to."""

    @property
    def seconds_per_submission(self) -> float:
        """Seconds that authorizing and creating can take together."""
        ...

    @property
    def seconds_per_create(self) -> float:
        """Seconds that creating alone can take."""
        ...

    def authorize(self, budget: Budget) -> Authorization:
        """Get permission for one create. Nothing is created, so it is always safe to repeat. Raises PartnerError."""
        ...


class StatusPartner(Protocol):
    """A partner that knows what became of a delivery."""

    @property
    def seconds_per_check(self) -> float:
        """Seconds that asking for a status can take."""
        ...

    @property
    def settles_lost_replies(self) -> bool:
        """Whether it can be asked what it has, after a reply was lost."""
        ...

    def status(self, delivery: Delivery, budget: Budget) -> str:
        """The status in the partner's words. Safe to repeat. Raises PartnerError."""
        ...


class DealStatuses(Protocol):
    """A partner that is asked by the number of a deal."""

    @property
    def seconds_per_check(self) -> float:
        """Seconds that asking for a status can take."""
        ...

    def status(self, deal_id: int, budget: Budget) -> str:
        """The deal's status in the partner's words. Safe to repeat. Raises PartnerError."""
        ...


class IdVerifier(Protocol):
    """A partner that can be asked whether it knows an id."""

    def confirm(self, lead: Lead, created: int | str, budget: Budget, /) -> ConfirmedId:
        """Ask the partner. Safe to repeat. Raises IdNotFound, PartnerError."""
        ...

"""The ports of submissions, status checks and resolutions: repositories and partners."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from leadbridge.runtime.budget import Budget

if TYPE_CHECKING:
    from leadbridge.domain.admission import Circuit, PartnerState
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

        Raises AlreadyLinked if another lead has the partner's id, CapReached if a cap of the partner is used up.
        """
        ...


class DueDeliveries(Deliveries, Protocol):
    """Reads, writes and defers deliveries."""

    def defer(self, delivery: Delivery, due_at: datetime, /) -> None:
        """Move the time at which a delivery is due, and nothing else."""
        ...


class SubmissionLedger(DueDeliveries, Protocol):
    """The lead repository as a submission needs it."""

    def submission(
        self, lead_id: str, partner: str, windows: Sequence[str] = (), /
    ) -> tuple[Delivery | None, Lead | None, PartnerState]:
        """The delivery, its lead and its partner's state with the counts of `windows`, as they were at one moment."""
        ...

    def owner_of(self, partner: str, created: int | str) -> str | None:
        """Return the lead that a deal or an account at the partner is linked to; None if it is not linked."""
        ...

    def has_unnamed_twin(self, delivery: Delivery) -> bool:
        """Return whether the partner accepted another lead with the same e-mail without returning the account's id."""
        ...


class StatusLedger(DueDeliveries, Protocol):
    """The lead repository as a status check needs it."""

    def deliveries(self, lead_ids: Iterable[str], partner: str, *, consistent: bool = ...) -> dict[str, Delivery]:
        """Return the deliveries of some leads to a partner, by lead."""
        ...

    def defer_check(
        self, delivery: Delivery, due_at: datetime | None, *, error: ErrorInfo | None = None, is_refused: bool = False
    ) -> None:
        """Note whether a check failed, and when to retry it; without `due_at`, by the schedule."""
        ...


class ResolutionLedger(Protocol):
    """The lead repository as a resolution needs it."""

    def owner_of(self, partner: str, created: int | str) -> str | None:
        """Return the lead that a deal or an account at the partner is linked to."""
        ...

    def journey(self, lead_id: str) -> Journey | None:
        """Return the lead with its deliveries, timeline and messages."""
        ...

    def apply(self, change: Change) -> Delivery:
        """Write a change; raises Conflict, AlreadyLinked, Contended."""
        ...


class CircuitStates(Protocol):
    """The circuits of partners, as they are stored."""

    def count_failure(self, partner: str, lead_id: str, code: str) -> int:
        """Count a failed attempt while the circuit is closed; return the number of consecutive failures."""
        ...

    def reset_failures(self, partner: str) -> None:
        """Note a success while the circuit is closed."""
        ...

    def open_circuit(self, partner: str, now: datetime, open_for: timedelta, code: str) -> bool:
        """Open a closed circuit; return whether this call opened it."""
        ...

    def start_probe(self, partner: str, circuit: Circuit, now: datetime, until: datetime) -> str | None:
        """Start the only probe of a half-open circuit; return its id, None if it is not possible."""
        ...

    def end_probe(self, partner: str, probe: str) -> None:
        """End a probe that showed nothing."""
        ...

    def reopen_circuit(self, partner: str, probe: str, now: datetime, open_for: timedelta, code: str) -> bool:
        """Open the circuit again after a failed probe; return whether the probe was still the running one."""
        ...

    def close_circuit(self, partner: str, probe: str, now: datetime) -> bool:
        """Close the circuit after a successful probe; return whether the probe was still the running one."""
        ...


class PreviousLead(Protocol):
    """A person's earlier lead at a partner."""

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
        """Whether its delivery may still end without being accepted."""
        ...


class RepeatRules(Protocol):
    """Finds earlier leads of the same person, and what the source's configuration does with a repeat."""

    def first(self, delivery: Delivery) -> PreviousLead | None:
        """Return the person's earlier lead at this partner, None if there is none. Safe to repeat."""
        ...

    def then(self, source: str) -> Repeat:
        """Return the source's rule for a repeat."""
        ...


class Authorization(Protocol):
    """A partner's permission to create one lead."""

    def create(self, lead: Lead, budget: Budget) -> int | str | None:
        """Create the lead at the partner; return the deal's id or the account's uuid, None if there is none.

        Raises PartnerError.
        """
        ...


class SubmissionPartner(Protocol):
    """A partner that leads are submitted to."""

    @property
    def seconds_per_submission(self) -> float:
        """The longest time of authorizing and creating together, in seconds."""
        ...

    @property
    def seconds_per_create(self) -> float:
        """The longest time of creating, in seconds."""
        ...

    def authorize(self, budget: Budget) -> Authorization:
        """Get permission for one create. Nothing is created, so it is always safe to repeat. Raises PartnerError."""
        ...


class StatusPartner(Protocol):
    """A partner that returns the status of a delivery."""

    @property
    def seconds_per_check(self) -> float:
        """The longest time of a status check, in seconds."""
        ...

    @property
    def settles_lost_replies(self) -> bool:
        """Whether a look-up can settle a delivery after a lost reply."""
        ...

    @property
    def is_concurrent(self) -> bool:
        """Whether several statuses can be read at the same time."""
        ...

    def status(self, delivery: Delivery, budget: Budget) -> str:
        """Return the status in the partner's spelling. Safe to repeat. Raises PartnerError."""
        ...


class DealStatuses(Protocol):
    """A partner that returns the status of a deal by its number."""

    @property
    def seconds_per_check(self) -> float:
        """The longest time of a status check, in seconds."""
        ...

    def status(self, deal_id: int, budget: Budget) -> str:
        """Return the deal's status in the partner's spelling. Safe to repeat. Raises PartnerError."""
        ...


class IdVerifier(Protocol):
    """Verifies an id at a partner."""

    def confirm(self, lead: Lead, created: int | str, budget: Budget, /) -> ConfirmedId:
        """Verify the id. Safe to repeat. Raises IdNotFound, PartnerError."""
        ...

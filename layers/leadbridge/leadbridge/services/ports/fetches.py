"""What the fetching of leads needs of the table and of a form's builder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from leadbridge.runtime.budget import Budget

if TYPE_CHECKING:
    from leadbridge.domain.delivery import Delivery
    from leadbridge.domain.fetch import Fetch, FetchChange
    from leadbridge.domain.lead import Lead


class FetchLedger(Protocol):
    """The part of the table that fetching needs."""

    def fetch(self, lead_id: str) -> Fetch | None:
        """The fetch as it is now."""
        ...

    def apply(self, change: FetchChange, *, retry_for: float = ...) -> Fetch:
        """Write a change; raises Conflict if somebody was quicker."""
        ...

    def defer(self, fetch: Fetch, due_at: datetime, /) -> None:
        """Move the time at which a fetch is due, and nothing else."""
        ...

    def complete(
        self,
        change: FetchChange,
        lead: Lead,
        deliveries: Sequence[Delivery],
        *,
        phone_hash: str | None,
        email_hash: str | None,
        tax_hash: str | None,
    ) -> None:
        """Write what was fetched, all or nothing; raises Conflict if somebody was quicker."""
        ...


class LeadOrigin(Protocol):
    """Where a form's builder keeps leads."""

    @property
    def seconds_per_fetch(self) -> float:
        """Seconds that one fetch can take."""
        ...

    def lead(self, keys: Mapping[str, str], budget: Budget) -> dict[str, Any]:
        """The lead as the builder has it. Reading it is always safe to repeat. Raises PartnerError."""
        ...

"""The ports of fetching leads: the repository and the form builder."""

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
    """The fetch repository."""

    def fetch(self, lead_id: str) -> Fetch | None:
        """The fetch as it is now."""
        ...

    def apply(self, change: FetchChange, *, retry_for: float = ...) -> Fetch:
        """Write a change; raises Conflict if another writer was faster."""
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
        name_hash: str | None = None,
    ) -> None:
        """Write what was fetched, all or nothing; raises Conflict if another writer was faster."""
        ...


class LeadOrigin(Protocol):
    """A form builder that stores leads."""

    @property
    def seconds_per_fetch(self) -> float:
        """The longest time of a fetch, in seconds."""
        ...

    def lead(self, keys: Mapping[str, str], budget: Budget) -> dict[str, Any]:
        """Read a lead. Safe to repeat. Raises PartnerError."""
        ...

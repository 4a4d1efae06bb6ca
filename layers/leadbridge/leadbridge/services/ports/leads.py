"""What the receiving of leads needs of the table."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from leadbridge.domain.fetch import Fetch
    from leadbridge.domain.lead import Lead
    from leadbridge.storage.content_claims import ContentClaim
    from leadbridge.storage.leads import Journey
    from leadbridge.storage.quota import Quota


class LeadStore(Protocol):
    """The part of the store that a reception needs."""

    def accept(
        self,
        lead: Lead,
        *,
        phone_hash: str | None,
        email_hash: str | None = None,
        tax_hash: str | None = None,
        window: timedelta = timedelta(),
        fetch: Fetch | None = None,
        quota: Quota | None = None,
        retry_for: float = ...,
    ) -> str | None:
        """Store a new lead; None, or the id of the lead that is already here."""
        ...

    def claim_content(self, claim: ContentClaim) -> ContentClaim:
        """Store a claim without a lead; return it, or the claim of the same content that is already here."""
        ...

    def note_change(self, posted: Lead, fields: tuple[str, ...]) -> bool:
        """Note once that a lead was redelivered with other content; return whether it was noted."""
        ...

    def journey(self, lead_id: str) -> Journey | None:
        """Return the lead with its deliveries, timeline and messages."""
        ...

    def known(self, lead_ids: Iterable[str]) -> set[str]:
        """Which of these leads are here, as far as that can be told quickly."""
        ...

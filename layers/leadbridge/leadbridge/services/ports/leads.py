"""The port of receiving leads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from leadbridge.domain.acceptance.correction import Correction
    from leadbridge.domain.fetch import Fetch
    from leadbridge.domain.fields.hashes import Hashes
    from leadbridge.domain.lead import Lead
    from leadbridge.storage.content_claims import ContentClaim
    from leadbridge.storage.leads import Journey
    from leadbridge.storage.quota import Quota
    from leadbridge.storage.statistics.posts import RefusedLead


class LeadStore(Protocol):
    """The lead repository as receiving needs it."""

    def accept(
        self,
        lead: Lead,
        *,
        phone_hash: str | None,
        email_hash: str | None = None,
        tax_hash: str | None = None,
        name_hash: str | None = None,
        window: timedelta = timedelta(),
        fetch: Fetch | None = None,
        quota: Quota | None = None,
        retry_for: float = ...,
    ) -> str | None:
        """Store a new lead; return None, or the id of the lead that is stored already."""
        ...

    def claim_content(self, claim: ContentClaim) -> ContentClaim:
        """Store a claim without a lead; return it, or the stored claim of the same content."""
        ...

    def note_change(
        self, posted: Lead, fields: tuple[str, ...], newer_answers: Mapping[str, str] | None = None
    ) -> bool:
        """Note once that a lead was redelivered with other content; return whether it was noted."""
        ...

    def journey(self, lead_id: str) -> Journey | None:
        """Return the lead with its deliveries, timeline and messages."""
        ...

    def known(self, lead_ids: Iterable[str]) -> set[str]:
        """Return which of these leads are stored. A lead that is stored at this moment may be missing."""
        ...


class PostLog(Protocol):
    """Counts the posts of the sources that bring no new lead."""

    def count(self, source: str, kind: str, now: datetime, refused: RefusedLead | None = None) -> None:
        """Count a post, if its source is configured. Never raises."""
        ...


class JourneyReader(Protocol):
    """Reads leads with all that is stored beside them."""

    def journey(self, lead_id: str) -> Journey | None:
        """Return the lead with its deliveries, timeline and messages."""
        ...


class CorrectionLedger(Protocol):
    """Writes corrections."""

    def correct(self, correction: Correction, hashes: Hashes, former: Hashes) -> None:
        """Write a correction, all or nothing. Raises Conflict if another writer was faster."""
        ...

"""The ports of postbacks: their repository and the tracker."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from leadbridge.runtime.budget import Budget

if TYPE_CHECKING:
    from leadbridge.domain.feedback.postback import Postback, PostbackChange
    from leadbridge.domain.lead import Lead


class PostbackLedger(Protocol):
    """The repository of postbacks."""

    def postbacks(self, lead_id: str) -> list[Postback]:
        """All postbacks of one lead, oldest first."""
        ...

    def apply(self, change: PostbackChange, *, retry_for: float = ...) -> Postback:
        """Write a change, retrying transient errors for so many seconds. Raises Conflict."""
        ...

    def defer(self, postback: Postback, due_at: datetime, /) -> None:
        """Move the time at which a postback is due, and nothing else."""
        ...


class Tracker(Protocol):
    """Sends postbacks to trackers."""

    @property
    def seconds_per_postback(self) -> float:
        """The longest time of one attempt, in seconds."""
        ...

    def load(self) -> None:
        """Read the addresses, so that no attempt has to wait for them."""
        ...

    def send(self, postback: Postback, lead: Lead, kind: str, budget: Budget) -> None:
        """Make one attempt; safe to repeat. Raises ClickIdMissing, PartnerError; Rejected if it must not be retried."""
        ...

"""The configured rules of a submission: repeats of a person, and the next partner of a lead."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from leadbridge.domain.delivery import Delivery
from leadbridge.domain.lead import Lead
from leadbridge.domain.repeats import Repeat
from leadbridge.domain.routing.fallback import NextOn, next_partner
from leadbridge.settings import Settings

if TYPE_CHECKING:
    from leadbridge.services.ports.deliveries import PreviousLead


class ClaimHistory(Protocol):
    """Finds earlier leads of a person by the claims in the table."""

    def first(self, delivery: Delivery, within: timedelta, kept_for: timedelta) -> PreviousLead | None:
        """Return the earliest lead of the same person at the same partner, None if there is none."""
        ...


@dataclass(frozen=True)
class RepeatPolicy:
    """Earlier leads of the same person, and each source's rule for them."""

    claims: ClaimHistory
    settings: Settings

    def first(self, delivery: Delivery) -> PreviousLead | None:
        """Return the person's earlier lead at this partner; None if there is none or none counts."""
        source = self.settings.sources.get(delivery.source)
        if source is None or not source.dedup_days:
            return None
        longest = max(one.dedup_days for one in self.settings.sources.values())
        return self.claims.first(delivery, timedelta(days=source.dedup_days), timedelta(days=longest))

    def then(self, source: str) -> Repeat:
        """Return the source's rule for a repeat."""
        return Repeat(self.settings.sources[source].on_repeat)


def fallback_finder(settings: Settings) -> Callable[[Lead, str, NextOn], str | None]:
    """Return a function that finds the partner that gets a lead after an outcome at another one."""
    return lambda lead, partner, outcome: next_partner(lead, partner, outcome, settings.partners)

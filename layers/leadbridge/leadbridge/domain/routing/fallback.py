"""The next partner of a lead: which outcomes of a delivery open a delivery to another partner."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING

from leadbridge.domain.delivery import Change, Delivery, State, new_delivery
from leadbridge.domain.lead import Lead, find_field_errors

if TYPE_CHECKING:
    from leadbridge.settings import Partner


class NextOn(StrEnum):
    """An outcome after which the next partner of an order may get the lead.

    The partner certainly does not have the lead from us. A delivery whose reply is lost never opens another one.
    """

    REJECTED = "rejected"
    DUPLICATE = "duplicate"
    MISSING_FIELDS = "missing_fields"
    CAPPED = "capped"
    CLOSED = "closed"

    @property
    def meaning(self) -> str:
        """The reason for the timeline, about the previous partner."""
        return _MEANINGS[self]


_MEANINGS = {
    NextOn.REJECTED: "has rejected it",
    NextOn.DUPLICATE: "has the person already",
    NextOn.MISSING_FIELDS: "cannot accept it",
    NextOn.CAPPED: "takes no more leads at this time",
    NextOn.CLOSED: "is closed at this time",
}
NOT_DELIVERED = frozenset({State.REJECTED, State.DUPLICATE, State.SKIPPED})  # final states without a result
DEFAULT_NEXT_ON = (NextOn.REJECTED.value, NextOn.MISSING_FIELDS.value)


def next_partner(lead: Lead, partner: str, outcome: NextOn, partners: Mapping[str, Partner]) -> str | None:
    """Return the partner that gets a lead after this outcome at `partner`; None if no other partner gets it.

    It is the next partner in the order that accepts the lead, if the lead's rule lists the outcome. Partners that lack
    a required field are skipped if the rule lists `missing_fields`.
    """
    allowed = lead.next_on.get(partner, DEFAULT_NEXT_ON)
    if outcome not in allowed:
        return None
    found = lead.fallbacks.get(partner)
    for _ in lead.fallbacks:
        if found is None:
            return None
        configured = partners.get(found)
        if configured is not None:
            if not find_field_errors(lead, configured):
                return found
            if NextOn.MISSING_FIELDS not in allowed:
                return None
        found = lead.fallbacks.get(found)
    return None


def open_next(change: Change, following: str | None, outcome: NextOn) -> Change:
    """Return the change of a delivery that ended with `outcome`, with a new delivery to the partner `following`."""
    if following is None:
        return change
    delivery = change.after
    opened = new_delivery(delivery.lead_id, following, delivery.source, change.at)
    return replace(change, data={**change.data, "next_partner": following}, opened=opened, opened_on=outcome.value)


def passed_on_to(delivery: Delivery) -> str | None:
    """Return the partner that got the lead because this delivery's partner does not have it; None if none did."""
    if delivery.state not in NOT_DELIVERED:
        return None
    following = (one.entry.data.get("next_partner") for one in reversed(delivery.history))
    return next(filter(None, following), None)

"""The order of a lead's partners, and the partners that operators gave a lead to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quality.chaos.reconciliation import LeadRecord

ADDED = 201


@dataclass
class AddedPartner:
    """An operator's call that gives a lead to a further partner, and its status, 0 without an answer.

    `fallbacks` and `next_on` are the lead's order before the call, which removes them.
    """

    lead_id: str
    partner: str
    is_confirmed: bool = False
    fallbacks: Mapping[str, str] = field(default_factory=dict)
    next_on: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    status: int = 0

    @property
    def may_have_worked(self) -> bool:
        """Whether it took effect, or its answer does not tell."""
        return self.status == ADDED or not 400 <= self.status < 500


@dataclass(frozen=True)
class LeadOrder:
    """The partners of a lead by its rules, until `ended_at`, when an operator chose the first partner; None for never.

    `first` is the first partner of each order. `added` are the partners that operators chose, `confirmed` those of them
    that they chose although another partner might have the lead.
    """

    fallbacks: Mapping[str, str]
    next_on: Mapping[str, tuple[str, ...]]
    first: frozenset[str]
    ended_at: datetime | None = None
    added: frozenset[str] = frozenset()
    confirmed: frozenset[str] = frozenset()

    def is_valid_at(self, moment: datetime) -> bool:
        """Whether the rules decided on the next partner at a moment."""
        return self.ended_at is None or moment < self.ended_at

    @classmethod
    def of(cls, record: LeadRecord, calls: Iterable[AddedPartner]) -> LeadOrder:
        """The order of a lead. `calls` are the operators' calls for all leads."""
        lead = record.lead
        chosen = [entry for entry in record.timeline.values() if entry.what == "partner_added"]
        added = frozenset(entry.partner for entry in chosen if entry.partner is not None)
        own = [one for one in calls if one.lead_id == lead.lead_id] if added else []
        before = next((one for one in own if one.fallbacks), None)
        fallbacks, next_on = (
            (lead.fallbacks, lead.next_on) if before is None or lead.fallbacks else (before.fallbacks, before.next_on)
        )
        return cls(
            fallbacks,
            next_on,
            frozenset({*lead.partners} - added | fallbacks.keys()) - set(fallbacks.values()),
            min((entry.at for entry in chosen), default=None),
            added,
            added & {one.partner for one in own if one.is_confirmed and one.may_have_worked},
        )

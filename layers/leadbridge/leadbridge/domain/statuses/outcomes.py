"""The outcomes of a delivery: what a partner's status means to us, whichever partner it is.

The configuration maps each status to an outcome. `settings/partners.py`, which cannot import domain, lists the same
values. A stored outcome is a text, because it may be from another version.
"""

from __future__ import annotations

from enum import StrEnum


class DeliveryOutcome(StrEnum):
    """The result of a lead at a partner, in the order of the funnel; refusals are last."""

    NEW = "new"
    IN_PROGRESS = "in_progress"
    APPROVED = "approved"
    ISSUED = "issued"
    ACTIVE = "active"
    DECLINED = "declined"
    CANCELLED = "cancelled"


PENDING = frozenset({DeliveryOutcome.NEW, DeliveryOutcome.IN_PROGRESS, DeliveryOutcome.APPROVED})
SUCCESSES = frozenset({DeliveryOutcome.ISSUED, DeliveryOutcome.ACTIVE})  # a lender's, a broker's
REFUSALS = frozenset({DeliveryOutcome.DECLINED, DeliveryOutcome.CANCELLED})
APPROVALS = SUCCESSES | {DeliveryOutcome.APPROVED}  # a success may follow without an approval that we saw

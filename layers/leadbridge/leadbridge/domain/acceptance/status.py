"""The status of a lead: the state of its most urgent delivery, or `incomplete`."""

from __future__ import annotations

from enum import StrEnum


class LeadStatus(StrEnum):
    """The status of a lead: `incomplete`, or a state of its deliveries (`delivery.State`)."""

    INCOMPLETE = "incomplete"
    RECEIVED = "received"
    SUBMITTING = "submitting"
    SUBMITTED = "submitted"
    CLOSED = "closed"
    REJECTED = "rejected"
    DUPLICATE = "duplicate"
    SKIPPED = "skipped"
    UNKNOWN = "unknown"
    FAILED = "failed"

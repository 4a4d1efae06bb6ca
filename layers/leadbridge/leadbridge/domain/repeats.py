"""The steps of a delivery of a person who has an earlier lead."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from leadbridge.domain.delivery import NOT_WAITING, Change, Delivery, end
from leadbridge.domain.errors.error_codes import ErrorCode, ErrorInfo
from leadbridge.domain.transitions import advance


class Repeat(StrEnum):
    """A source's rule for a person with an earlier lead."""

    MARK = "mark"
    SEND = "send"
    HOLD = "hold"


def wait_for_earlier_lead(
    delivery: Delivery, now: datetime, first: str, wait: timedelta, *, due_after: timedelta
) -> Change:
    """Wait until the delivery of the same person's earlier lead `first` ends.

    The next attempt is allowed after `wait`, and due after `due_after`.
    """
    changes = {**NOT_WAITING, "waits_for": first, "next_attempt_at": now + wait, "due_at": now + due_after}
    after = advance(delivery, "wait_for", **changes)
    return Change(delivery, after, now, "repeat_waiting", first, {"lead_id": first})


def apply_repeat(delivery: Delivery, now: datetime, first: str, then: Repeat) -> Change:
    """Apply the source's rule to a person whose earlier lead is `first`."""
    links: dict[str, Any] = {"repeat_of": first, "waits_for": None}
    match then:
        case Repeat.SEND:
            after = advance(delivery, "send_repeat", next_attempt_at=now, **NOT_WAITING, **links)
            return Change(delivery, after, now, "repeat", first, {"lead_id": first})
        case Repeat.MARK:
            error = ErrorInfo(ErrorCode.SAME_PERSON, f"the same person has the lead {first}", {"lead_id": first})
            return end(delivery, "mark_repeat", now, error, **links)
        case Repeat.HOLD:
            return end(delivery, "hold_repeat", now, describe_hold(first), **links)


def describe_hold(first: str) -> ErrorInfo:
    """Return the reason why a delivery is held for an operator: the same person has the lead `first`."""
    text = f"held for an operator: the same person has the lead {first}"
    return ErrorInfo(ErrorCode.SAME_PERSON, text, {"lead_id": first})

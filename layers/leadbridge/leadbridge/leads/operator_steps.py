"""What an operator may do to a delivery. Like all steps: pure, and written if nobody was quicker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from leadbridge.leads import delivery as steps
from leadbridge.leads.delivery import Change, Delivery, State
from leadbridge.leads.transitions import OVERDUE

RETRIED = frozenset({State.FAILED, State.REJECTED, State.DUPLICATE})
NOT_THERE = "the partner does not have it, an operator says"
ERASED = "the person was erased before it was sent"


class Busy(Exception):
    """The delivery is with its partner at this moment."""


class WrongState(Exception):
    """The delivery is not in a state for this. The message says so to an operator."""


def retried(
    delivery: Delivery, now: datetime, operator: str, *, is_confirmed: bool, lacking: Sequence[str] = ()
) -> Change:
    """Begin anew. An unknown one only if the operator confirms that it may arrive twice. Raises WrongState.

    `lacking` are the fields of the lead for which the partner would not take it.
    """
    if delivery.is_erased:
        raise WrongState("The person was erased.")
    if lacking:
        raise WrongState(f"The partner would not take the lead, for {', '.join(lacking)}.")
    if delivery.state is State.UNKNOWN and not is_confirmed:
        raise WrongState("The partner may have it already. Confirm that it shall be sent again all the same.")
    if delivery.restored_at is not None and not is_confirmed:
        raise WrongState("It was restored, and may have been sent since the restored moment. Confirm to send it.")
    if delivery.state not in RETRIED | {State.UNKNOWN}:
        raise WrongState(
            f"The delivery is {delivery.state}; only one that is failed, rejected, duplicate or unknown can be retried."
        )
    after = replace(
        delivery,
        state=State.RECEIVED,
        version=delivery.version + 1,
        retried_at=now,
        restored_at=None,
        attempts_before_retry=delivery.attempts,
        next_attempt_at=None,
        waits_for=None,
        lease_until=None,
        last_error=None,
        due_at=now + OVERDUE,
    )
    return Change(delivery, after, now, "retry_requested", f"by {operator}")


def found(
    delivery: Delivery, now: datetime, operator: str, created: int | str, check_after: timedelta | None
) -> Change:
    """The operator has learned that the partner has it, and as what. Raises WrongState."""
    _must_be_unknown(delivery)
    change = steps.accepted(delivery, now, created, check_after)
    return replace(change, what="resolved", detail=f"{change.detail}, by {operator}")


def not_found(delivery: Delivery, now: datetime, operator: str) -> Change:
    """The operator has learned that the partner does not have it: now it can be retried safely. Raises WrongState."""
    _must_be_unknown(delivery)
    after = replace(
        delivery,
        state=State.FAILED,
        version=delivery.version + 1,
        last_error=NOT_THERE,
        lease_until=None,
        due_at=None,
    )
    return Change(delivery, after, now, "resolved", f"not created, by {operator}")


def erased(delivery: Delivery, now: datetime) -> Change:
    """The person is forgotten: what would lead to them is, and nothing is sent any more. Raises Busy."""
    if delivery.state is State.SUBMITTING:
        raise Busy
    waits = delivery.state is State.RECEIVED
    after = Delivery(
        lead_id=delivery.lead_id,
        partner=delivery.partner,
        source=delivery.source,
        received_at=delivery.received_at,
        state=State.FAILED if waits else delivery.state,
        version=delivery.version + 1,
        attempts=delivery.attempts,
        submitted_at=delivery.submitted_at,
        partner_status=delivery.partner_status,
        status_meaning=delivery.status_meaning,
        last_error=ERASED if waits else None,
        is_erased=True,
    )
    return Change(delivery, after, now, "erased")


def _must_be_unknown(delivery: Delivery) -> None:
    if delivery.state is not State.UNKNOWN:
        raise WrongState(f"The delivery is {delivery.state}; only one that is unknown can be resolved.")

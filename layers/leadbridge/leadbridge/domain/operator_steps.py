"""What an operator may do to a delivery. Like all steps: pure, and written if nobody was quicker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from leadbridge.domain import delivery as steps
from leadbridge.domain.delivery import Change, Delivery, State, id_data
from leadbridge.domain.error_codes import ErrorCode, ErrorInfo, last_error
from leadbridge.domain.message import MessageChange
from leadbridge.domain.transitions import OVERDUE

RETRIED = frozenset({State.FAILED, State.REJECTED, State.DUPLICATE})
NOT_THERE = ErrorInfo(ErrorCode.NOT_CREATED, "the partner does not have it, an operator says")
ERASED = ErrorInfo(ErrorCode.ERASED, "the person was erased before it was sent")
WITHDRAWN = ErrorInfo(ErrorCode.SETTLEMENT_WITHDRAWN, "an operator withdrew what was settled about it")
SETTLED = frozenset({State.SUBMITTED, State.CLOSED, State.FAILED})  # the states that a settlement can lead to


class Busy(Exception):
    """The delivery is with its partner at this moment."""


class WrongState(Exception):
    """The delivery is not in a state for this. The message says so to an operator."""


@dataclass(frozen=True)
class Aftermath:
    """The effects of a settlement: `text` and `data` for the timeline, and the messages that must not be sent."""

    text: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    skipped: tuple[MessageChange, ...] = ()


NOTHING = Aftermath()
NOT_CREATED = {"outcome": "not_created"}  # the data of a settlement without an id


def retry_by_operator(
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
        **last_error(None),
        due_at=now + OVERDUE,
        settled_at=None,
    )
    return Change(delivery, after, now, "retry_requested", f"by {operator}", {"operator": operator})


def found(
    delivery: Delivery,
    now: datetime,
    operator: str,
    created: int | str,
    check_after: timedelta | None,
    *,
    aftermath: Aftermath = NOTHING,
) -> Change:
    """An operator says that the partner has it, and as what; this settles or corrects the delivery. Raises WrongState.

    `aftermath` are the effects of an earlier settlement.
    """
    if delivery.settled_at is not None and delivery.created == created:
        raise WrongState("The delivery is settled as this already.")
    change = steps.confirm(_unsettled(delivery), now, created, check_after)
    return _settled(delivery, change.after, now, change.detail or "", change.data, operator, aftermath)


def not_found(delivery: Delivery, now: datetime, operator: str, *, aftermath: Aftermath = NOTHING) -> Change:
    """An operator says that the partner does not have it: then it can be retried safely. Raises WrongState."""
    if delivery.settled_at is not None and delivery.state is State.FAILED:
        raise WrongState("The delivery is settled as this already.")
    base = _unsettled(delivery)
    after = replace(
        base, state=State.FAILED, version=base.version + 1, **last_error(NOT_THERE), lease_until=None, due_at=None
    )
    return _settled(delivery, after, now, "not created", NOT_CREATED, operator, aftermath)


def withdrawn(
    delivery: Delivery, now: datetime, operator: str, *, can_be_looked_up: bool, aftermath: Aftermath = NOTHING
) -> Change:
    """An operator withdraws a settlement: the delivery is unknown again. Raises WrongState.

    `can_be_looked_up`: the partner can be asked what it has, and will be asked before the delivery is sent again.
    """
    if delivery.settled_at is None:
        raise WrongState(f"The delivery is {delivery.state}; only one that an operator settled can be unknown again.")
    base = _unsettled(delivery)
    after = replace(
        base,
        version=base.version + 1,
        void_version=base.version + 1,
        **last_error(WITHDRAWN),
        is_uncertain=can_be_looked_up,
    )
    detail = f"{_named(delivery)}{aftermath.text}, by {operator}"
    data = {**_settlement(delivery), **aftermath.data, "operator": operator}
    return Change(delivery, after, now, "resolution_withdrawn", detail, data, skipped=aftermath.skipped)


def contested(delivery: Delivery, now: datetime, other_lead: str) -> Change:
    """The partner returned the id of an operator's settlement for another lead. Raises WrongState."""
    if delivery.settled_at is None or delivery.created is None:
        raise WrongState(f"The delivery is {delivery.state}; only one that an operator settled can be contested.")
    after = replace(delivery, version=delivery.version + 1, contested_by=other_lead)
    data = {**id_data(delivery.created), "lead_id": other_lead}
    return Change(delivery, after, now, "contested", f"{_named(delivery)} was given to {other_lead}", data)


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
        **last_error(ERASED if waits else None),
        is_erased=True,
    )
    return Change(delivery, after, now, "erased")


def _unsettled(delivery: Delivery) -> Delivery:
    """The delivery as it was before it was settled. Raises WrongState."""
    if delivery.is_erased:
        raise WrongState("The person was erased.")
    if delivery.state is State.UNKNOWN:
        return delivery
    if delivery.settled_at is None or delivery.state not in SETTLED:
        raise WrongState(f"The delivery is {delivery.state}; only one that is unknown can be resolved.")
    return replace(
        delivery,
        state=State.UNKNOWN,
        deal_id=None,
        account_uuid=None,
        partner_status=None,
        status_meaning=None,
        status_at=None,
        submitted_at=None,
        **last_error(None),
        checks_failed=0,
        checks_refused=0,
        contested_by=None,
        due_at=None,
        settled_at=None,
    )


def _settled(
    before: Delivery,
    after: Delivery,
    now: datetime,
    detail: str,
    data: Mapping[str, Any],
    operator: str,
    aftermath: Aftermath,
) -> Change:
    """Return the change to a settled delivery. The effects of an earlier settlement become void."""
    after = replace(after, settled_at=now)
    if before.settled_at is not None:
        after = replace(after, void_version=after.version)
        detail = f"{detail} instead of {_named(before)}{aftermath.text}"
        data = {**data, "previous": _settlement(before), **aftermath.data}
    data = {**data, "operator": operator}
    return Change(before, after, now, "resolved", f"{detail}, by {operator}", data, skipped=aftermath.skipped)


def _settlement(delivery: Delivery) -> Mapping[str, Any]:
    return id_data(delivery.created) or NOT_CREATED


def _named(delivery: Delivery) -> str:
    """Return what a settlement says, for the timeline."""
    if delivery.deal_id is not None:
        return f"deal {delivery.deal_id}"
    return "not created" if delivery.account_uuid is None else f"account {delivery.account_uuid}"

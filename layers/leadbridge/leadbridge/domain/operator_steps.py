"""The steps of a delivery that an operator starts. They are pure functions from a delivery to a Change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any

from leadbridge.domain.delivery import Change, Delivery, State, confirmation, end, id_data, name_of
from leadbridge.domain.errors.error_codes import ErrorCode, ErrorInfo, last_error
from leadbridge.domain.message import MessageChange
from leadbridge.domain.transitions import DELIVERY, OVERDUE, advance

NOT_AT_PARTNER = ErrorInfo(ErrorCode.NOT_CREATED, "an operator states that the partner does not have it")
ERASED = ErrorInfo(ErrorCode.ERASED, "the person was erased before it was sent")
WITHDRAWN = ErrorInfo(ErrorCode.SETTLEMENT_WITHDRAWN, "an operator withdrew the settlement")
NOT_CREATED = {"outcome": "not_created"}  # the data of a settlement without an id
# The values that a settlement sets, before the settlement.
RESOLUTION_RESET: dict[str, Any] = {
    "deal_id": None,
    "account_uuid": None,
    "partner_status": None,
    "outcome": None,
    "approved_at": None,
    "issued_at": None,
    "status_at": None,
    "submitted_at": None,
    **last_error(None),
    "checks_failed": 0,
    "checks_refused": 0,
    "contested_by": None,
    "due_at": None,
    "followed_since": None,
    "settled_at": None,
}
# The values that remain after an erasure. None of them identifies the person.
KEPT_AFTER_ERASURE = frozenset(
    {
        *("lead_id", "partner", "source", "received_at", "state", "version", "attempts"),
        *("submitted_at", "partner_status", "outcome", "approved_at", "issued_at"),
    }
)


class SubmissionInProgress(Exception):
    """A worker is submitting the delivery."""


class WrongState(Exception):
    """The step is not possible in the delivery's state. The message is for the operator."""


class ConfirmationRequired(WrongState):
    """The step is possible if the operator confirms that a partner may get the lead twice, or a second one gets it."""


@dataclass(frozen=True)
class ResolutionEffects:
    """The effects of a settlement: `text` and `data` for the timeline, and the messages that must not be sent."""

    text: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    skipped: tuple[MessageChange, ...] = ()


NO_EFFECTS = ResolutionEffects()
MOVED = ErrorInfo(ErrorCode.MOVED, "an operator gave the lead to another partner")


def retry_by_operator(
    delivery: Delivery, now: datetime, operator: str, *, is_confirmed: bool, lacking: Sequence[str] = ()
) -> Change:
    """Retry a delivery, with a new retry window. Raises WrongState, ConfirmationRequired.

    `is_confirmed`: the operator accepts that the partner may get it twice, or that a second partner gets it: another
    one has got what was skipped. `lacking` are the fields that the partner
    requires and the lead does not have.
    """
    if delivery.is_erased:
        raise WrongState("The person was erased.")
    if lacking:
        raise WrongState(f"The partner does not accept the lead because of {', '.join(lacking)}.")
    if delivery.state is State.UNKNOWN and not is_confirmed:
        raise ConfirmationRequired("The partner may have it already. Confirm to send it again.")
    if delivery.state is State.SKIPPED and not is_confirmed:
        raise ConfirmationRequired("Another partner got the lead instead. Confirm to send it to this one too.")
    if delivery.restored_at is not None and not is_confirmed:
        raise ConfirmationRequired("It was restored from a backup and may have been sent since. Confirm to send it.")
    if delivery.state not in DELIVERY["retry_by_operator"]:
        raise WrongState(
            f"The delivery is {delivery.state}; "
            "only one that is failed, rejected, duplicate, skipped or unknown can be retried."
        )
    after = advance(
        delivery,
        "retry_by_operator",
        retried_at=now,
        restored_at=None,
        attempts_before_retry=delivery.attempts,
        next_attempt_at=None,
        waits_for=None,
        lease_until=None,
        **last_error(None),
        due_at=now + OVERDUE,
        settled_at=None,
        counted_in=(),  # the earlier attempt stays counted, and the next one is counted as well
    )
    return Change(delivery, after, now, "retry_requested", f"by {operator}", {"operator": operator})


def has_certainly_failed(delivery: Delivery) -> bool:
    """Return whether a delivery has failed, and no late answer or backup can show that its partner has the lead."""
    may_exist = delivery.is_uncertain or delivery.settled_at is not None or delivery.restored_at is not None
    return delivery.state is State.FAILED and not may_exist


def move_failed(delivery: Delivery, now: datetime, data: Mapping[str, str]) -> Change:
    """End a failed delivery whose lead an operator gives to another partner; `data` has both."""
    return end(delivery, "moved_by_operator", now, MOVED, data)


def resolve_found(
    delivery: Delivery,
    now: datetime,
    operator: str,
    created: int | str,
    *,
    is_followed: bool,
    aftermath: ResolutionEffects = NO_EFFECTS,
) -> Change:
    """Settle or correct a delivery with the partner's id that an operator found. Raises WrongState.

    `aftermath` contains the effects of an earlier settlement.
    """
    if delivery.settled_at is not None and delivery.created == created:
        raise WrongState("The delivery is settled in this way already.")
    _require_resolvable(delivery)
    values = confirmation(now, created, is_followed=is_followed)
    return _settle(delivery, "found", now, name_of(created) or "", id_data(created), operator, aftermath, values)


def resolve_not_found(
    delivery: Delivery, now: datetime, operator: str, *, aftermath: ResolutionEffects = NO_EFFECTS
) -> Change:
    """Settle a delivery that the partner does not have. It can be retried. Raises WrongState."""
    if delivery.settled_at is not None and delivery.state is State.FAILED:
        raise WrongState("The delivery is settled in this way already.")
    _require_resolvable(delivery)
    values = {**last_error(NOT_AT_PARTNER), "lease_until": None}
    return _settle(delivery, "not_found", now, "not created", NOT_CREATED, operator, aftermath, values)


def withdraw_resolution(
    delivery: Delivery,
    now: datetime,
    operator: str,
    *,
    can_be_looked_up: bool,
    aftermath: ResolutionEffects = NO_EFFECTS,
) -> Change:
    """Withdraw an operator's settlement: the delivery is unknown again. Raises WrongState.

    `can_be_looked_up`: the account is looked up at the partner before the delivery is sent again.
    """
    if delivery.settled_at is None:
        raise WrongState(f"The delivery is {delivery.state}; only one that an operator settled can be unknown again.")
    _require_resolvable(delivery)
    values = {**last_error(WITHDRAWN), "is_uncertain": can_be_looked_up, "void_version": delivery.version + 1}
    after = advance(delivery, "withdrawn", **(RESOLUTION_RESET | values))
    detail = f"{_named(delivery)}{aftermath.text}, by {operator}"
    data = {**_settlement(delivery), **aftermath.data, "operator": operator}
    return Change(delivery, after, now, "resolution_withdrawn", detail, data, skipped=aftermath.skipped)


def contest_resolution(delivery: Delivery, now: datetime, other_lead: str) -> Change:
    """Contest an operator's settlement: the partner returned its id for another lead. Raises WrongState."""
    if delivery.settled_at is None or delivery.created is None:
        raise WrongState(f"The delivery is {delivery.state}; only one that an operator settled can be contested.")
    after = advance(delivery, "contested", contested_by=other_lead)
    data = {**id_data(delivery.created), "lead_id": other_lead}
    detail = f"the partner returned {_named(delivery)} for {other_lead} too"
    return Change(delivery, after, now, "contested", detail, data)


def erase_delivery(delivery: Delivery, now: datetime) -> Change:
    """Remove what identifies the person, and stop a waiting delivery. Raises SubmissionInProgress."""
    if delivery.state is State.SUBMITTING:
        raise SubmissionInProgress
    waits = delivery.state is State.RECEIVED
    forgotten = {one.name: one.default for one in fields(Delivery) if one.name not in KEPT_AFTER_ERASURE}
    history = tuple(replace(one, entry=one.entry.bare) for one in delivery.history)
    kept = {"is_erased": True, "history": history}
    after = advance(delivery, "erased", **forgotten | last_error(ERASED if waits else None) | kept)
    return Change(delivery, after, now, "erased")


def _require_resolvable(delivery: Delivery) -> None:
    """Raise WrongState for a delivery that is neither unknown nor settled by an operator."""
    if delivery.is_erased:
        raise WrongState("The person was erased.")
    if delivery.state is State.UNKNOWN:
        return
    if delivery.settled_at is None or delivery.state not in DELIVERY["found"]:
        raise WrongState(f"The delivery is {delivery.state}; only one that is unknown can be resolved.")


def _settle(
    delivery: Delivery,
    event: str,
    now: datetime,
    detail: str,
    data: Mapping[str, Any],
    operator: str,
    aftermath: ResolutionEffects,
    values: dict[str, Any],
) -> Change:
    """Settle a delivery. The effects of an earlier settlement become void."""
    settled: dict[str, Any] = {"settled_at": now}
    if delivery.settled_at is not None:
        settled["void_version"] = delivery.version + 1
        detail = f"{detail} instead of {_named(delivery)}{aftermath.text}"
        data = {**data, "previous": _settlement(delivery), **aftermath.data}
    after = advance(delivery, event, **RESOLUTION_RESET | values | settled)
    data = {**data, "operator": operator}
    return Change(delivery, after, now, "resolved", f"{detail}, by {operator}", data, skipped=aftermath.skipped)


def _settlement(delivery: Delivery) -> Mapping[str, Any]:
    return id_data(delivery.created) or NOT_CREATED


def _named(delivery: Delivery) -> str:
    """Return the id of a settlement as a timeline shows it."""
    return name_of(delivery.created) or "not created"

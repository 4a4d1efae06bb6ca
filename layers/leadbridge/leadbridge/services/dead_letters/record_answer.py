"""Store a partner's answer that could not be stored when it arrived.

The worker that received the answer has put it into a dead letter. The answer is for one attempt. Each function returns
the change to write, or raises DeadLetterKept or DeadLetterObsolete.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from leadbridge.domain import delivery as steps
from leadbridge.domain import message as message_steps
from leadbridge.domain.clock import Clock
from leadbridge.domain.delivery import Change, Delivery, State
from leadbridge.domain.errors.error_codes import ErrorCode, ErrorInfo, last_error, parse_error_code
from leadbridge.domain.message import Message, MessageChange, MessageState
from leadbridge.domain.operator_steps import WrongState, contest_resolution
from leadbridge.domain.routing.fallback import NextOn, open_next
from leadbridge.domain.transitions import OVERDUE, Conflict
from leadbridge.runtime.aws_errors import Contended

if TYPE_CHECKING:
    from leadbridge.services.ports.deliveries import Deliveries

IN_DOUBT = frozenset({State.SUBMITTING, State.UNKNOWN})
ACCEPTED = frozenset({State.SUBMITTED, State.CLOSED})
MAX_CONTEST_ATTEMPTS = 5


class DeadLetterKept(Exception):
    """A dead letter cannot be redriven and stays in its queue. The message tells the operator why."""

    def __init__(self, code: ErrorCode, text: str, data: Mapping[str, Any] | None = None) -> None:
        super().__init__(text)
        self.info = ErrorInfo(code, text, data or {})


class ObsoleteReason(StrEnum):
    """Why a dead letter is obsolete."""

    RECORDED = "recorded"
    STATE_CHANGED = "state_changed"
    REPLACED = "replaced"
    SUPERSEDED = "superseded"
    ERASED = "erased"
    LEAD_NOT_FOUND = "lead_not_found"


class DeadLetterObsolete(Exception):
    """A dead letter is obsolete: the item that it names is in another state, or does not exist."""

    def __init__(self, reason: ObsoleteReason) -> None:
        super().__init__(reason.value)
        self.reason = reason


def record_delivery_answer(
    delivery: Delivery,
    answer: Mapping[str, Any],
    attempt: int,
    now: datetime,
    operator: str | None = None,
    *,
    is_followed: bool,
    find_fallback: Callable[[NextOn], str | None] = lambda _: None,
) -> Change:
    """Record a partner's answer to a create. Raises DeadLetterKept, DeadLetterObsolete.

    `operator` redrives the dead letter; None for the worker that received the answer.
    `find_fallback` returns the partner that gets the lead after this outcome.
    """
    outcome = answer.get("outcome")
    created: int | str | None = answer.get("deal_id") or answer.get("account_uuid")
    if is_recorded(delivery, outcome, created):
        raise DeadLetterObsolete(ObsoleteReason.RECORDED)
    is_uncertain = delivery.state is State.RECEIVED and delivery.is_uncertain
    if delivery.state not in IN_DOUBT and not is_uncertain:
        raise _state_conflict(delivery.state, answer)
    if delivery.attempts != attempt:
        raise _attempt_mismatch(attempt, delivery.attempts)
    error = _error_in(answer)
    match outcome:
        case None | "created":
            change = steps.confirm(delivery, now, created, is_followed=is_followed)
        case "rejected":
            change = _end(delivery, "record_rejected", now, error, attempt)
            change = open_next(change, find_fallback(NextOn.REJECTED), NextOn.REJECTED)
        case "duplicate":
            if delivery.is_uncertain and attempt > 1:
                text = "an earlier attempt may have created what the partner has"
                raise DeadLetterKept(ErrorCode.MAY_BE_OURS, text)
            change = _end(delivery, "record_duplicate", now, error, attempt)
            change = open_next(change, find_fallback(NextOn.DUPLICATE), NextOn.DUPLICATE)
        case _:
            change = _not_processed(delivery, now, error, attempt, renewed=operator is not None)
    if operator is None:
        return change
    detail, data = f"{change.detail}, recorded by {operator}", {**change.data, "operator": operator}
    return replace(change, detail=detail, data=data)


def record_message_answer(message: Message, attempt: int, now: datetime, operator: str) -> MessageChange:
    """Record that a message was sent. Raises DeadLetterKept, DeadLetterObsolete."""
    if message.state is MessageState.SENT:
        raise DeadLetterObsolete(ObsoleteReason.RECORDED)
    if message.state not in {MessageState.SENDING, MessageState.UNKNOWN}:
        raise _state_conflict(message.state, {"outcome": "sent"})
    if message.attempts != attempt:
        raise _attempt_mismatch(attempt, message.attempts)
    change = message_steps.mark_sent(message, now)
    data = {**change.data, "operator": operator}
    return replace(change, detail=f"{change.detail}, recorded by {operator}", data=data)


def contest_link_holder(deliveries: Deliveries, holder: str, delivery: Delivery, clock: Clock) -> None:
    """Put the delivery of the lead `holder` in doubt: the partner gave its id to `delivery`.

    Only an id that an operator entered can be in doubt. A conflict is retried a few times. A failed write does not stop
    the caller.
    """
    for _ in range(MAX_CONTEST_ATTEMPTS):
        held = deliveries.delivery(holder, delivery.partner)
        if held is None or held.settled_at is None or held.contested_by == delivery.lead_id:
            return
        try:
            deliveries.apply(contest_resolution(held, clock(), delivery.lead_id))
        except Conflict:
            continue
        except (WrongState, Contended):
            return


def _error_in(answer: Mapping[str, Any]) -> ErrorInfo:
    """Return the error of a partner's answer."""
    code = parse_error_code(answer.get("error_code")) or ErrorCode.REJECTED
    return ErrorInfo(code, str(answer.get("error") or "the partner rejected it"), answer.get("error_data") or {})


def _state_conflict(state: State | MessageState, answer: Mapping[str, Any]) -> DeadLetterKept:
    fields = {name: value for name, value in answer.items() if not name.startswith("error")}
    what = ", ".join(f"{name} {value}" for name, value in fields.items())
    text = f"it is {state.value}, and the answer was {what}"
    return DeadLetterKept(ErrorCode.STATE_CONFLICT, text, {"state": state.value, **fields})


def _attempt_mismatch(answered: int, last: int) -> DeadLetterKept:
    text = f"the answer is for attempt {answered}, and the last one was {last}"
    return DeadLetterKept(ErrorCode.ATTEMPT_MISMATCH, text, {"attempt": answered, "last_attempt": last})


def is_recorded(delivery: Delivery, outcome: object, created: int | str | None) -> bool:
    """Return whether a delivery has this answer already."""
    match outcome:
        case None | "created":
            return delivery.state in ACCEPTED and created in {None, delivery.deal_id, delivery.account_uuid}
        case "rejected":
            return delivery.state is State.REJECTED
        case "duplicate":
            return delivery.state is State.DUPLICATE
        case _:
            is_waiting = delivery.state is State.RECEIVED and not delivery.is_uncertain
            return is_waiting or delivery.state is State.FAILED


def _may_exist(delivery: Delivery, attempt: int) -> bool:
    """Return whether an earlier attempt may have created it."""
    return delivery.is_uncertain and attempt > 1


def _end(delivery: Delivery, event: str, now: datetime, error: ErrorInfo, attempt: int) -> Change:
    is_uncertain = _may_exist(delivery, attempt)
    return steps.end(delivery, event, now, error, {"attempt": attempt}, is_uncertain=is_uncertain)


def _not_processed(delivery: Delivery, now: datetime, error: ErrorInfo, attempt: int, *, renewed: bool) -> Change:
    """Return the change that retries an attempt that was not processed, within a new retry window if `renewed`."""
    window = {"retried_at": now, "attempts_before_retry": delivery.attempts} if renewed else {}
    change = steps.step(
        delivery,
        "record_not_processed",
        now,
        "attempt_failed",
        error.text,
        {"attempt": attempt, **error.entry_data},
        is_uncertain=_may_exist(delivery, attempt),
        lease_until=None,
        next_attempt_at=None,
        **last_error(error),
        due_at=now + OVERDUE,
        **window,
    )
    return steps.release_caps(change)

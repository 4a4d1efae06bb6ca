"""The delivery of a lead to one partner, and its steps from one state to another.

Every step is a pure function from a delivery to a Change. The store writes a change if no other writer was faster. The
states that a step may start from are in `transitions.DELIVERY`.

A partner that can be looked into settles its lost replies itself: the delivery is `received` again, but uncertain, and
the partner is asked what it has before the delivery is sent again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from leadbridge.domain.errors.error_codes import ErrorInfo, last_error
from leadbridge.domain.transitions import DELIVERY, OVERDUE, URGENCY, ImpossibleTransition, Table, advance

if TYPE_CHECKING:
    from leadbridge.domain.message import Message, MessageChange

MAX_REFUSED_CHECKS = 3  # status checks that a partner refuses in a row before the delivery needs a person


class State(StrEnum):
    """The state of a delivery."""

    RECEIVED = "received"
    SUBMITTING = "submitting"
    SUBMITTED = "submitted"
    CLOSED = "closed"
    REJECTED = "rejected"
    DUPLICATE = "duplicate"
    UNKNOWN = "unknown"
    FAILED = "failed"


@dataclass(frozen=True)
class Delivery:
    """One lead on its way to one partner.

    `version` grows by one with each change and guards every write. `due_at` is when the delivery wants to be looked
    at, None when it can rest for ever. `is_uncertain` says that a reply was lost, so that the partner may have it
    already. What the partner calls it is a `deal_id` or an `account_uuid`. `repeat_of` is the lead with which the same
    person came before; `waits_for` is such a lead whose own delivery has not ended yet. `retried_at` is when an
    operator retried it, after `attempts_before_retry` attempts. `is_erased` says that its person was erased.
    `status_at` is when the partner was asked for `partner_status`. `last_error` is always a text of ours,
    `last_error_code` an ErrorCode.

    `settled_at` is when an operator settled the delivery; it is None if the partner itself confirmed it. `void_version`
    is the version that withdrew a wrong settlement: statuses up to this version are not this lead's. `checks_refused`
    counts the status checks that the partner refused in a row. `contested_by` is a lead for which the partner returned
    the same id. `restored_at` is when it was put back from a restored table: it may have been sent since the moment of
    the copy.
    """

    table: ClassVar[Table] = DELIVERY

    lead_id: str
    partner: str
    source: str
    received_at: datetime
    state: State = State.RECEIVED
    version: int = 1
    attempts: int = 0
    first_attempt_at: datetime | None = None
    last_attempt_at: datetime | None = None
    retried_at: datetime | None = None
    attempts_before_retry: int = 0
    next_attempt_at: datetime | None = None
    lease_until: datetime | None = None
    submitted_at: datetime | None = None
    deal_id: int | None = None
    account_uuid: str | None = None
    is_uncertain: bool = False
    is_erased: bool = False
    repeat_of: str | None = None
    waits_for: str | None = None
    partner_status: str | None = None
    status_at: datetime | None = None
    status_meaning: str | None = None
    last_error: str | None = None
    last_error_code: str | None = None
    last_error_data: Mapping[str, Any] | None = None
    checks_failed: int = 0
    restored_at: datetime | None = None
    due_at: datetime | None = None
    settled_at: datetime | None = None
    void_version: int = 0
    checks_refused: int = 0
    contested_by: str | None = None

    @property
    def attention(self) -> Literal["id_contested", "status_check_refused"] | None:
        """The code of why a delivery needs a person although it is followed; None if it does not."""
        if self.contested_by is not None:
            return "id_contested"
        return "status_check_refused" if self.checks_refused >= MAX_REFUSED_CHECKS else None

    @property
    def created(self) -> int | str | None:
        """The id by which the partner knows the delivery: a deal's number or an account's uuid."""
        return self.deal_id if self.deal_id is not None else self.account_uuid

    @property
    def waiting_since(self) -> datetime:
        """When it was last allowed to go to the partner."""
        moments = (self.received_at, self.retried_at, self.next_attempt_at)
        return max(moment for moment in moments if moment is not None)

    @property
    def is_waiting(self) -> bool:
        """Whether an attempt may start."""
        return self.state is State.RECEIVED

    @property
    def attempt_number(self) -> int:
        """The number of the attempt that runs, or of the next one, since an operator retried it."""
        counted = self.attempts if self.state is State.SUBMITTING else self.attempts + 1
        return counted - self.attempts_before_retry

    @property
    def retrying_since(self) -> datetime | None:
        """The start of the retry window; None before the first attempt."""
        return max(filter(None, (self.first_attempt_at, self.retried_at)), default=None)

    def is_lease_expired(self, now: datetime) -> bool:
        """Whether a worker started an attempt and did not record its end in time."""
        return self.state is State.SUBMITTING and (self.lease_until is None or self.lease_until <= now)


@dataclass(frozen=True)
class Change:
    """A pending state change: the delivery before and after, its timeline entry, and the messages to send.

    `data` holds the facts that `detail` says in words.
    `opened` is a new delivery of the lead to another partner. `skipped` are messages that must not be sent any more.
    """

    before: Delivery
    after: Delivery
    at: datetime
    what: str
    detail: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    messages: tuple[Message, ...] = ()
    opened: Delivery | None = None
    skipped: tuple[MessageChange, ...] = ()


def new_delivery(
    lead_id: str, partner: str, source: str, received_at: datetime, now: datetime | None = None
) -> Delivery:
    """Return a new delivery. It is sent to its queue again if its event is lost; `now` is later for a fetched lead."""
    return Delivery(lead_id, partner, source, received_at=received_at, due_at=(now or received_at) + OVERDUE)


def new_unfit_delivery(lead_id: str, partner: str, source: str, received_at: datetime, error: ErrorInfo) -> Delivery:
    """Return a new delivery that the partner would reject. It is not sent."""
    return Delivery(lead_id, partner, source, received_at, State.REJECTED, **last_error(error))


def start_attempt(delivery: Delivery, now: datetime, lease: timedelta) -> Change:
    """Start an attempt, before the create call. The lease ends after the latest moment of an answer."""
    return step(
        delivery,
        "start_attempt",
        now,
        "submitting",
        f"attempt {delivery.attempts + 1}",
        {"attempt": delivery.attempts + 1},
        attempts=delivery.attempts + 1,
        first_attempt_at=delivery.first_attempt_at or now,
        last_attempt_at=now,
        next_attempt_at=None,
        waits_for=None,
        lease_until=now + lease,
        due_at=now + lease,
    )


def schedule_retry(delivery: Delivery, now: datetime, error: ErrorInfo, after: timedelta) -> Change:
    """Schedule a retry `after` an attempt that was definitely not processed."""
    counted = delivery.attempts if delivery.state is State.SUBMITTING else delivery.attempts + 1
    return step(
        delivery,
        "schedule_retry",
        now,
        "attempt_failed",
        error.text,
        {"attempt": counted, **error.entry_data},
        attempts=counted,
        first_attempt_at=delivery.first_attempt_at or now,
        next_attempt_at=now + after,
        lease_until=None,
        **last_error(error),
        due_at=now + after + OVERDUE,
    )


def confirm(delivery: Delivery, now: datetime, created: int | str | None, check_after: timedelta | None) -> Change:
    """Confirm that the partner has it: as a deal, as an account, or without an id (`created` is None)."""
    if delivery.state is State.RECEIVED and not delivery.is_uncertain:
        raise ImpossibleTransition("submitted from received, and never attempted")
    return step(
        delivery,
        "confirm_uncertain" if delivery.state is State.RECEIVED else "confirm",
        now,
        "submitted",
        name_of(created) or "account",
        id_data(created),
        **confirmation(now, created, check_after),
    )


def confirmation(now: datetime, created: int | str | None, check_after: timedelta | None) -> dict[str, Any]:
    """Return the values of a delivery that the partner has."""
    return {
        "deal_id": created if isinstance(created, int) else None,
        "account_uuid": created if isinstance(created, str) else None,
        "is_uncertain": False,
        "submitted_at": now,
        "lease_until": None,
        "next_attempt_at": None,
        **last_error(None),
        "due_at": None if check_after is None else now + check_after,
    }


def name_of(created: int | str | None) -> str | None:
    """Return a partner's id as a timeline shows it."""
    if created is None:
        return None
    return f"deal {created}" if isinstance(created, int) else f"account {created}"


def id_data(created: int | str | None) -> dict[str, Any]:
    """Return a partner's id as the data of a timeline entry."""
    if created is None:
        return {}
    return {"deal_id" if isinstance(created, int) else "account_uuid": created}


def mark_uncertain(delivery: Delivery, now: datetime, error: ErrorInfo, after: timedelta | None) -> Change:
    """Mark a lost reply of a partner that can be looked into: in `after`, or at once if that is None."""
    return step(
        delivery,
        "mark_uncertain",
        now,
        "attempt_uncertain",
        error.text,
        {"attempt": delivery.attempts, **error.entry_data},
        is_uncertain=True,
        next_attempt_at=None if after is None else now + after,
        lease_until=None,
        **last_error(error),
        due_at=now + (after or timedelta()) + OVERDUE,
    )


def mark_duplicate(delivery: Delivery, now: datetime, error: ErrorInfo) -> Change:
    """End a delivery of a person whom the partner already has from elsewhere."""
    return end(delivery, "mark_duplicate", now, error)


def reject(delivery: Delivery, now: datetime, error: ErrorInfo, fallback: str | None = None) -> Change:
    """End a delivery that the partner rejected. Another partner may get the lead instead."""
    change = end(delivery, "reject", now, error)
    if fallback is None:
        return change
    data = {**change.data, "next_partner": fallback}
    return replace(change, data=data, opened=new_delivery(delivery.lead_id, fallback, delivery.source, now))


def fail(delivery: Delivery, now: datetime, error: ErrorInfo) -> Change:
    """End a delivery that needs an operator: its retries are spent, or our settings are wrong."""
    return end(delivery, "fail", now, error)


def mark_unknown(delivery: Delivery, now: datetime, error: ErrorInfo, *, can_be_looked_up: bool = False) -> Change:
    """End a delivery whose reply is lost.

    `can_be_looked_up`: the partner is asked what it has before the delivery is sent again.
    """
    is_uncertain = delivery.is_uncertain or can_be_looked_up
    return end(delivery, "mark_unknown", now, error, is_uncertain=is_uncertain)


def end(
    delivery: Delivery,
    event: str,
    now: datetime,
    error: ErrorInfo,
    data: Mapping[str, Any] | None = None,
    **changes: object,
) -> Change:
    """Return the change to a state in which no worker continues the delivery."""
    ended = {"lease_until": None, "next_attempt_at": None, "due_at": None, **last_error(error)}
    after = advance(delivery, event, **ended, **changes)
    return Change(delivery, after, now, after.state.value, error.text, {**(data or {}), **error.entry_data})


def step(
    delivery: Delivery,
    event: str,
    now: datetime,
    what: str,
    detail: str | None,
    data: Mapping[str, Any],
    **changes: object,
) -> Change:
    """Return the change of an event. Raises ImpossibleTransition."""
    return Change(delivery, advance(delivery, event, **changes), now, what, detail, data)


def most_urgent_state(states: list[State]) -> State:
    """Return the state that needs an operator most; `received` if there is none."""
    return min(states, key=URGENCY.index, default=State.RECEIVED)

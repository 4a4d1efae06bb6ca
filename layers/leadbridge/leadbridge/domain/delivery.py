"""The delivery of a lead to one partner: its states, and the only ways from one to another.

    received ──► submitting ──► submitted ──► (status changes) ──► closed
          │           │  └────► rejected, duplicate, unknown
          │           └─► received (surely not processed: it comes again), failed
          ├─► failed                                 unknown ──► submitted (it became known after all)
          └─► submitted, duplicate, unknown (an uncertain one, once it was looked up)

A partner that can be looked into settles its lost replies itself: the delivery is received again, but uncertain, and
before it is ever sent once more the partner is asked what it has.

Every step is a pure function from a delivery to a Change, and names the states it may start from; the store writes a
change if nobody was quicker.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from leadbridge.domain.error_codes import ErrorCode, ErrorInfo, last_error
from leadbridge.domain.transitions import OVERDUE, ImpossibleTransition

if TYPE_CHECKING:
    from leadbridge.domain.message import Message, MessageChange

MAX_REFUSED_CHECKS = 3  # status checks that a partner refuses in a row before the delivery needs a person


class State(StrEnum):
    """Where a delivery stands."""

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
    def attention(self) -> str | None:
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

    def lease_ran_out(self, now: datetime) -> bool:
        """Whether a worker took this delivery to the partner and was not heard of in time."""
        return self.state is State.SUBMITTING and (self.lease_until is None or self.lease_until <= now)


@dataclass(frozen=True)
class Change:
    """A step to write: the delivery as it was, as it will be, what its timeline says of it, whom it is to be told.

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


def receive(lead_id: str, partner: str, source: str, now: datetime) -> Delivery:
    """A new delivery, due for a second look should its announcement get lost."""
    return Delivery(lead_id, partner, source, received_at=now, due_at=now + OVERDUE)


class Repeat(StrEnum):
    """What is done with a delivery of somebody who came before."""

    MARK = "mark"
    SEND = "send"
    HOLD = "hold"


def start_attempt(delivery: Delivery, now: datetime, lease: timedelta) -> Change:
    """The last step before the create call: from here until the answer is written, only this worker knows."""
    return _step(
        delivery,
        {State.RECEIVED},
        State.SUBMITTING,
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
    """An attempt that surely was not processed; the next one is allowed `after` from now."""
    counted = delivery.attempts if delivery.state is State.SUBMITTING else delivery.attempts + 1
    return _step(
        delivery,
        {State.RECEIVED, State.SUBMITTING},
        State.RECEIVED,
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


def wait_for(delivery: Delivery, now: datetime, first: str, wait: timedelta, *, due_after: timedelta) -> Change:
    """Wait for the delivery of an earlier lead of the same person, `first`, to end.

    The next try is allowed after `wait`, and due after `due_after`.
    """
    return _step(
        delivery,
        {State.RECEIVED},
        State.RECEIVED,
        now,
        "repeat_waits",
        first,
        {"lead_id": first},
        waits_for=first,
        next_attempt_at=now + wait,
        due_at=now + due_after,
    )


def confirm(delivery: Delivery, now: datetime, created: int | str | None, check_after: timedelta | None) -> Change:
    """The partner has it: as a deal of this number, an account of this uuid, or under a name it did not tell."""
    if delivery.state is State.RECEIVED and not delivery.is_uncertain:
        raise ImpossibleTransition("submitted from received, and never attempted")
    deal_id = created if isinstance(created, int) else None
    account_uuid = created if isinstance(created, str) else None
    return _step(
        delivery,
        {State.RECEIVED, State.SUBMITTING, State.UNKNOWN},
        State.SUBMITTED,
        now,
        "submitted",
        "account" if created is None else f"deal {deal_id}" if deal_id is not None else f"account {account_uuid}",
        id_data(created),
        deal_id=deal_id,
        account_uuid=account_uuid,
        is_uncertain=False,
        submitted_at=now,
        lease_until=None,
        next_attempt_at=None,
        **last_error(None),
        due_at=None if check_after is None else now + check_after,
    )


def mark_uncertain(delivery: Delivery, now: datetime, error: ErrorInfo, after: timedelta | None) -> Change:
    """The reply is lost, and the partner can be asked `after` from now what it has; None: as soon as anybody can."""
    return _step(
        delivery,
        {State.SUBMITTING},
        State.RECEIVED,
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
    """The partner has this person already, and not from this delivery."""
    return _end(delivery, {State.RECEIVED, State.SUBMITTING, State.UNKNOWN}, State.DUPLICATE, now, error)


def reject(delivery: Delivery, now: datetime, error: ErrorInfo, fall_back_on: str | None = None) -> Change:
    """The partner refused it for good; another one may get the lead instead."""
    change = _end(delivery, {State.SUBMITTING}, State.REJECTED, now, error)
    if fall_back_on is None:
        return change
    data = {**change.data, "next_partner": fall_back_on}
    return replace(change, data=data, opened=receive(delivery.lead_id, fall_back_on, delivery.source, now))


def repeats(delivery: Delivery, now: datetime, first: str, then: Repeat) -> Change:
    """The same person came before, with the lead `first`."""
    match then:
        case Repeat.SEND:
            source, told = {State.RECEIVED}, {"lead_id": first}
            change = _step(delivery, source, State.RECEIVED, now, "repeat", first, told, next_attempt_at=now)
        case Repeat.MARK:
            error = ErrorInfo(ErrorCode.SAME_PERSON, f"the same person came as {first}", {"lead_id": first})
            change = _end(delivery, {State.RECEIVED}, State.DUPLICATE, now, error)
        case Repeat.HOLD:
            change = _end(delivery, {State.RECEIVED}, State.FAILED, now, held_for(first))
    return replace(change, after=replace(change.after, repeat_of=first, waits_for=None))


def held_for(first: str) -> ErrorInfo:
    """Return why a delivery is held for an operator: the same person came with the lead `first`."""
    text = f"held for an operator: the same person came as {first}"
    return ErrorInfo(ErrorCode.SAME_PERSON, text, {"lead_id": first})


def fail(delivery: Delivery, now: datetime, error: ErrorInfo) -> Change:
    """It cannot go on by itself: retries are spent, or our settings are wrong."""
    return _end(delivery, {State.RECEIVED, State.SUBMITTING}, State.FAILED, now, error)


def mark_unknown(delivery: Delivery, now: datetime, error: ErrorInfo, *, can_be_looked_up: bool = False) -> Change:
    """The request went out and nobody can tell what became of it.

    Where the partner can be asked what it has, it is asked before it is ever sent again.
    """
    change = _end(delivery, {State.RECEIVED, State.SUBMITTING}, State.UNKNOWN, now, error)
    return replace(change, after=replace(change.after, is_uncertain=delivery.is_uncertain or can_be_looked_up))


def status_changed(
    delivery: Delivery,
    now: datetime,
    status: str,
    *,
    meaning: str | None,
    final: bool,
    check_after: timedelta | None,
    learned_at: datetime | None = None,
) -> Change:
    """The partner's status is another than the last one known. A delivery that was closed may be opened again.

    `learned_at` is when the partner was asked: now, if that is None.
    """
    return _step(
        delivery,
        {State.SUBMITTED, State.CLOSED},
        State.CLOSED if final else State.SUBMITTED,
        now,
        "status_changed",
        status,
        {"status": status} if meaning is None else {"status": status, "meaning": meaning},
        partner_status=status,
        status_meaning=meaning,
        status_at=learned_at or now,
        restored_at=None,
        **last_error(None),
        checks_failed=0,
        checks_refused=0,
        due_at=None if final or check_after is None else now + check_after,
    )


def checked(delivery: Delivery, *, is_failed: bool, is_refused: bool) -> Delivery:
    """Count a status check without a new status. An unavailable partner does not reset the count of refusals."""
    if not is_failed:
        return replace(delivery, checks_failed=0, checks_refused=0)
    refused = delivery.checks_refused + is_refused
    return replace(delivery, checks_failed=delivery.checks_failed + 1, checks_refused=refused)


def account_found(delivery: Delivery, now: datetime, account_uuid: str) -> Change:
    """The partner told later, or elsewhere, under which uuid it has it."""
    return _step(
        delivery,
        {State.SUBMITTED, State.CLOSED},
        delivery.state,
        now,
        "account_found",
        f"account {account_uuid}",
        id_data(account_uuid),
        account_uuid=account_uuid,
    )


def _end(delivery: Delivery, sources: set[State], to: State, now: datetime, error: ErrorInfo) -> Change:
    return _step(
        delivery,
        sources,
        to,
        now,
        to.value,
        error.text,
        error.entry_data,
        lease_until=None,
        next_attempt_at=None,
        **last_error(error),
        due_at=None,
    )


def id_data(created: int | str | None) -> dict[str, Any]:
    """Return the id by which the partner knows a delivery, as the data of a timeline entry."""
    if created is None:
        return {}
    return {"deal_id" if isinstance(created, int) else "account_uuid": created}


def _step(
    delivery: Delivery,
    sources: set[State],
    to: State,
    now: datetime,
    what: str,
    detail: str | None,
    data: Mapping[str, Any],
    **changes: object,
) -> Change:
    if delivery.state not in sources:
        raise ImpossibleTransition(f"{what} from {delivery.state}")
    after = replace(delivery, state=to, version=delivery.version + 1, **changes)  # type: ignore[arg-type]
    return Change(delivery, after, now, what, detail, data)

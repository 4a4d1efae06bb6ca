"""The delivery of a lead to one partner, and its steps from one state to another.

Every step is a pure function from a delivery to a Change. The repository writes a change if no other writer was faster.
`transitions.DELIVERY` lists the states that a step may start from.

If the partner supports a look-up, a delivery whose reply was lost is `received` again and uncertain. The account is
looked up before the delivery is sent again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from leadbridge.domain.errors.error_codes import ErrorCode, ErrorInfo, last_error
from leadbridge.domain.timeline import Entry, VersionedEntry
from leadbridge.domain.transitions import DELIVERY, OVERDUE, URGENCY, ImpossibleTransition, Table, advance

if TYPE_CHECKING:
    from leadbridge.domain.message import Message, MessageChange

# The values of a delivery that does not wait for its partner.
NOT_WAITING: Mapping[str, Any] = {"waiting_reason": None, "waiting_until": None, "waits_since": None}
CORRECTABLE = frozenset({ErrorCode.FIELDS_REJECTED, ErrorCode.TAX_NUMBER_INVALID})  # rejections of fields
MAX_REFUSED_CHECKS = 3  # consecutive refused status checks after which the delivery needs an operator


class State(StrEnum):
    """The state of a delivery."""

    RECEIVED = "received"
    SUBMITTING = "submitting"
    SUBMITTED = "submitted"
    CLOSED = "closed"
    REJECTED = "rejected"
    DUPLICATE = "duplicate"
    SKIPPED = "skipped"
    UNKNOWN = "unknown"
    FAILED = "failed"


WITH_PROBLEMS = frozenset({State.REJECTED, State.DUPLICATE, State.SKIPPED, State.UNKNOWN, State.FAILED})


@dataclass(frozen=True)
class Delivery:
    """The delivery of one lead to one partner.

    `version` grows by one with each change and guards every write. `due_at` is when the sweep processes the delivery;
    None for never. `is_uncertain`: a reply was lost, so the partner may have the lead already. The partner's id is a
    `deal_id` or an `account_uuid`. `repeat_of` is an earlier lead of the same person; `waits_for` is such a lead whose
    delivery has not ended yet. `retried_at` is when an operator retried it, after `attempts_before_retry` attempts.
    `is_erased`: its person was erased. `status_at` is when the partner was called for `partner_status`;
    `outcome` is the DeliveryOutcome of this status, None if the configuration does not list it. `approved_at` is when
    an approval or a success first arrived, `issued_at` when the success arrived that still holds. `last_error` is
    always our own text, `last_error_code` an ErrorCode.

    `settled_at` is when an operator settled the delivery; None if the partner confirmed it. `void_version` is the
    version that withdrew a wrong settlement: statuses up to this version belong to another lead. `followed_since` is
    when the checks of its status began: their times follow from it (settings.CheckSchedule). A followed delivery has a
    `due_at` only if its last check failed: then it is checked again at that time. `checks_refused`
    counts consecutive status checks that the partner refused. `contested_by` is a lead for which the partner returned
    the same id. `waiting_reason` says why it waits for the partner since `waits_since`, and
    `waiting_until` until when, if that is known; `window_at` is the start of its retry window after such a wait.
    `counted_in` are the windows of the partner's caps that count its last attempt.
    `restored_at` is when it was restored from a backup: it may have been sent since the backup. `history`
    are its newest timeline entries; the older ones are stored as items of their own.
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
    outcome: str | None = None
    approved_at: datetime | None = None
    issued_at: datetime | None = None
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
    followed_since: datetime | None = None
    waiting_reason: str | None = None
    waiting_until: datetime | None = None
    waits_since: datetime | None = None
    window_at: datetime | None = None
    counted_in: tuple[str, ...] = ()
    history: tuple[VersionedEntry, ...] = field(default=(), compare=False, repr=False)

    @property
    def attention(self) -> Literal["id_contested", "status_check_refused"] | None:
        """The code of the reason why a submitted delivery needs an operator; None if it does not."""
        if self.contested_by is not None:
            return "id_contested"
        return "status_check_refused" if self.checks_refused >= MAX_REFUSED_CHECKS else None

    @property
    def needs_correction(self) -> bool:
        """Whether the partner rejected fields that a person can correct."""
        return self.state is State.REJECTED and self.last_error_code in CORRECTABLE

    @property
    def problems(self) -> tuple[tuple[str, str], ...]:
        """Why the partner does not have it, as fields and codes; empty unless it ended so or is unknown.

        The field is empty for a reason that names none.
        """
        if self.state not in WITH_PROBLEMS or self.last_error_code is None:
            return ()
        fields = (self.last_error_data or {}).get("fields") or ("",)
        return tuple((str(field), self.last_error_code) for field in fields)

    @property
    def created(self) -> int | str | None:
        """The partner's id of the delivery: a deal's number or an account's uuid."""
        return self.deal_id if self.deal_id is not None else self.account_uuid

    @property
    def changed_at(self) -> datetime:
        """When it last changed."""
        return self.history[-1].entry.at if self.history else self.received_at

    @property
    def waiting_since(self) -> datetime:
        """The time since when it may be submitted."""
        moments = (self.received_at, self.retried_at, self.next_attempt_at)
        return max(moment for moment in moments if moment is not None)

    @property
    def is_waiting(self) -> bool:
        """Whether an attempt may start."""
        return self.state is State.RECEIVED

    @property
    def waits_for_partner(self) -> bool:
        """Whether the partner gets no leads at the moment, so that the sweep does not queue it."""
        return self.state is State.RECEIVED and self.waiting_reason is not None

    @property
    def can_be_moved(self) -> bool:
        """Whether it waits for the partner, and the partner certainly does not have it.

        What an operator retried may have been unknown before, and what was restored may have been sent.
        """
        may_exist = self.is_uncertain or self.retried_at is not None or self.restored_at is not None
        return self.waits_for_partner and not may_exist

    @property
    def attempt_number(self) -> int:
        """The number of the attempt that runs, or of the next one, since an operator retried it."""
        counted = self.attempts if self.state is State.SUBMITTING else self.attempts + 1
        return counted - self.attempts_before_retry

    @property
    def retrying_since(self) -> datetime | None:
        """The start of the retry window; None before the first attempt."""
        return max(filter(None, (self.first_attempt_at, self.retried_at, self.window_at)), default=None)

    def is_lease_expired(self, now: datetime) -> bool:
        """Whether a worker started an attempt and did not record its end in time."""
        return self.state is State.SUBMITTING and (self.lease_until is None or self.lease_until <= now)


@dataclass(frozen=True)
class Change:
    """A pending state change: the delivery before and after, its timeline entry, and the messages to send.

    `data` holds the facts of the text `detail`. `opened` is a new delivery of the lead to another partner, because of
    the outcome `opened_on`. `skipped` are messages that must not be sent any more. `counts` are the windows of the
    partner's caps that count the delivery from now on, with their limits; `releases` are those that do not any more.
    """

    before: Delivery
    after: Delivery
    at: datetime
    what: str
    detail: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    messages: tuple[Message, ...] = ()
    opened: Delivery | None = None
    opened_on: str | None = None
    skipped: tuple[MessageChange, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    releases: tuple[str, ...] = ()

    @property
    def entry(self) -> VersionedEntry:
        """The timeline entry, with the version of the delivery that it led to."""
        entry = Entry(self.at, self.what, self.after.partner, self.detail, self.data)
        return VersionedEntry(self.after.version, entry)


def new_delivery(
    lead_id: str, partner: str, source: str, received_at: datetime, now: datetime | None = None
) -> Delivery:
    """Return a new delivery. It is sent to its queue again if its event is lost; `now` is later for a fetched lead."""
    return Delivery(lead_id, partner, source, received_at=received_at, due_at=(now or received_at) + OVERDUE)


def start_attempt(delivery: Delivery, now: datetime, lease: timedelta, warning: ErrorInfo | None = None) -> Change:
    """Start an attempt, before the create call. The lease ends after the latest moment of an answer.

    `warning` is about something in the lead that the partner does not get as the lead has it.
    """
    number = delivery.attempts + 1
    return step(
        delivery,
        "start_attempt",
        now,
        "submitting",
        f"attempt {number}" if warning is None else f"attempt {number}; {warning.text}",
        {"attempt": number, **({} if warning is None else {"warning_code": warning.code.value, **warning.data})},
        attempts=delivery.attempts + 1,
        first_attempt_at=delivery.first_attempt_at or now,
        last_attempt_at=now,
        next_attempt_at=None,
        waits_for=None,
        lease_until=now + lease,
        due_at=now + lease,
    )


def release_caps(change: Change) -> Change:
    """Take the delivery off the counts of its partner's caps, unless an attempt may have reached the partner."""
    counted = change.before.counted_in
    if not counted or change.after.is_uncertain:
        return change
    return replace(change, after=replace(change.after, counted_in=()), releases=counted)


def schedule_retry(delivery: Delivery, now: datetime, error: ErrorInfo, after: timedelta) -> Change:
    """Schedule a retry `after` an attempt that was definitely not processed."""
    counted = delivery.attempts if delivery.state is State.SUBMITTING else delivery.attempts + 1
    change = step(
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
    return release_caps(change)


def confirm(delivery: Delivery, now: datetime, created: int | str | None, *, is_followed: bool) -> Change:
    """Confirm that the partner has it: as a deal, as an account, or without an id (`created` is None).

    `is_followed`: the partner is asked for its status.
    """
    if delivery.state is State.RECEIVED and not delivery.is_uncertain:
        raise ImpossibleTransition("a delivery without an attempt cannot be submitted")
    return step(
        delivery,
        "confirm_uncertain" if delivery.state is State.RECEIVED else "confirm",
        now,
        "submitted",
        name_of(created) or "account",
        id_data(created),
        **confirmation(now, created, is_followed=is_followed),
    )


def confirmation(now: datetime, created: int | str | None, *, is_followed: bool) -> dict[str, Any]:
    """Return the values of a delivery that the partner has."""
    return {
        "deal_id": created if isinstance(created, int) else None,
        "account_uuid": created if isinstance(created, str) else None,
        "is_uncertain": False,
        "submitted_at": now,
        "lease_until": None,
        "next_attempt_at": None,
        **last_error(None),
        "due_at": None,
        "followed_since": now if is_followed else None,
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
    """Mark a lost reply of a partner with a look-up. The look-up is due after `after`, or immediately if None."""
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
    """End a delivery because the partner already has the person from another source."""
    return end(delivery, "mark_duplicate", now, error)


def reject(delivery: Delivery, now: datetime, error: ErrorInfo) -> Change:
    """End a delivery that the partner rejected."""
    return end(delivery, "reject", now, error)


def fail(delivery: Delivery, now: datetime, error: ErrorInfo) -> Change:
    """End a delivery that needs an operator: the retry window has ended, or our settings are wrong."""
    return release_caps(end(delivery, "fail", now, error))


def mark_unknown(delivery: Delivery, now: datetime, error: ErrorInfo, *, can_be_looked_up: bool = False) -> Change:
    """End a delivery whose reply is lost.

    `can_be_looked_up`: the account is looked up before the delivery is sent again.
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
    ended = {"lease_until": None, "next_attempt_at": None, "due_at": None, **NOT_WAITING, **last_error(error)}
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
    return Change(delivery, advance(delivery, event, **{**NOT_WAITING, **changes}), now, what, detail, data)


def most_urgent_state(states: list[State]) -> State:
    """Return the state that needs an operator most; `received` if there is none."""
    return min(states, key=URGENCY.index, default=State.RECEIVED)

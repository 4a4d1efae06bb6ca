"""A message to a person, and its steps from one state to another.

Every step is a pure function from a message to a MessageChange. The repository writes a change if no other writer was
faster. `transitions.MESSAGE` lists the states that a step may start from. A message is never sent again after its reply
was lost. A reply that arrives after the lease expired still settles it.

Messages about statuses are sent in order (`sort_for_sending`). Messages about one delivery are ordered by the version
of the delivery, because the clocks of two workers may disagree. Messages about several deliveries of a lead are ordered
by their time of creation. A message is skipped if a newer one about the same delivery was sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar, Protocol

from leadbridge.domain.clock import to_text
from leadbridge.domain.errors.error_codes import ErrorCode, ErrorInfo, last_error
from leadbridge.domain.transitions import MESSAGE, OVERDUE, Table, advance


class MessageState(StrEnum):
    """The state of a message."""

    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    UNKNOWN = "unknown"
    FAILED = "failed"
    NO_CHANNEL = "no_channel"
    SKIPPED = "skipped"


UNSETTLED = frozenset({MessageState.PENDING, MessageState.SENDING})
MAY_HAVE_ARRIVED = frozenset({MessageState.SENT, MessageState.UNKNOWN})


class Ordered(Protocol):
    """A message or a postback: what is sent in order with others of its group."""

    @property
    def message_id(self) -> str:
        """The sort key by age."""
        ...

    @property
    def created_at(self) -> datetime:
        """When it was written."""
        ...

    @property
    def delivery_version(self) -> int | None:
        """The version of the delivery that it is about; None if it is about none."""
        ...

    @property
    def partner(self) -> str | None:
        """The partner of that delivery."""
        ...

    @property
    def group(self) -> str:
        """What is sent in order with it."""
        ...


SUPERSEDED_TEXT = "a newer message about the same delivery was sent"


@dataclass(frozen=True)
class Message:
    """One message: about a status, or an operator's own.

    A message about a status holds the status; its text is chosen when it is sent. An operator's message holds its
    `template_id` or `text`. `owner` is a lead's id, or an account's id if the operator wrote to an account without a
    lead. `message_id` begins with the time, so the messages of an owner sort by age. A CRM note is not sent to the
    person but written to their tags and comments. `delivery_version` is the version of the delivery that has the
    status. `started_sends` is the number of sends that its group had started
    before the group was read; it is not stored with the message.
    """

    table: ClassVar[Table] = MESSAGE

    owner: str
    message_id: str
    created_at: datetime
    is_crm_note: bool = False
    partner: str | None = None
    partner_status: str | None = None
    delivery_version: int | None = None
    account_id: str | None = None
    template_id: str | None = None
    text: str | None = None
    variables: dict[str, str] = field(default_factory=dict)
    state: MessageState = MessageState.PENDING
    version: int = 1
    attempts: int = 0
    first_attempt_at: datetime | None = None
    next_attempt_at: datetime | None = None
    lease_until: datetime | None = None
    sent_at: datetime | None = None
    retried_at: datetime | None = None
    last_error: str | None = None
    last_error_code: str | None = None
    last_error_data: Mapping[str, Any] | None = None
    due_at: datetime | None = None
    started_sends: int | None = field(default=None, compare=False)

    @property
    def subject(self) -> str:
        """What the message is about, in words that a timeline may hold."""
        if self.is_crm_note:
            return f"tags and comment of {self.partner_status}"
        return self.partner_status or (f"template {self.template_id}" if self.template_id else "an operator's text")

    @property
    def entry_data(self) -> dict[str, Any]:
        """What the message is about, as the data of a timeline entry."""
        about = {"status": self.partner_status, "template_id": self.template_id}
        return {"kind": self.group, **{name: value for name, value in about.items() if value}}

    @property
    def group(self) -> str:
        """The messages that are sent in order with it. An operator's message does not wait for notifications."""
        return "crm_note" if self.is_crm_note else "operator" if self.partner is None else "notification"

    @property
    def waiting_since(self) -> datetime:
        """When it began to wait to be sent: when it was written, or when an operator retried it."""
        return self.retried_at or self.created_at

    @property
    def is_waiting(self) -> bool:
        """Whether it may be sent."""
        return self.state is MessageState.PENDING

    @property
    def attempt_number(self) -> int:
        """The number of the attempt that runs, or of the next one."""
        return self.attempts if self.state is MessageState.SENDING else self.attempts + 1

    @property
    def retrying_since(self) -> datetime | None:
        """The start of the retry window; None before the first attempt. A retry by an operator starts a new one."""
        return self.first_attempt_at

    def is_lease_expired(self, now: datetime) -> bool:
        """Whether a worker began to send this message and did not record the end in time."""
        return self.state is MessageState.SENDING and (self.lease_until is None or self.lease_until <= now)

    def is_newer_than(self, other: Message) -> bool:
        """Whether this message is about a later status of the same delivery."""
        return is_about_later_version(self, other)


@dataclass(frozen=True)
class MessageChange:
    """A pending state change; `what` is its timeline entry, None for a change that the timeline does not show.

    `data` holds the facts that `detail` says in words. `also` is a change of another message of the same owner, written
    in the same transaction.
    """

    before: Message
    after: Message
    at: datetime
    what: str | None
    detail: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    also: MessageChange | None = None


def is_about_later_version(one: Ordered, other: Ordered) -> bool:
    """Return whether one of two of a group is about a later version of the same delivery."""
    if one.delivery_version is None or other.delivery_version is None:
        return False
    same = (one.group, one.partner) == (other.group, other.partner)
    return same and one.delivery_version > other.delivery_version


def sort_for_sending[M: Ordered](messages: Iterable[M]) -> list[M]:
    """The messages of one owner in the order of sending.

    A message counts as no older than those about earlier versions of its delivery, whatever its time of creation is.
    This keeps one order for all deliveries of a lead.
    """
    latest: dict[tuple[str, str | None], datetime] = {}
    keys: dict[str, tuple[datetime, int, str]] = {}
    every = sorted(messages, key=lambda one: (one.delivery_version or 0, one.message_id))
    for message in every:
        at, version = message.created_at, message.delivery_version or 0
        if version:
            of = (message.group, message.partner)
            at = latest[of] = max(at, latest.get(of, at))
        keys[message.message_id] = (at, version, message.message_id)
    return sorted(every, key=lambda one: keys[one.message_id])


def status_notification(lead_id: str, partner: str, version: int, status: str, now: datetime) -> Message:
    """Return the notification about a delivery's new status. Each version of the delivery has one at most."""
    message_id = f"{to_text(now)}#{partner}#{version:06d}"
    return Message(
        lead_id,
        message_id,
        now,
        partner=partner,
        partner_status=status,
        delivery_version=version,
        due_at=now + OVERDUE,
    )


def status_crm_note(lead_id: str, partner: str, version: int, status: str, now: datetime) -> Message:
    """Return the note about a delivery's new status. It is written to the person's tags and comments at Leeloo."""
    notification = status_notification(lead_id, partner, version, status, now)
    return replace(notification, message_id=f"{notification.message_id}#crm_note", is_crm_note=True)


def operator_message(
    owner: str,
    now: datetime,
    tie: str,
    *,
    account_id: str | None,
    template_id: str | None,
    text: str | None,
    variables: dict[str, str],
) -> Message:
    """Return an operator's message to a lead's person or to an account; `tie` separates two of one millisecond."""
    return Message(
        owner,
        f"{to_text(now)}#operator#{tie}",
        now,
        account_id=account_id,
        template_id=template_id,
        text=text,
        variables=variables,
        due_at=now + OVERDUE,
    )


def start_sending(message: Message, now: datetime, lease: timedelta) -> MessageChange:
    """Start an attempt, before the send.

    It is written only if no other message of the group was started since the group was read (`started_sends`). Without
    this condition, two workers that both read the group before a retry could send its messages in the wrong order.
    """
    return _step(
        message,
        "start_sending",
        now,
        None,
        attempts=message.attempts + 1,
        first_attempt_at=message.first_attempt_at or now,
        next_attempt_at=None,
        lease_until=now + lease,
        due_at=now + lease,
    )


def schedule_retry(message: Message, now: datetime, error: ErrorInfo, after: timedelta) -> MessageChange:
    """Schedule a retry `after` an attempt that definitely sent nothing."""
    counted = message.attempts + 1 if message.state is MessageState.PENDING else message.attempts
    return _step(
        message,
        "schedule_retry",
        now,
        None,
        attempts=counted,
        first_attempt_at=message.first_attempt_at or now,
        next_attempt_at=now + after,
        lease_until=None,
        **last_error(error),
        due_at=now + after + OVERDUE,
    )


def wait_until(message: Message, now: datetime, until: datetime) -> MessageChange:
    """Wait for the end of the quiet hours. This is not an attempt."""
    return _step(
        message,
        "wait_until",
        now,
        "message_delayed",
        to_text(until),
        {**message.entry_data, "until": to_text(until)},
        next_attempt_at=until,
        due_at=until + OVERDUE,
    )


def postpone(message: Message, now: datetime, until: datetime) -> MessageChange:
    """Wait until the person has an account. This is not an attempt."""
    return _step(message, "postpone", now, None, next_attempt_at=until, due_at=until + OVERDUE)


def mark_sent(message: Message, now: datetime) -> MessageChange:
    """End a message that Leeloo accepted."""
    return settle(message, "mark_sent", now, None, sent_at=now)


def mark_unknown(message: Message, now: datetime, error: ErrorInfo) -> MessageChange:
    """End a message whose reply is lost."""
    return settle(message, "mark_unknown", now, error)


def fail(message: Message, now: datetime, error: ErrorInfo) -> MessageChange:
    """End a message that cannot be sent."""
    return settle(message, "fail", now, error)


def no_channel(message: Message, now: datetime) -> MessageChange:
    """End a message to a person without an account."""
    return settle(message, "no_channel", now, None)


def skip(message: Message, now: datetime, reason: str, code: ErrorCode) -> MessageChange:
    """End a message that must not be sent."""
    return settle(message, "skip", now, ErrorInfo(code, reason))


def settle(message: Message, event: str, now: datetime, error: ErrorInfo | None, **changes: object) -> MessageChange:
    """Return the change to a state in which the message is not sent automatically any more."""
    settled = {"next_attempt_at": None, "lease_until": None, "due_at": None, **last_error(error)}
    after = advance(message, event, **settled, **changes)
    detail = f"{message.subject}: {error.text}" if error else message.subject
    data = {**message.entry_data, **(error.entry_data if error else {})}
    return MessageChange(message, after, now, f"message_{after.state.value}", detail, data)


def _step(
    message: Message,
    event: str,
    now: datetime,
    what: str | None,
    detail: str | None = None,
    data: Mapping[str, Any] | None = None,
    **changes: object,
) -> MessageChange:
    return MessageChange(message, advance(message, event, **changes), now, what, detail, data or {})

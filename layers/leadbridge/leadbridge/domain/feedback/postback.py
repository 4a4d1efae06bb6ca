"""A postback about a change of a delivery, and its steps from one state to another.

Every step is a pure function from a postback to a PostbackChange. The repository writes a change if no other writer was
faster. `transitions.POSTBACK` lists the states that a step may start from.

Postbacks of a lead to one tracker are sent in order (`message.sort_for_sending`). A postback whose reply was lost is
sent again with the same event id, by which the tracker recognizes it. It holds no personal data and no click id: the
worker reads these from the lead when it sends the postback.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar, Protocol

from leadbridge.domain.delivery import Change, Delivery, State
from leadbridge.domain.errors.error_codes import ErrorCode, ErrorInfo, last_error
from leadbridge.domain.feedback.states import PostbackState
from leadbridge.domain.transitions import OVERDUE, POSTBACK, Table, advance

SUPERSEDED_TEXT = "the tracker accepted a newer postback"
SUBMITTED = "submitted"  # the event that a partner has the lead; every other event is an outcome
# The waits after each failed attempt, as Standard Webhooks recommends. After the last one the postback fails.
SCHEDULE = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=10),
)
_HAS_LEAD = frozenset({State.SUBMITTED, State.CLOSED})


class TrackerRules(Protocol):
    """What a tracker learns: its own status for each event, and the payouts of some events."""

    @property
    def on(self) -> Mapping[str, str]:
        """The tracker's status by event: `submitted` or an outcome."""
        ...

    @property
    def payout(self) -> Mapping[str, Decimal]:
        """The payout by event."""
        ...


type FeedbackRules = Mapping[str, Mapping[str, TrackerRules]]
"""source → tracker → what it learns; without the sources that have none"""


@dataclass(frozen=True)
class Postback:
    """A postback to one tracker. `event` is `submitted` or an outcome, `status` the tracker's own name of it.

    `delivery_version` is the version of the delivery that has the event. `attempts_before_resend` is the number of
    attempts before an operator sent it again. `is_forced`: the operator confirmed that it may follow a newer one.
    `due_at` is when the sweep queues it again.
    """

    table: ClassVar[Table] = POSTBACK

    lead_id: str
    event_id: str
    tracker: str
    partner: str
    source: str
    delivery_version: int
    event: str
    status: str
    created_at: datetime
    payout: str | None = None
    state: PostbackState = PostbackState.PENDING
    version: int = 1
    attempts: int = 0
    attempts_before_resend: int = 0
    is_forced: bool = False
    first_attempt_at: datetime | None = None
    next_attempt_at: datetime | None = None
    lease_until: datetime | None = None
    accepted_at: datetime | None = None
    resent_at: datetime | None = None
    last_error: str | None = None
    last_error_code: str | None = None
    last_error_data: Mapping[str, Any] | None = None
    due_at: datetime | None = None

    @property
    def message_id(self) -> str:
        """The sort key among the postbacks of its lead. An event id occurs in one key only."""
        return f"{self.delivery_version:06d}#{self.event_id}"

    @property
    def group(self) -> str:
        """The postbacks that are sent in order with it."""
        return self.tracker

    @property
    def entry_data(self) -> dict[str, Any]:
        """What the postback is about, as the data of a timeline entry."""
        return {"tracker": self.tracker, "event": self.event, "status": self.status, "event_id": self.event_id}

    @property
    def waiting_since(self) -> datetime:
        """When it began to wait to be sent."""
        return self.next_attempt_at or self.resent_at or self.created_at

    @property
    def is_waiting(self) -> bool:
        """Whether it may be sent."""
        return self.state is PostbackState.PENDING

    @property
    def is_unsettled(self) -> bool:
        """Whether a worker still has to send it."""
        return self.state in {PostbackState.PENDING, PostbackState.SENDING}

    @property
    def attempt_number(self) -> int:
        """The number of the attempt that runs, or of the next one, since an operator sent it again."""
        counted = self.attempts if self.state is PostbackState.SENDING else self.attempts + 1
        return counted - self.attempts_before_resend

    @property
    def retrying_since(self) -> datetime | None:
        """The start of the retry window; None before the first attempt."""
        return self.first_attempt_at

    def is_lease_expired(self, now: datetime) -> bool:
        """Whether a worker began to send it and did not record the end in time."""
        return self.state is PostbackState.SENDING and (self.lease_until is None or self.lease_until <= now)


@dataclass(frozen=True)
class PostbackChange:
    """A pending state change; `what` is its timeline entry, None for a change that the timeline does not show.

    `also` are changes of newer postbacks of the same lead and tracker, written in the same transaction.
    """

    before: Postback
    after: Postback
    at: datetime
    what: str | None = None
    detail: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    also: tuple[PostbackChange, ...] = ()


def event_of_change(change: Change) -> str | None:
    """Return the event of a delivery's change: its new outcome, or `submitted`; None if it is neither."""
    before, after = change.before, change.after
    if before.is_erased or after.is_erased or after.state not in _HAS_LEAD:
        return None
    if after.outcome is not None and after.outcome != before.outcome:
        return after.outcome
    return SUBMITTED if before.state not in _HAS_LEAD else None


def postbacks_of(change: Change, rules: FeedbackRules) -> list[Postback]:
    """Return the postbacks that announce a delivery's change; one at most for each tracker of its source."""
    event, after = event_of_change(change), change.after
    if event is None:
        return []
    return [
        Postback(
            after.lead_id,
            event_id(after.lead_id, after.partner, after.version, tracker, event),
            tracker,
            after.partner,
            after.source,
            after.version,
            event,
            learns.on[event],
            change.at,
            payout=f"{payout:f}" if (payout := learns.payout.get(event)) is not None else None,
            due_at=change.at + OVERDUE,
        )
        for tracker, learns in rules.get(after.source, {}).items()
        if event in learns.on
    ]


def event_id(lead_id: str, partner: str, version: int, tracker: str, event: str) -> str:
    """Return the id of an event for a tracker. It is the same for every attempt."""
    about = "\n".join((lead_id, partner, str(version), tracker, event))
    return f"evt_{hashlib.sha256(about.encode()).hexdigest()[:32]}"


def is_void(postback: Postback, delivery: Delivery, newer: Iterable[Postback]) -> bool:
    """Return whether an operator corrected what a postback announces. `newer` are the newer ones to its tracker.

    A corrected id does not change that the partner has the lead: `submitted` is void only if the partner does not have
    it, or a newer postback says so.
    """
    if postback.delivery_version >= delivery.void_version:
        return False
    is_repeated = any((one.event, one.partner) == (SUBMITTED, postback.partner) for one in newer)
    return postback.event != SUBMITTED or delivery.state not in _HAS_LEAD or is_repeated


def start_sending(postback: Postback, now: datetime, lease: timedelta) -> PostbackChange:
    """Start an attempt, before the request."""
    after = advance(
        postback,
        "start_sending",
        attempts=postback.attempts + 1,
        first_attempt_at=postback.first_attempt_at or now,
        next_attempt_at=None,
        lease_until=now + lease,
        due_at=now + lease,
    )
    return PostbackChange(postback, after, now)


def schedule_retry(postback: Postback, now: datetime, error: ErrorInfo, after: timedelta) -> PostbackChange:
    """Schedule the next attempt."""
    counted = postback.attempts + 1 if postback.state is PostbackState.PENDING else postback.attempts
    retried = advance(
        postback,
        "schedule_retry",
        attempts=counted,
        first_attempt_at=postback.first_attempt_at or now,
        next_attempt_at=now + after,
        lease_until=None,
        **last_error(error),
        due_at=now + after + OVERDUE,
    )
    return PostbackChange(postback, retried, now)


def accept(postback: Postback, now: datetime) -> PostbackChange:
    """End a postback that the tracker accepted."""
    return _settle(postback, "accept", now, None, accepted_at=now)


def fail(postback: Postback, now: datetime, error: ErrorInfo) -> PostbackChange:
    """End a postback that the tracker did not accept."""
    return _settle(postback, "fail", now, error)


def skip(postback: Postback, now: datetime, reason: str, code: ErrorCode) -> PostbackChange:
    """End a postback that must not be sent."""
    return _settle(postback, "skip", now, ErrorInfo(code, reason))


def skip_superseded(postback: Postback, now: datetime, operator: str) -> PostbackChange:
    """End a failed postback that an operator redrives after the tracker accepted a newer one."""
    change = _settle(postback, "skip_by_operator", now, ErrorInfo(ErrorCode.SUPERSEDED, SUPERSEDED_TEXT))
    detail, data = f"{change.detail}; redriven by {operator}", {**change.data, "operator": operator}
    return replace(change, detail=detail, data=data)


def resend_by_operator(
    postback: Postback, now: datetime, operator: str, newer: Iterable[Postback], *, is_confirmed: bool
) -> PostbackChange:
    """Send a settled postback again, with the same event id.

    `newer` are the next pending ones of the same lead and tracker. They change, too: a worker that has read them before
    this change must check the order again.
    """
    after = advance(
        postback,
        "resend_by_operator",
        attempts_before_resend=postback.attempts,
        is_forced=is_confirmed,
        first_attempt_at=None,
        next_attempt_at=None,
        accepted_at=None,
        resent_at=now,
        **last_error(None),
        due_at=now + OVERDUE,
    )
    also = tuple(PostbackChange(one, advance(one, "recheck"), now) for one in newer)
    data = {**postback.entry_data, "operator": operator}
    detail = f"{postback.tracker}: {postback.status}, by {operator}"
    return PostbackChange(postback, after, now, "postback_resend_requested", detail, data, also)


def _settle(
    postback: Postback, event: str, now: datetime, error: ErrorInfo | None, **changes: object
) -> PostbackChange:
    settled = {"next_attempt_at": None, "lease_until": None, "due_at": None, **last_error(error)}
    after = advance(postback, event, **settled, **changes)
    detail = f"{postback.tracker}: {postback.status}" + (f": {error.text}" if error else "")
    data = {**postback.entry_data, **(error.entry_data if error else {})}
    return PostbackChange(postback, after, now, f"postback_{after.state.value}", detail, data)

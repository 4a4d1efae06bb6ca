"""The steps of a message that an operator starts, and those after a restore of the table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from leadbridge.domain.errors.error_codes import ErrorCode, ErrorInfo, last_error
from leadbridge.domain.message import (
    MAY_HAVE_ARRIVED,
    SUPERSEDED_TEXT,
    Message,
    MessageChange,
    MessageState,
    settle,
    sort_for_sending,
)
from leadbridge.domain.transitions import OVERDUE, advance

_SUPERSEDED = ErrorInfo(ErrorCode.SUPERSEDED, SUPERSEDED_TEXT)
RESTORED = ErrorInfo(ErrorCode.RESTORED, "the table was restored from a backup; it may have been sent since")


def retry_message_by_operator(
    message: Message, now: datetime, operator: str, *, others: Iterable[Message] = ()
) -> MessageChange:
    """Retry a message that failed, or skip it if a newer one was sent or may have been.

    `others` are the messages of the same owner. The next newer pending one changes too: a worker that found no older
    message before this retry must check the order again before it sends.
    """
    newer = [one for one in sort_for_sending(others) if one.is_newer_than(message)]
    if any(one.state in MAY_HAVE_ARRIVED for one in newer):
        change = settle(message, "skip_by_operator", now, _SUPERSEDED)
        detail, data = f"{change.detail}; retried by {operator}", {**change.data, "operator": operator}
        return replace(change, detail=detail, data=data)
    after = advance(
        message,
        "retry_by_operator",
        first_attempt_at=None,
        next_attempt_at=None,
        retried_at=now,
        **last_error(None),
        due_at=now + OVERDUE,
    )
    pending = next((one for one in newer if one.state is MessageState.PENDING), None)
    also = None if pending is None else _look_again(pending, now)
    detail, data = f"{message.subject}, by {operator}", {**message.entry_data, "operator": operator}
    return MessageChange(message, after, now, "message_retry_requested", detail, data, also)


def skip_after_restore(message: Message) -> Message:
    """Return a new message as skipped: the person may have received it before the restore."""
    change = settle(message, "skip", message.created_at, RESTORED)
    return replace(change.after, version=message.version)


def mark_restored(message: Message, now: datetime) -> MessageChange:
    """Settle a restored message. It may have been sent since the backup, so it is never sent again."""
    return settle(message, "restored", now, RESTORED)


def _look_again(message: Message, now: datetime) -> MessageChange:
    after = advance(message, "recheck", next_attempt_at=None, due_at=now + OVERDUE)
    return MessageChange(message, after, now, None)

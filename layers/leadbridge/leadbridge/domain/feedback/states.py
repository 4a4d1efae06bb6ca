"""The states of a postback."""

from __future__ import annotations

from enum import StrEnum


class PostbackState(StrEnum):
    """The state of a postback."""

    PENDING = "pending"
    SENDING = "sending"
    ACCEPTED = "accepted"
    FAILED = "failed"
    SKIPPED = "skipped"

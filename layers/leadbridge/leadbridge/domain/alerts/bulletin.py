"""What each target must learn, and what it has learned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Bulletin:
    """The current text of an alert, as of its `revision`.

    Messages of one `thread` replace each other while it `is_fresh`: a chat's message is edited then. Afterwards a
    target that has learned of the `incident` gets the `recovery`, and no message while there is none. `event` is the
    same for programs.
    """

    revision: int
    incident: int
    thread: str
    text: str
    subject: str
    recovery: str = ""
    is_fresh: bool = True
    event: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TargetState:
    """What a target has learned of an alert: the latest revision, and the message that has it.

    `failing_since` and `attempts` are those of a newer revision that could not be delivered yet, `reason` says why.
    There is no attempt before `next_attempt_at`.
    """

    revision: int = 0
    incident: int = 0
    thread: str = ""
    message_id: str = ""
    failing_since: datetime | None = None
    attempts: int = 0
    reason: str = ""
    next_attempt_at: datetime | None = None

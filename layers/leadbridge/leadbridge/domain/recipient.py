"""Where a person can be written to, and what is sent."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class Recipient:
    """Where to write to, and the person's language as the messenger knows it; `remembered` if it was found long ago."""

    account_id: str
    locale: str | None = None
    person_id: str | None = None
    remembered: bool = False


@dataclass(frozen=True)
class Contact:
    """Where a lead's person can be written to. `asked_at` is when they were invited by text message."""

    account_id: str | None = None
    person_id: str | None = None
    locale: str | None = None
    asked_at: datetime | None = None
    lead_received_at: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Content:
    """What goes out: a text, or a template's id with its variables; or, of a mirror, tags and a comment."""

    text: str | None = None
    template_id: str | None = None
    variables: dict[str, str] | None = None
    tags: tuple[str, ...] = ()
    comment: str | None = None

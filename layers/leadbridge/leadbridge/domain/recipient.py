"""The recipient and the content of a message."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class Recipient:
    """An account, and the person's language in the messenger. `remembered`: it comes from the stored contact."""

    account_id: str
    locale: str | None = None
    person_id: str | None = None
    remembered: bool = False


@dataclass(frozen=True)
class Contact:
    """The messenger account of a lead's person. `asked_at` is when they were invited by text message."""

    account_id: str | None = None
    person_id: str | None = None
    locale: str | None = None
    asked_at: datetime | None = None
    lead_received_at: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Content:
    """A text, or a template's id with its variables; for a CRM note, tags and a comment."""

    text: str | None = None
    template_id: str | None = None
    variables: dict[str, str] | None = None
    tags: tuple[str, ...] = ()
    comment: str | None = None

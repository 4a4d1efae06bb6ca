"""What the sending of messages needs of the table and of a messenger."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from leadbridge.runtime.budget import Budget

if TYPE_CHECKING:
    from leadbridge.domain.delivery import Delivery
    from leadbridge.domain.lead import Lead, Person
    from leadbridge.domain.message import Message, MessageChange
    from leadbridge.domain.recipient import Contact, Content, Recipient


class Leads(Protocol):
    """The part of the store that says what a message is about."""

    def lead(self, lead_id: str) -> Lead | None:
        """The lead."""
        ...

    def delivery(self, lead_id: str, partner: str) -> Delivery | None:
        """The delivery."""
        ...


class MessageLedger(Protocol):
    """Where messages are kept."""

    def message(self, owner: str, message_id: str) -> Message | None:
        """One message."""
        ...

    def messages(self, owner: str) -> list[Message]:
        """All messages of one owner, oldest first."""
        ...

    def apply(self, change: MessageChange, *, retry_for: float = ...) -> Message:
        """Write a change, retrying transient errors for so many seconds.

        Raises Conflict if somebody was quicker, OutOfOrder if another message of the line was started meanwhile.
        """
        ...

    def defer(self, message: Message, due_at: datetime, /) -> None:
        """Move the time at which a message is due, and nothing else."""
        ...

    def contact(self, lead_id: str) -> Contact:
        """What is known of the person's account."""
        ...

    def remember(self, lead_id: str, contact: Contact) -> None:
        """Note where the person can be written to."""
        ...

    def claim(self, lead_id: str, now: datetime, until: datetime, *, to_invite: bool) -> bool:
        """Be the one who makes or invites the person until then; False if somebody else is, or it has been done."""
        ...

    def forget(self, lead_id: str) -> None:
        """Know nothing of the person's account any more."""
        ...


class Messenger(Protocol):
    """What takes messages to people. Every method raises PartnerError."""

    @property
    def seconds_per_message(self) -> float:
        """Seconds that finding the account and sending can take together."""
        ...

    @property
    def seconds_per_send(self) -> float:
        """Seconds that sending alone can take."""
        ...

    def find(self, person: Person, budget: Budget) -> Recipient | None:
        """The account of a person. Safe to repeat."""
        ...

    def make(self, person: Person, budget: Budget) -> Recipient | None:
        """Make a person known whom `find` does not find; None where that is not set up, or not possible."""
        ...

    def invite(self, person: Person, budget: Budget) -> bool:
        """Invite a person by text message; whether that is set up. It may take hours until `find` finds them."""
        ...

    def send(self, account_id: str, content: Content, budget: Budget) -> None:
        """Send; not safe to repeat."""
        ...

    def note(self, person_id: str, content: Content, budget: Budget) -> None:
        """Write tags and a comment to a person; the comment is not safe to repeat."""
        ...

"""The ports of sending messages: repositories and the messenger."""

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
    """Reads leads and deliveries."""

    def lead(self, lead_id: str) -> Lead | None:
        """The lead."""
        ...

    def delivery(self, lead_id: str, partner: str) -> Delivery | None:
        """The delivery."""
        ...


class MessageLedger(Protocol):
    """The message repository."""

    def message(self, owner: str, message_id: str) -> Message | None:
        """One message."""
        ...

    def messages(self, owner: str) -> list[Message]:
        """All messages of one owner, oldest first."""
        ...

    def apply(self, change: MessageChange, *, retry_for: float = ...) -> Message:
        """Write a change, retrying transient errors for so many seconds.

        Raises Conflict if another writer was faster, OutOfOrder if another message of the group was started.
        """
        ...

    def defer(self, message: Message, due_at: datetime, /) -> None:
        """Move the time at which a message is due, and nothing else."""
        ...

    def contact(self, lead_id: str) -> Contact:
        """The stored account of the person."""
        ...

    def remember(self, lead_id: str, contact: Contact) -> None:
        """Store the account of the person."""
        ...

    def claim(self, lead_id: str, now: datetime, until: datetime, *, to_invite: bool) -> bool:
        """Claim the creation or invitation of the person until then; False if it is claimed or done already."""
        ...

    def forget(self, lead_id: str) -> None:
        """Delete the stored account of the person."""
        ...


class Messenger(Protocol):
    """Sends messages to people. Every method raises PartnerError."""

    @property
    def seconds_per_message(self) -> float:
        """The longest time of a look-up and a send together, in seconds."""
        ...

    @property
    def seconds_per_send(self) -> float:
        """The longest time of a send, in seconds."""
        ...

    def find(self, person: Person, budget: Budget) -> Recipient | None:
        """The account of a person. Safe to repeat."""
        ...

    def make(self, person: Person, budget: Budget) -> Recipient | None:
        """Create a person that `find` does not find; None if that is not configured or not possible."""
        ...

    def invite(self, person: Person, budget: Budget) -> bool:
        """Invite a person by text message; False if that is not configured. `find` may find them hours later."""
        ...

    def send(self, account_id: str, content: Content, budget: Budget) -> None:
        """Send; not safe to repeat."""
        ...

    def note(self, person_id: str, content: Content, budget: Budget) -> None:
        """Write tags and a comment to a person; the comment is not safe to repeat."""
        ...

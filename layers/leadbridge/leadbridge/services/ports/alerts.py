"""The ports of the flow that alerts operators."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from leadbridge.domain.alerts.alarm import Notice
    from leadbridge.domain.alerts.bulletin import TargetState
    from leadbridge.domain.alerts.group import AlertGroup
    from leadbridge.runtime.budget import Budget


@dataclass(frozen=True)
class OutgoingMessage:
    """A message to one target. `edits` is the message that it replaces, `replies_to` one that it belongs to.

    A quiet message causes no sound. `event` is the same for programs, and `event_id` is the same in each attempt.
    """

    text: str
    event_id: str
    edits: str = ""
    replies_to: str = ""
    is_quiet: bool = False
    event: Mapping[str, Any] = field(default_factory=dict)


class AlertTarget(Protocol):
    """A chat, or the address of a webhook."""

    @property
    def name(self) -> str:
        """The name under which the alert stores what the target has learned."""
        ...

    def send(self, message: OutgoingMessage, budget: Budget) -> str:
        """Send a message; return its id, empty if the target cannot edit messages.

        Raises Rejected or Misconfigured if a retry cannot succeed, and other errors of partners if it can.
        """
        ...


class AlertLedger(Protocol):
    """The stored alerts."""

    def group(self, name: str) -> AlertGroup:
        """Return a group; a new one if none is stored."""
        ...

    def save_group(self, group: AlertGroup, now: datetime) -> None:
        """Store a changed group. Raises Conflict if another worker was faster."""
        ...

    def add_notice(self, notice: Notice, now: datetime) -> Notice:
        """Store a notice unless it is stored. Returns the stored one."""
        ...

    def notice(self, notice_id: str) -> Notice | None:
        """Return a stored notice; None if there is none."""
        ...

    def lease(
        self, key: Mapping[str, str], now: datetime, until: datetime
    ) -> tuple[Mapping[str, Any], dict[str, TargetState]] | None:
        """Take the lease of an alert. Returns the item and the states of its targets; None if it is taken."""
        ...

    def group_of(self, name: str, values: Any) -> AlertGroup:
        """Return the group that an item of `lease` has."""
        ...

    def save_states(
        self,
        key: Mapping[str, str],
        lease_until: datetime,
        states: Mapping[str, TargetState],
        *,
        keep_lease: bool = False,
    ) -> None:
        """Store the states of targets, and end the lease. Raises Conflict if it has passed to another."""
        ...

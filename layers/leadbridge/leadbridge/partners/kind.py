"""What a partner kind is: how its partners take leads, tell statuses and answer after a lost reply.

Each kind is a folder beside this module. Its `kind.py` defines `KIND` and imports the client late, so that a
description costs no client.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from leadbridge.partners.http import Call
    from leadbridge.settings import Partner, Timeouts


class StatusSource(StrEnum):
    """How the status of a delivery is learned."""

    CHECK = "check"  # the partner is asked about one delivery at a time, as the cadence says
    SYNC = "sync"  # the partner's list is read


class LostReply(StrEnum):
    """What a lost reply to a create call leads to."""

    UNKNOWN = "unknown"  # the partner cannot be asked: an operator finds out
    LOOK_UP = "look_up"  # the client's `find` tells by e-mail whether the partner has the person


class SecretSource(Protocol):
    """Where a partner's credentials are kept."""

    def get(self) -> dict[str, Any]:
        """Return the secret, at most a minute old. Raises Unavailable while it has no value."""
        ...

    def refresh(self) -> dict[str, Any] | None:
        """Read the secret again; None if it was read a few seconds ago."""
        ...


class ClientFactory(Protocol):
    """Makes a client for one partner. It imports the client and makes no call."""

    def __call__(
        self,
        partner: str,
        secret: SecretSource,
        timeouts: Timeouts,
        /,
        *,
        settings: Partner | None = None,
        observer: Callable[[Call], None] | None = None,
    ) -> Any:
        """Return a client; without `settings` one with the kind's defaults.

        Every client has what a submission needs (`SubmissionPartner` in services/ports/deliveries.py). One of
        `LostReply.LOOK_UP` also has `find`, one of `StatusSource.CHECK` has `status`, one of `StatusSource.SYNC` has
        `pages`.
        """
        ...


@dataclass(frozen=True)
class IdFormat:
    """How the partner identifies what it made of a lead. `field` names it in the API and in the table."""

    field: Literal["deal_id", "account_uuid"]
    type: Literal["integer", "string"]
    pattern: str


@dataclass(frozen=True)
class Renewed:
    """A secret with a new key, and what the partner must receive for it. `then` is the operator's next step."""

    value: dict[str, Any]
    public_key: str
    then: str

    def __repr__(self) -> str:
        return "Renewed(…)"


@dataclass(frozen=True)
class KeyRotation:
    """A key of ours that can be replaced. `warning` says what fails until the partner has the new one."""

    warning: str
    renew: Callable[[dict[str, Any]], Renewed]


@dataclass(frozen=True)
class SecretFormat:
    """What a partner's secret holds.

    `addresses` are the keys with URLs. `check` raises PartnerError or ValueError for values that the client could not
    use; the message names keys and never values.
    """

    required: tuple[str, ...]
    addresses: tuple[str, ...]
    check: Callable[[dict[str, Any]], None]
    optional: tuple[str, ...] = ()
    rotation: KeyRotation | None = None


@dataclass(frozen=True)
class PartnerKind:
    """One kind of partner. `name` is its folder, its secret and its queue (`submit-{name}`); `label` is for people."""

    name: str
    label: str
    id: IdFormat
    secret: SecretFormat
    status: StatusSource
    lost_reply: LostReply
    client: ClientFactory

    def __post_init__(self) -> None:
        """Refuse what no flow supports: a look-up answers from the list that is synced, and a check needs an id."""
        if (self.lost_reply is LostReply.LOOK_UP) is not (self.status is StatusSource.SYNC):
            raise ValueError(f"{self.name}: a kind that is looked up is synced, and no other")
        if (self.id.field == "deal_id") is not (self.id.type == "integer"):
            raise ValueError(f"{self.name}: a deal's number is an integer, an account's uuid a string")

    @property
    def queue(self) -> str:
        """The name of the queue of its deliveries."""
        return f"submit-{self.name}"

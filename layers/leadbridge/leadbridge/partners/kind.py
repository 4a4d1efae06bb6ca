"""The descriptor of a partner kind: identifiers, secret, status source, handling of lost replies, client.

Each kind is a folder beside this module. Its `kind.py` defines `KIND`, and imports the client only when it makes one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from leadbridge.domain.errors.error_codes import ErrorInfo
    from leadbridge.domain.lead import Lead
    from leadbridge.partners.http import Call
    from leadbridge.settings import Partner, Timeouts


class StatusSource(StrEnum):
    """Where the status of a delivery comes from."""

    CHECK = "check"  # one call per delivery, at the intervals of the cadence
    SYNC = "sync"  # the partner's list


class LostReply(StrEnum):
    """What happens after a lost reply to a create call."""

    UNKNOWN = "unknown"  # the partner has no lookup: an operator decides
    LOOK_UP = "look_up"  # the client's `find` looks the person up by e-mail


class SecretSource(Protocol):
    """Reads a partner's credentials."""

    def get(self) -> dict[str, Any]:
        """Return the secret, at most a minute old. Raises Unavailable while it has no value."""
        ...

    def refresh(self) -> dict[str, Any] | None:
        """Read the secret again; None if it was read a few seconds ago."""
        ...


class ClientFactory(Protocol):
    """Makes a client for one partner. It makes no call."""

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
        """Return a client, with the kind's defaults if there are no `settings`.

        Every client implements `SubmissionPartner` (services/ports/deliveries.py). `LostReply.LOOK_UP` also requires
        `find`, `StatusSource.CHECK` requires `status`, `StatusSource.SYNC` requires `pages`.
        """
        ...


@dataclass(frozen=True)
class IdFormat:
    """The partner's identifier of a delivery. `field` is its name in the API and in the table."""

    field: Literal["deal_id", "account_uuid"]
    type: Literal["integer", "string"]
    pattern: str


@dataclass(frozen=True)
class RenewedKey:
    """A secret with a new key, and the public key for the partner. `next_step` is for the operator."""

    value: dict[str, Any]
    public_key: str
    next_step: str

    def __repr__(self) -> str:
        return "RenewedKey(…)"


@dataclass(frozen=True)
class KeyRotation:
    """How our key is replaced. `warning` describes what fails until the partner has the new key."""

    warning: str
    renew: Callable[[dict[str, Any]], RenewedKey]


@dataclass(frozen=True)
class SecretFormat:
    """The keys of a partner's secret.

    `addresses` are the keys whose values are URLs. `check` raises PartnerError or ValueError for unusable values; the
    message contains keys, never values.
    """

    required: tuple[str, ...]
    addresses: tuple[str, ...]
    check: Callable[[dict[str, Any]], None]
    optional: tuple[str, ...] = ()
    rotation: KeyRotation | None = None


def no_warning(_authorization: Any, _lead: Lead, /) -> ErrorInfo | None:
    """Return None: the partner gets every lead as it is."""
    return None


@dataclass(frozen=True)
class PartnerKind:
    """One kind of partner. `name` names its folder, secret and queue (`submit-{name}`); `label` is displayed.

    `find_warning` returns what the partner does not get as the lead has it. It makes no call.
    """

    name: str
    label: str
    id: IdFormat
    secret: SecretFormat
    status: StatusSource
    lost_reply: LostReply
    client: ClientFactory
    find_warning: Callable[[Any, Lead], ErrorInfo | None] = no_warning

    def __post_init__(self) -> None:
        """Raise ValueError for combinations that no flow supports. A lookup reads the list that the sync reads."""
        if (self.lost_reply is LostReply.LOOK_UP) is not (self.status is StatusSource.SYNC):
            raise ValueError(f"{self.name}: LostReply.LOOK_UP requires StatusSource.SYNC, and the reverse")
        if (self.id.field == "deal_id") is not (self.id.type == "integer"):
            raise ValueError(f"{self.name}: deal_id must be an integer, account_uuid a string")

    @property
    def queue(self) -> str:
        """The name of the queue of its deliveries."""
        return f"submit-{self.name}"

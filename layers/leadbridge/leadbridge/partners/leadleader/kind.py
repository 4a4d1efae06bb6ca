"""Lead Leader as a partner kind: deals with numbers, statuses by number, and no way to look up a lost reply."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from leadbridge.partners.kind import (
    IdFormat,
    KeyRotation,
    LostReply,
    PartnerKind,
    Renewed,
    SecretFormat,
    SecretSource,
    StatusSource,
)

if TYPE_CHECKING:
    from leadbridge.partners.http import Call
    from leadbridge.partners.leadleader.client import LeadLeader
    from leadbridge.settings import Partner, Timeouts


def client(
    partner: str,
    secret: SecretSource,
    timeouts: Timeouts,
    /,
    *,
    settings: Partner | None = None,
    observer: Callable[[Call], None] | None = None,
) -> LeadLeader:
    """Make a client for one partner."""
    from leadbridge.partners.http import Transport
    from leadbridge.partners.leadleader.answers import is_own
    from leadbridge.partners.leadleader.client import LeadLeader

    transport = Transport(partner, timeouts, observer=observer, is_own=is_own)
    return LeadLeader(transport, secret, status_method="POST" if settings is None else settings.status_method)


def check_secret(value: dict[str, Any]) -> None:
    """Use both keys as an authorization does. Raises Misconfigured, ValueError."""
    from leadbridge.partners.leadleader.client import LeadLeaderCredentials, authorization

    authorization(LeadLeaderCredentials.of(value))


def renew_key(value: dict[str, Any]) -> Renewed:
    """Make a new key pair. The partner needs its public half."""
    from leadbridge.partners.leadleader.key_pair import new_key_pair

    private, public = new_key_pair()
    return Renewed({**value, "private_key": private}, public, "Hand this public key to Lead Leader")


KIND = PartnerKind(
    name="leadleader",
    label="Lead Leader",
    id=IdFormat("deal_id", "integer", "[1-9][0-9]{0,14}"),
    secret=SecretFormat(
        required=("auth_url", "base_url", "email", "password", "partner_public_key", "private_key"),
        optional=("status_method",),
        addresses=("auth_url", "base_url"),
        check=check_secret,
        rotation=KeyRotation(
            "From the moment that the new key is stored until Lead Leader has its public half, it refuses us, and"
            " deliveries fail (they can be retried). Make it now?",
            renew_key,
        ),
    ),
    status=StatusSource.CHECK,
    lost_reply=LostReply.UNKNOWN,
    client=client,
)

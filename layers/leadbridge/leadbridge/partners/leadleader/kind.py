"""Lead Leader as a partner kind: numbered deals, status checks by number, no lookup after a lost reply."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from leadbridge.partners.kind import (
    IdFormat,
    KeyRotation,
    LostReply,
    PartnerKind,
    RenewedKey,
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

    connections = 1 if settings is None else settings.checks_at_once
    transport = Transport(partner, timeouts, observer=observer, is_own=is_own, connections=connections)
    return LeadLeader(transport, secret, status_method="POST" if settings is None else settings.status_method)


def check_secret(value: dict[str, Any]) -> None:
    """Check both keys by making an authorization's body. Raises Misconfigured, ValueError."""
    from leadbridge.partners.leadleader.client import LeadLeaderCredentials, authorization

    authorization(LeadLeaderCredentials.of(value))


def renew_key(value: dict[str, Any]) -> RenewedKey:
    """Generate a key pair. The partner needs its public key."""
    from leadbridge.partners.leadleader.key_pair import new_key_pair

    private, public = new_key_pair()
    return RenewedKey({**value, "private_key": private}, public, "Send this public key to Lead Leader")


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
            "After the new key is stored, Lead Leader rejects our calls until it has the new public key. Deliveries"
            " fail meanwhile and can be retried. Create the key now?",
            renew_key,
        ),
    ),
    status=StatusSource.CHECK,
    lost_reply=LostReply.UNKNOWN,
    client=client,
)

"""Match-Trade as a partner kind: accounts with UUIDs, statuses from the list, lookup by e-mail after a lost reply."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from leadbridge.partners.kind import IdFormat, LostReply, PartnerKind, SecretFormat, SecretSource, StatusSource

if TYPE_CHECKING:
    from leadbridge.domain.errors.error_codes import ErrorInfo
    from leadbridge.domain.lead import Lead
    from leadbridge.partners.http import Call
    from leadbridge.partners.matchtrade.client import AccountAuthorization, MatchTrade
    from leadbridge.settings import Partner, Timeouts

MAX_ANSWER_BYTES = 8 * 1_048_576  # bytes: a thousand rows of 8 KiB


def client(
    partner: str,
    secret: SecretSource,
    timeouts: Timeouts,
    /,
    *,
    settings: Partner | None = None,
    observer: Callable[[Call], None] | None = None,
) -> MatchTrade:
    """Make a client for one partner."""
    from zoneinfo import ZoneInfo

    from leadbridge.partners.http import Transport
    from leadbridge.partners.matchtrade.accounts import AccountForm
    from leadbridge.partners.matchtrade.answers import is_own
    from leadbridge.partners.matchtrade.client import MatchTrade

    transport = Transport(partner, timeouts, max_answer_bytes=MAX_ANSWER_BYTES, observer=observer, is_own=is_own)
    if settings is None:
        return MatchTrade(transport, secret)
    account = settings.account
    form = AccountForm(
        plus_in_phone=account.plus_in_phone,
        max_value_length=account.max_value_length,
        lead_source=account.lead_source or None,
        fields=account.fields,
        constants=account.constants,
    )
    zone = ZoneInfo(settings.time_zone)
    return MatchTrade(transport, secret, form, refresh_grant=settings.refresh_grant, zone=zone)


def check_secret(value: dict[str, Any]) -> None:
    """Parse the secret as the client does. Raises Misconfigured."""
    from leadbridge.partners.matchtrade.credentials import BrokerCredentials

    BrokerCredentials.of(value)


def find_warning(authorization: AccountAuthorization, lead: Lead, /) -> ErrorInfo | None:
    """Return a warning if the lead names an offer that the secret does not have."""
    return authorization.session.credentials.offer_warning(lead.trading.offer)


KIND = PartnerKind(
    name="matchtrade",
    label="Match-Trade",
    id=IdFormat("account_uuid", "string", "[A-Za-z0-9\\-]{1,64}"),
    secret=SecretFormat(
        required=("base_url", "client_id", "client_secret", "username", "password", "offer_uuid", "partner_id"),
        optional=("offers",),
        addresses=("base_url",),
        check=check_secret,
    ),
    status=StatusSource.SYNC,
    lost_reply=LostReply.LOOK_UP,
    client=client,
    find_warning=find_warning,
)

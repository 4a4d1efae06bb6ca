"""Match-Trade's client as the functions use it: this stack's secret."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from leadbridge.auth.partner_secret import PartnerSecret
from leadbridge.auth.secrets import Secrets
from leadbridge.partners.http import Transport
from leadbridge.partners.matchtrade import AccountForm, MatchTrade
from leadbridge.partners.matchtrade.answers import is_own
from leadbridge.partners.matchtrade.credentials import PARTNER
from leadbridge.runtime import aws
from leadbridge.runtime.environment import SecretsEnvironment
from leadbridge.runtime.logs import record_call
from leadbridge.settings import settings

ANSWER_LIMIT = 8 * 1_048_576  # bytes: a thousand rows of 8 KiB


def match_trade() -> MatchTrade:
    """A client that reads its secret from Secrets Manager (`SECRETS_PREFIX`). One a worker: it keeps the token."""
    configured = settings().partners[PARTNER]
    secret = PartnerSecret(Secrets(aws.secrets_manager(), SecretsEnvironment.from_env().secrets_prefix), PARTNER)
    transport = Transport(PARTNER, configured.timeouts, answer_limit=ANSWER_LIMIT, observer=record_call, is_own=is_own)
    account = configured.account
    form = AccountForm(
        plus_in_phone=account.plus_in_phone,
        longest_value=account.longest_value,
        lead_source=account.lead_source or None,
        fields=account.fields,
        constants=account.constants,
    )
    zone = ZoneInfo(configured.time_zone)
    return MatchTrade(transport, secret, form, refresh_grant=configured.refresh_grant, zone=zone)

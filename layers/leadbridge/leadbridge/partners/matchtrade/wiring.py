"""Match-Trade's client as the functions use it: this stack's secret."""

from __future__ import annotations

import os

from leadbridge import aws
from leadbridge.partners.http import Transport
from leadbridge.partners.matchtrade import AccountForm, MatchTrade
from leadbridge.partners.matchtrade.credentials import PARTNER
from leadbridge.partners.secret import PartnerSecret
from leadbridge.secrets import Secrets
from leadbridge.settings import Timeouts

ANSWER_LIMIT = 8 * 1_048_576  # bytes: a thousand rows of 8 KiB


def match_trade(timeouts: Timeouts, form: AccountForm | None = None, *, refresh_grant: bool = False) -> MatchTrade:
    """A client that reads its secret from Secrets Manager (`SECRETS_PREFIX`). One a worker: it keeps the token."""
    secret = PartnerSecret(Secrets(aws.secrets_manager(), os.environ["SECRETS_PREFIX"]), PARTNER)
    transport = Transport(PARTNER, timeouts, answer_limit=ANSWER_LIMIT)
    return MatchTrade(transport, secret, form, refresh_grant=refresh_grant)

"""Leeloo's client for the functions."""

from __future__ import annotations

from collections.abc import Collection

from leadbridge.auth.partner_secret import PartnerSecret
from leadbridge.auth.secrets import Secrets
from leadbridge.partners.http import Transport
from leadbridge.partners.leeloo import Client, Leeloo
from leadbridge.partners.leeloo.answers import PARTNER, is_own
from leadbridge.runtime import aws
from leadbridge.runtime.environment import SecretsEnvironment
from leadbridge.runtime.logs import record_call
from leadbridge.settings import Timeouts


def leeloo(timeouts: Timeouts, *, form_data: Collection[str] = (), always_by_last_message: bool = False) -> Leeloo:
    """Make a client. It reads its secret from Secrets Manager (`SECRETS_PREFIX`)."""
    secret = PartnerSecret(Secrets(aws.secrets_manager(), SecretsEnvironment.from_env().secrets_prefix), PARTNER)
    client = Client(Transport(PARTNER, timeouts, observer=record_call, is_own=is_own), secret, form_data=form_data)
    return Leeloo(client, always_by_last_message=always_by_last_message)

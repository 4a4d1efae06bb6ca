"""Lead Leader's client as the functions use it: this stack's settings, this stack's secret."""

from __future__ import annotations

from leadbridge.auth.partner_secret import PartnerSecret
from leadbridge.auth.secrets import Secrets
from leadbridge.partners.http import Transport
from leadbridge.partners.leadleader.answers import is_own
from leadbridge.partners.leadleader.client import LeadLeader
from leadbridge.runtime import aws
from leadbridge.runtime.environment import SecretsEnvironment
from leadbridge.runtime.logs import record_call
from leadbridge.settings import settings


def lead_leader() -> LeadLeader:
    """A client that reads its secret from Secrets Manager (`SECRETS_PREFIX`)."""
    partner = settings().partners["leadleader"]
    secret = PartnerSecret(Secrets(aws.secrets_manager(), SecretsEnvironment.from_env().secrets_prefix), "leadleader")
    transport = Transport("leadleader", partner.timeouts, observer=record_call, is_own=is_own)
    return LeadLeader(transport, secret, status_method=partner.status_method)

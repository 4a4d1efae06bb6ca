"""Lead Leader's client as the functions use it: this stack's settings, this stack's secret."""

from __future__ import annotations

import os
from typing import Any

from leadbridge import aws
from leadbridge.errors import Unavailable
from leadbridge.partners.http import Transport
from leadbridge.partners.leadleader.client import LeadLeader
from leadbridge.secrets import SecretMissing, Secrets
from leadbridge.settings import settings


def lead_leader() -> LeadLeader:
    """A client that reads its secret from Secrets Manager (`SECRETS_PREFIX`)."""
    secrets = Secrets(aws.secrets_manager(), os.environ["SECRETS_PREFIX"])
    partner = settings().partners["leadleader"]

    def secret(fresh: bool) -> dict[str, Any]:
        try:
            return (secrets.refresh if fresh else secrets.get)("leadleader")
        except SecretMissing:
            raise Unavailable("leadleader", "authorize", "the secret has no value yet") from None

    return LeadLeader(Transport("leadleader", partner.timeouts), secret, status_method=partner.status_method)

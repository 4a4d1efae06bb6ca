"""Partner clients for the functions."""

from __future__ import annotations

from typing import Any

from leadbridge.auth.partner_secret import PartnerSecret
from leadbridge.auth.secrets import Secrets
from leadbridge.partners.kind import PartnerKind
from leadbridge.partners.registry import kind_named
from leadbridge.runtime import aws
from leadbridge.runtime.environment import SecretsEnvironment
from leadbridge.runtime.logs import record_call
from leadbridge.settings import settings


def kind_of(partner: str) -> PartnerKind:
    """Return the kind of a configured partner. Raises KeyError, UnknownKind."""
    return kind_named(settings().partners[partner].kind)


def client_of(partner: str) -> Any:
    """Make the client of a configured partner. Raises KeyError, UnknownKind.

    It reads its secret from Secrets Manager (`SECRETS_PREFIX`). Make one per worker: a client caches its tokens.
    """
    configured = settings().partners[partner]
    client = kind_of(partner).client
    return client(partner, secret_of(partner), configured.timeouts, settings=configured, observer=record_call)


def secret_of(partner: str) -> PartnerSecret:
    """Return the secret of a configured partner: its kind's, or its object there. Raises KeyError."""
    partners = settings().partners
    kind = partners[partner].kind
    is_shared = sum(one.kind == kind for one in partners.values()) > 1
    secrets = Secrets(aws.secrets_manager(), SecretsEnvironment.from_env().secrets_prefix)
    return PartnerSecret(secrets, kind, partner, is_shared=is_shared)

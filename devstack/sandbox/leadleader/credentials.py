"""The credentials of Lead Leader's one client, and the private keys of both sides as PEM."""

import secrets
from dataclasses import dataclass, field

from devstack.sandbox.leadleader import rsa1024


@dataclass(frozen=True, slots=True)
class Credentials:
    email: str = field(default_factory=lambda: f"partner-{secrets.token_hex(4)}@example.com")
    password: str = field(default_factory=lambda: secrets.token_urlsafe(18))
    partner_private_key: str = field(default_factory=rsa1024.generate)
    private_key: str = field(default_factory=rsa1024.generate)

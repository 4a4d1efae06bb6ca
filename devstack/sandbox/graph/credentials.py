"""The app that this Graph knows: its page's access token and its secret."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field

from devstack.sandbox.credentials import same


@dataclass(frozen=True, slots=True)
class Credentials:
    access_token: str = field(default_factory=lambda: f"EAA{secrets.token_urlsafe(48)}")
    app_secret: str = field(default_factory=lambda: secrets.token_hex(16))

    def admits(self, token: str) -> bool:
        return same(token, self.access_token)

    def is_proof(self, proof: str) -> bool:
        """Whether this is the `appsecret_proof` of the token."""
        return same(proof, hmac.digest(self.app_secret.encode(), self.access_token.encode(), hashlib.sha256).hex())

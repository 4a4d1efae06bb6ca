"""The credentials of the broker's one lead provider."""

import base64
import secrets
import uuid
from dataclasses import dataclass, field

from devstack.sandbox.credentials import same


def _secret() -> str:
    return secrets.token_urlsafe(24)


def _uuid() -> str:
    return str(uuid.uuid4())


@dataclass(frozen=True, slots=True)
class Credentials:
    """The OAuth client, the provider's login, the offer, and the partner's number, of which 0 is a valid one."""

    client_id: str = field(default_factory=lambda: f"provider-{secrets.token_hex(4)}")
    client_secret: str = field(default_factory=_secret)
    username: str = field(default_factory=lambda: f"provider-{secrets.token_hex(4)}@example.com")
    password: str = field(default_factory=_secret)
    offer_uuid: str = field(default_factory=_uuid)
    partner_id: int = 0
    manager_uuid: str = field(default_factory=_uuid)

    def admits_client(self, authorization: str) -> bool:
        """Whether this is the `Authorization` header of the client."""
        basic = base64.b64encode(f"{self.client_id}:{self.client_secret}".encode()).decode()
        return same(authorization, f"Basic {basic}")

    def admits(self, username: str, password: str) -> bool:
        return same(username, self.username) & same(password, self.password)

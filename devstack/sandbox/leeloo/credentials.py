"""The token of Leeloo's one client, and the token in the address of its webhooks."""

import secrets
from dataclasses import dataclass, field


def _token() -> str:
    return secrets.token_urlsafe(32)


@dataclass(frozen=True, slots=True)
class Credentials:
    token: str = field(default_factory=_token)
    webhook_token: str = field(default_factory=_token)

"""The bot that this Telegram knows, and the chats of which it is a member."""

import secrets
from dataclasses import dataclass, field

from devstack.sandbox.credentials import same


def _token() -> str:
    return f"{secrets.randbelow(9_000_000_000) + 1_000_000_000}:{secrets.token_urlsafe(26)[:35]}"


def _chats() -> list[str]:
    return [str(-1_001_000_000_000 - secrets.randbelow(1_000_000_000)) for _ in range(2)]


@dataclass(frozen=True, slots=True)
class Credentials:
    token: str = field(default_factory=_token)
    chats: list[str] = field(default_factory=_chats)

    def admits(self, token: str) -> bool:
        return same(token, self.token)

"""Access tokens with a lifetime, and refresh tokens that are valid for one exchange."""

import secrets
from dataclasses import dataclass

from devstack.sandbox.partner import Clock
from devstack.sandbox.rows import MAX_STORED, Rows


@dataclass(frozen=True, slots=True)
class Pair:
    access: str
    refresh: str


class Tokens:
    """Issues and recognizes the last `limit` tokens of each kind."""

    def __init__(self, clock: Clock, limit: int = MAX_STORED) -> None:
        self._clock = clock
        self._access = Rows[str, float](limit)
        self._refresh = Rows[str, float](limit)

    def issue(self, access_seconds: int, refresh_seconds: int) -> Pair:
        """Both lifetimes are in seconds."""
        pair = Pair(secrets.token_urlsafe(48), secrets.token_urlsafe(48))
        now = self._clock()
        self._access.add(pair.access, now + access_seconds)
        self._refresh.add(pair.refresh, now + refresh_seconds)
        return pair

    def admits(self, access: str) -> bool:
        return self._clock() < (self._access.get(access) or 0)

    def exchange(self, refresh: str) -> bool:
        """Spend a refresh token. Returns whether it was valid."""
        return self._clock() < (self._refresh.pop(refresh) or 0)

    def expire(self, *, refresh: bool) -> int:
        """End every access token now, optionally the refresh tokens too. Returns how many access tokens were valid."""
        now = self._clock()
        valid = sum(now < expires_at for expires_at in self._access)
        self._access.clear()
        if refresh:
            self._refresh.clear()
        return valid

"""Access tokens that live for a while, and refresh tokens that are good for one exchange."""

import hashlib
import secrets
from collections import OrderedDict
from dataclasses import dataclass

from devstack.sandbox.partner import Clock

MAX_STORED = 100_000


@dataclass(frozen=True, slots=True)
class Pair:
    """As handed out."""

    access: str
    refresh: str


class Tokens:
    """Hands tokens out and knows them again, the last `kept` of each."""

    def __init__(self, clock: Clock, kept: int = MAX_STORED) -> None:
        self._clock = clock
        self._kept = kept
        self._access: OrderedDict[str, float] = OrderedDict()
        self._refresh: OrderedDict[str, float] = OrderedDict()

    def issue(self, access_seconds: int, refresh_seconds: int) -> Pair:
        """Both lives in seconds."""
        pair = Pair(secrets.token_urlsafe(48), secrets.token_urlsafe(48))
        self._keep(self._access, pair.access, access_seconds)
        self._keep(self._refresh, pair.refresh, refresh_seconds)
        return pair

    def admits(self, access: str) -> bool:
        return self._clock() < self._access.get(access, 0)

    def exchange(self, refresh: str) -> bool:
        """Spend a refresh token; whether it was good."""
        return self._clock() < self._refresh.pop(refresh, 0)

    def expire(self, *, refresh: bool) -> int:
        """End every access token now, and every refresh token if so ordered; returns how many access tokens lived."""
        now = self._clock()
        alive = sum(now < expires_at for expires_at in self._access.values())
        self._access.clear()
        if refresh:
            self._refresh.clear()
        return alive

    def _keep(self, kind: OrderedDict[str, float], token: str, seconds: int) -> None:
        kind[token] = self._clock() + seconds
        if len(kind) > self._kept:
            kind.popitem(last=False)


def digest(token: str) -> str:
    """Sixteen hex digits of SHA-256: enough for a log to tell tokens apart, and no token."""
    return hashlib.sha256(token.encode(errors="surrogateescape")).hexdigest()[:16]

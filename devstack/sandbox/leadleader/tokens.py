"""Pairs of an access token and a security token, bound together and good for one call."""

import base64
import hashlib
import hmac
import json
import secrets
from collections import OrderedDict
from dataclasses import dataclass
from enum import StrEnum

from devstack.sandbox.partner import Clock

LIFE_SECONDS = 24 * 3600
SECURITY_TOKEN_LENGTH = 32
MAX_STORED = 100_000
USER_ID = 1


class TokenRefusal(StrEnum):
    """Why a pair was not taken: for the log; the caller is told the same in every case."""

    UNKNOWN = "unknown"
    REUSED = "reused"
    MISMATCHED = "mismatched"
    EXPIRED = "expired"


@dataclass(slots=True)
class Pair:
    """As handed out; `expires_at` in seconds since the epoch."""

    access: str
    security: str
    expires_at: float
    spent: bool = False


class TokenPairs:
    """Hands pairs out and takes each once. Spent ones are remembered, up to `kept` in all."""

    def __init__(self, clock: Clock, kept: int = MAX_STORED) -> None:
        self._clock = clock
        self._kept = kept
        self._key = secrets.token_bytes(32)
        self._by_access: OrderedDict[str, Pair] = OrderedDict()
        self._by_security: dict[str, Pair] = {}

    def issue(self) -> Pair:
        now = int(self._clock())
        access = _jwt(
            {
                "token_type": "access",
                "exp": now + LIFE_SECONDS,
                "iat": now,
                "jti": secrets.token_hex(16),
                "user_id": USER_ID,
            },
            self._key,
        )
        pair = Pair(access, secrets.token_hex(SECURITY_TOKEN_LENGTH // 2), now + LIFE_SECONDS)
        self._by_access[pair.access] = pair
        self._by_security[pair.security] = pair
        if len(self._by_access) > self._kept:
            _, oldest = self._by_access.popitem(last=False)
            del self._by_security[oldest.security]
        return pair

    def spend(self, access: str, security: str | None) -> TokenRefusal | None:
        """Take a pair, None meaning that it was good. Whatever was shown is spent, by a mismatch too.

        A `security` of None was not sent at all: the access token decides (and is spent).
        """
        pair = self._by_access.get(access)
        other = pair if security is None else self._by_security.get(security)
        refusal = self._refusal(pair, other)
        for shown in (pair, other):
            if shown is not None:
                shown.spent = True
        return refusal

    def clear(self) -> None:
        self._by_access.clear()
        self._by_security.clear()

    def _refusal(self, pair: Pair | None, other: Pair | None) -> TokenRefusal | None:
        if pair is None or other is None:
            return TokenRefusal.UNKNOWN
        if pair.spent or other.spent:
            return TokenRefusal.REUSED
        if pair is not other:
            return TokenRefusal.MISMATCHED
        if self._clock() >= pair.expires_at:
            return TokenRefusal.EXPIRED
        return None


def digest(token: str) -> str:
    """Sixteen hex digits of SHA-256: enough for a log to tell tokens apart, and no token."""
    return hashlib.sha256(token.encode()).hexdigest()[:16]


def _jwt(claims: dict[str, object], key: bytes) -> str:
    head = _segment({"alg": "HS256", "typ": "JWT"}) + "." + _segment(claims)
    return head + "." + _base64url(hmac.digest(key, head.encode(), "sha256"))


def _segment(value: dict[str, object]) -> str:
    return _base64url(json.dumps(value, separators=(",", ":")).encode())


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

"""Pairs of an access token and a security token, bound together and valid for one call."""

import base64
import hmac
import json
import secrets
from dataclasses import dataclass
from enum import StrEnum

from devstack.sandbox.partner import Clock
from devstack.sandbox.rows import MAX_STORED, Rows

LIFETIME_SECONDS = 24 * 3600
SECURITY_TOKEN_LENGTH = 32


class TokenRefusal(StrEnum):
    """Why a pair was refused, for the call log. The caller gets the same answer in every case."""

    UNKNOWN = "unknown"
    REUSED = "reused"
    MISMATCHED = "mismatched"
    EXPIRED = "expired"


@dataclass(slots=True)
class Pair:
    """`expires_at` is in seconds since the epoch."""

    access: str
    security: str
    expires_at: float
    spent: bool = False


class TokenPairs:
    """Issues pairs and accepts each once. The last `limit` pairs are known, including spent ones."""

    def __init__(self, clock: Clock, limit: int = MAX_STORED) -> None:
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._by_access = Rows[str, Pair](limit)
        self._by_security = Rows[str, Pair](limit)

    def issue(self) -> Pair:
        now = int(self._clock())
        claims = {"token_type": "access", "exp": now + LIFETIME_SECONDS, "iat": now, "jti": secrets.token_hex(16)}
        access = _jwt({**claims, "user_id": 1}, self._key)
        pair = Pair(access, secrets.token_hex(SECURITY_TOKEN_LENGTH // 2), now + LIFETIME_SECONDS)
        self._by_access.add(pair.access, pair)
        self._by_security.add(pair.security, pair)
        return pair

    def spend(self, access: str, security: str | None) -> TokenRefusal | None:
        """Accept a pair (None) or refuse it. All tokens in the call are spent, also by a mismatch.

        If no security token was sent (None), the access token decides, and is spent.
        """
        pair = self._by_access.get(access)
        other = pair if security is None else self._by_security.get(security)
        refusal = self._refusal(pair, other)
        for each in (pair, other):
            if each is not None:
                each.spent = True
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
        return TokenRefusal.EXPIRED if self._clock() >= pair.expires_at else None


def _jwt(claims: dict[str, object], key: bytes) -> str:
    head = _segment({"alg": "HS256", "typ": "JWT"}) + "." + _segment(claims)
    return head + "." + _base64url(hmac.digest(key, head.encode(), "sha256"))


def _segment(value: dict[str, object]) -> str:
    return _base64url(json.dumps(value, separators=(",", ":")).encode())


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

"""Pairs of an access token and a security token, bound together and valid for one call."""

import base64
import hmac
import json
import secrets
from dataclasses import dataclass
from enum import StrEnum

from devstack.sandbox.partner import MAX_STORED, Clock, Rows

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
        self._pairs = Rows[str, Pair](2 * limit)  # by each of their tokens

    def issue(self) -> Pair:
        now = int(self._clock())
        expires_at = now + LIFETIME_SECONDS
        claims = {"token_type": "access", "exp": expires_at, "iat": now, "jti": secrets.token_hex(16), "user_id": 1}
        head = f"{_segment({'alg': 'HS256', 'typ': 'JWT'})}.{_segment(claims)}"
        access = f"{head}.{_base64url(hmac.digest(self._key, head.encode(), 'sha256'))}"
        pair = Pair(access, secrets.token_hex(SECURITY_TOKEN_LENGTH // 2), expires_at)
        self._pairs.add(pair.access, pair)
        self._pairs.add(pair.security, pair)
        return pair

    def spend(self, access: str, security: str | None) -> TokenRefusal | None:
        """Accept a pair (None) or refuse it. All tokens in the call are spent, also by a mismatch.

        If no security token was sent (None), the access token decides, and is spent.
        """
        found = [self._pairs.get(token) for token in (access, access if security is None else security)]
        pairs = [pair for pair in found if pair is not None]
        was_spent = any(pair.spent for pair in pairs)
        for pair in pairs:
            pair.spent = True
        if len(pairs) < len(found):
            return TokenRefusal.UNKNOWN
        if was_spent:
            return TokenRefusal.REUSED
        if pairs[0] is not pairs[1] or pairs[0].access != access:
            return TokenRefusal.MISMATCHED
        return TokenRefusal.EXPIRED if self._clock() >= pairs[0].expires_at else None

    def clear(self) -> None:
        self._pairs.clear()


def _segment(value: object) -> str:
    return _base64url(json.dumps(value, separators=(",", ":")).encode())


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

"""Authorization: two credentials, encrypted and signed with RSA-1024 and SHA-1, and the tokens for them.

Both are too weak for anything new, but Lead Leader's document requires exactly them.
"""

import base64
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from devstack.sandbox.partner import MAX_STORED, Clock, Rows, digest, same

FIELDS = frozenset({"encrypted_email", "encrypted_password", "signed_email", "signed_password"})
LIFETIME_SECONDS = 24 * 3600
BITS = 1024
_OAEP = padding.OAEP(mgf=padding.MGF1(hashes.SHA1()), algorithm=hashes.SHA1(), label=None)


class AuthorizationError(StrEnum):
    """The partner's texts, verbatim."""

    DECRYPTION = "Виникла помилка під час дешифрування"
    SIGNATURE = "Виникла помилка під час перевірки підпису"
    MISMATCH = "Зашифровані та/або підписані дані надано невірно. Перевірте правильність наданих даних"
    UNKNOWN_USER = "Такого користувача не існує"
    WRONG_PASSWORD = "Пароль невірний"


def _private_pem() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=BITS)
    pkcs1 = serialization.PrivateFormat.TraditionalOpenSSL
    return key.private_bytes(serialization.Encoding.PEM, pkcs1, serialization.NoEncryption()).decode()


@cache
def _key(pem: str) -> rsa.RSAPrivateKey:
    key = serialization.load_pem_private_key(pem.encode(), password=None)
    assert isinstance(key, rsa.RSAPrivateKey), "not an RSA private key"
    return key


@dataclass(frozen=True, slots=True)
class Credentials:
    """The credentials of Lead Leader's one client, and the private keys of both sides."""

    email: str = field(default_factory=lambda: f"partner-{secrets.token_hex(4)}@example.com")
    password: str = field(default_factory=lambda: secrets.token_urlsafe(18))
    partner_private_key: str = field(default_factory=_private_pem)
    private_key: str = field(default_factory=_private_pem)

    @property
    def partner_public_key(self) -> str:
        encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        return _key(self.partner_private_key).public_key().public_bytes(encoding, form).decode()


def authorization_error(body: Mapping[str, Any], credentials: Credentials) -> AuthorizationError | None:
    """The first error, in the partner's order. A missing field is malformed."""
    partner_key, public_key = _key(credentials.partner_private_key), _key(credentials.private_key).public_key()
    try:
        blocks = [base64.b64decode(body.get(f"encrypted_{name}", ""), validate=True) for name in ("email", "password")]
        email, password = (partner_key.decrypt(block, _OAEP).decode() for block in blocks)
    except (TypeError, ValueError):
        return AuthorizationError.DECRYPTION
    signatures = [body.get("signed_email", ""), body.get("signed_password", "")]
    if not all(map(_is_signature, signatures)):
        return AuthorizationError.SIGNATURE
    try:
        for signature, text in zip(signatures, (email, password), strict=True):
            public_key.verify(bytes(signature), text.encode(), padding.PKCS1v15(), hashes.SHA1())
    except InvalidSignature:
        return AuthorizationError.MISMATCH
    if email != credentials.email:
        return AuthorizationError.UNKNOWN_USER
    return None if same(password, credentials.password) else AuthorizationError.WRONG_PASSWORD


def _is_signature(value: Any) -> bool:
    """Whether a value is 128 integers from 0 to 255. Booleans and base64 are not."""
    is_block = isinstance(value, list) and len(value) == BITS // 8
    return is_block and all(type(number) is int and 0 <= number <= 255 for number in value)


class Pair(NamedTuple):
    access: str
    security: str
    expires_at: float


class TokenPairs:
    """The last `limit` pairs. Each is accepted once."""

    def __init__(self, clock: Clock, limit: int = MAX_STORED) -> None:
        self._clock = clock
        self._pairs = Rows[str, Pair](2 * limit)  # by each of their tokens

    def issue(self) -> Pair:
        """The access token has the form of a JWT. Only the sandbox can check it, by its table."""
        now = int(self._clock())
        expires_at = now + LIFETIME_SECONDS
        claims = {"token_type": "access", "exp": expires_at, "iat": now, "jti": secrets.token_hex(16), "user_id": 1}
        parts = [json.dumps(part).encode() for part in ({"alg": "HS256", "typ": "JWT"}, claims)]
        segments = [base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (*parts, secrets.token_bytes(32))]
        pair = Pair(".".join(segments), secrets.token_hex(16), expires_at)
        self._pairs.add(pair.access, pair)
        self._pairs.add(pair.security, pair)
        return pair

    def spend(self, access: str, security: str | None) -> str | None:
        """Accept a pair, or return why not. All tokens in the call are spent. Without a security token one decides."""
        found = [self._pairs.get(token) for token in (access, access if security is None else security)]
        for pair in filter(None, found):
            self._pairs.pop(pair.access, None)
            self._pairs.pop(pair.security, None)
        first, second = found
        if first is None or second is None:
            return "unknown or used"
        if first is not second or first.access != access:
            return "mismatched"
        return "expired" if self._clock() >= first.expires_at else None

    def clear(self) -> None:
        self._pairs.clear()


def digests(access: str | None, security: str | None) -> dict[str, str | None]:
    return {"access_token_sha256": digest(access), "security_token_sha256": digest(security)}

"""Authorization: two credentials, encrypted and signed with RSA-1024 and SHA-1, and the tokens for them.

Both are too weak for anything new. Lead Leader's document requires exactly them: OAEP with SHA-1 and MGF1-SHA-1 for the
credentials, PKCS#1 v1.5 with SHA-1 for their signatures. Private keys are PKCS#1 PEM, as in the document.
"""

import base64
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from devstack.sandbox.partner import MAX_STORED, Clock, Rows, same

FIELDS = frozenset({"encrypted_email", "encrypted_password", "signed_email", "signed_password"})
LIFETIME_SECONDS = 24 * 3600
SECURITY_TOKEN_LENGTH = 32
BITS = 1024
BLOCK_BYTES = BITS // 8  # of a ciphertext, and of a signature

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
    """The first error, in the partner's order: decryption, form of the signatures, their validity, email, password.

    A missing field is malformed. A signature of the right form by a wrong key, or over another text (for example the
    ciphertext), is a mismatch.
    """
    given = [body.get("encrypted_email"), body.get("encrypted_password")]
    try:
        email, password = (_decrypted(credentials.partner_private_key, block) for block in given)
    except ValueError:
        return AuthorizationError.DECRYPTION
    signatures = [_signature(body.get("signed_email")), _signature(body.get("signed_password"))]
    if None in signatures:
        return AuthorizationError.SIGNATURE
    for signature, text in zip(signatures, (email, password), strict=True):
        if not _is_signed(credentials.private_key, signature or b"", text):
            return AuthorizationError.MISMATCH
    if email != credentials.email:
        return AuthorizationError.UNKNOWN_USER
    return None if same(password, credentials.password) else AuthorizationError.WRONG_PASSWORD


def _decrypted(pem: str, block: object) -> str:
    """Raises ValueError for what is not base64, not one block, encrypted for another key, or not UTF-8."""
    if not isinstance(block, str):
        raise ValueError("not a string")
    return _key(pem).decrypt(base64.b64decode(block, validate=True), _OAEP).decode()


def _signature(value: object) -> bytes | None:
    """128 integers from 0 to 255 as bytes; None for anything else, including booleans and base64."""
    if not isinstance(value, list) or len(value) != BLOCK_BYTES:
        return None
    return bytes(value) if all(type(number) is int and 0 <= number <= 255 for number in value) else None


def _is_signed(pem: str, signature: bytes, text: str) -> bool:
    try:
        _key(pem).public_key().verify(signature, text.encode(), padding.PKCS1v15(), hashes.SHA1())
    except InvalidSignature:
        return False
    return True


@cache
def _key(pem: str) -> rsa.RSAPrivateKey:
    key = serialization.load_pem_private_key(pem.encode(), password=None)
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size != BITS:
        raise TypeError("not an RSA-1024 private key")
    return key


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

    def spend(self, access: str, security: str | None) -> str | None:
        """Accept a pair, or return why not. All tokens in the call are spent, also by a mismatch.

        If no security token was sent (None), the access token decides, and is spent.
        """
        found = [self._pairs.get(token) for token in (access, access if security is None else security)]
        pairs = [pair for pair in found if pair is not None]
        was_spent = any(pair.spent for pair in pairs)
        for pair in pairs:
            pair.spent = True
        if len(pairs) < len(found):
            return "unknown"
        if was_spent:
            return "reused"
        if pairs[0] is not pairs[1] or pairs[0].access != access:
            return "mismatched"
        return "expired" if self._clock() >= pairs[0].expires_at else None

    def clear(self) -> None:
        self._pairs.clear()


def _segment(value: object) -> str:
    return _base64url(json.dumps(value, separators=(",", ":")).encode())


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

"""HMAC-SHA256 signatures in a header, keyed with the characters of the secret."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Sequence

from leadbridge.auth.secret_forms import forms_of, webhook_key

Encode = Callable[[bytes], str]


class SignatureInvalid(Exception):
    """The signature or token is missing, malformed, expired or wrong. The message contains no secret."""


def in_base64(digest: bytes) -> str:
    """Encode a digest in base64 (Typeform, Tally)."""
    return base64.b64encode(digest).decode()


def in_hex(digest: bytes) -> str:
    """Encode a digest in hexadecimal (Webflow)."""
    return digest.hex()


def signature(secret: str, signed: bytes, encode: Encode, prefix: str = "") -> str:
    """Return the value of the signature header."""
    return prefix + encode(hmac.digest(secret.encode(errors="surrogatepass"), signed, hashlib.sha256))


def verify_signature(header: str, secrets: Sequence[str], signed: bytes, encode: Encode, prefix: str = "") -> None:
    """Check the signature header with each secret. Raises SignatureInvalid."""
    if not header:
        raise SignatureInvalid("the signature is missing")
    given = header.encode(errors="surrogatepass")
    usable = [form for secret in secrets if secret for form in forms_of(secret)]
    expected = [signature(secret, signed, encode, prefix).encode() for secret in usable]
    matches = [hmac.compare_digest(ours, given) for ours in expected]
    if not any(matches):
        raise SignatureInvalid("no signature matches")


def webhook_signature(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """Return the header `webhook-signature` of Standard Webhooks."""
    return signature_of_key(webhook_key(secret), f"{message_id}.{timestamp}.".encode() + body)


def signature_of_key(key: bytes, signed: bytes) -> str:
    """Return a signature of Standard Webhooks with its version."""
    return f"v1,{in_base64(hmac.digest(key, signed, hashlib.sha256))}"

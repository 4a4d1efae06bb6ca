"""Signatures: HMAC-SHA256 over what was sent, keyed with the secret's own characters, in one header."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Sequence

Encode = Callable[[bytes], str]


class SignatureInvalid(Exception):
    """The proof of origin is missing, malformed, stale or wrong. The message tells which, and no secret."""


def in_base64(digest: bytes) -> str:
    """A digest as Typeform and Tally write it."""
    return base64.b64encode(digest).decode()


def in_hex(digest: bytes) -> str:
    """A digest as Webflow writes it."""
    return digest.hex()


def signature(secret: str, signed: bytes, encode: Encode, prefix: str = "") -> str:
    """What the header holds that proves `signed`."""
    return prefix + encode(hmac.digest(secret.encode(errors="surrogatepass"), signed, hashlib.sha256))


def verify_signature(header: str, secrets: Sequence[str], signed: bytes, encode: Encode, prefix: str = "") -> None:
    """Check that the header is what one of the secrets makes of `signed`. Raises SignatureInvalid."""
    if not header:
        raise SignatureInvalid("the signature is missing")
    given = header.encode(errors="surrogatepass")
    expected = [signature(secret, signed, encode, prefix).encode() for secret in secrets if secret]
    matches = [hmac.compare_digest(ours, given) for ours in expected]
    if not any(matches):
        raise SignatureInvalid("no signature fits")

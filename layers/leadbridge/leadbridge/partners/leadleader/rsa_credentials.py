"""RSA for Lead Leader's authorization: OAEP and PKCS#1 v1.5, both with SHA-1, with 1024-bit keys.

SHA-1 and RSA-1024 are obsolete, but the partner accepts nothing else. Only this module uses them, only for the login at
the partner, and always inside TLS.
"""

from __future__ import annotations

import base64
from functools import lru_cache

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from leadbridge.auth.secret_forms import pem


class UnusableKey(ValueError):
    """A key that cannot be read, or is not an RSA key. The message does not contain the key."""


class PlaintextTooLong(ValueError):
    """More bytes than the public key can encrypt: 86 for RSA-1024, OAEP, SHA-1."""


def encrypt(public_key_pem: str, text: str) -> str:
    """Encrypt `text` (UTF-8) with RSA-OAEP, SHA-1, MGF1-SHA-1, no label. Returns base64, different for each call.

    Raises PlaintextTooLong, UnusableKey.
    """
    key = _public_key(public_key_pem)
    plaintext = text.encode()
    digest = hashes.SHA1()  # noqa: S303 # nosec B303
    if len(plaintext) > (limit := key.key_size // 8 - 2 * digest.digest_size - 2):
        raise PlaintextTooLong(f"{len(plaintext)} bytes; the key encrypts at most {limit}")
    oaep = padding.OAEP(mgf=padding.MGF1(digest), algorithm=digest, label=None)
    return base64.b64encode(key.encrypt(plaintext, oaep)).decode()


def sign(private_key_pem: str, text: str) -> list[int]:
    """Sign `text` (UTF-8) with RSA PKCS#1 v1.5 and SHA-1. Returns the signature's bytes as integers 0-255.

    Deterministic. Raises UnusableKey.
    """
    digest = hashes.SHA1()  # noqa: S303 # nosec B303
    key = _private_key(private_key_pem)
    try:
        return list(key.sign(text.encode(), padding.PKCS1v15(), digest))
    except ValueError:
        raise UnusableKey("the private key cannot sign") from None


@lru_cache(maxsize=4)
def _public_key(text: str) -> RSAPublicKey:
    try:
        key = load_pem_public_key(pem(text).encode())
    except (ValueError, UnsupportedAlgorithm):
        raise UnusableKey("the public key cannot be read") from None
    if not isinstance(key, RSAPublicKey):
        raise UnusableKey("the public key is not an RSA key")
    return key


@lru_cache(maxsize=4)
def _private_key(text: str) -> RSAPrivateKey:
    # The primality check takes most of the time, and protects only against keys of strangers. This key is our own.
    try:
        key = load_pem_private_key(pem(text).encode(), password=None, unsafe_skip_rsa_key_validation=True)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise UnusableKey("the private key cannot be read") from None
    if not isinstance(key, RSAPrivateKey):
        raise UnusableKey("the private key is not an RSA key")
    return key

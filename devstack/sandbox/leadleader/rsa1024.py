"""RSA-1024 with SHA-1, in this module alone. Private keys are PKCS#1 PEM, as in the partner's document.

Both are too weak for anything new. Lead Leader's document requires exactly them: OAEP with SHA-1 and MGF1-SHA-1 for the
credentials, PKCS#1 v1.5 with SHA-1 for their signatures.
"""

import base64
import binascii
from functools import cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

BITS = 1024
BLOCK_BYTES = BITS // 8
"""Of a ciphertext, and of a signature."""

_OAEP = padding.OAEP(mgf=padding.MGF1(hashes.SHA1()), algorithm=hashes.SHA1(), label=None)


class DecryptionError(ValueError):
    """Not base64, not one block, encrypted for another key, or not UTF-8."""


def generate() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=BITS)
    pkcs1 = serialization.PrivateFormat.TraditionalOpenSSL
    return key.private_bytes(serialization.Encoding.PEM, pkcs1, serialization.NoEncryption()).decode()


def public_pem(pem: str) -> str:
    """The public key of a private one."""
    encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return _load(pem).public_key().public_bytes(encoding, form).decode()


def decrypt(pem: str, encoded: str) -> str:
    """Decrypt the text of a base64 OAEP block. Raises `DecryptionError`."""
    try:
        block = base64.b64decode(encoded, validate=True)
        return _load(pem).decrypt(block, _OAEP).decode()
    except (binascii.Error, ValueError) as error:
        raise DecryptionError from error


def is_signed(pem: str, signature: bytes, text: str) -> bool:
    """Whether the owner of a private key signed this text."""
    try:
        _load(pem).public_key().verify(signature, text.encode(), padding.PKCS1v15(), hashes.SHA1())
    except InvalidSignature:
        return False
    return True


@cache
def _load(pem: str) -> rsa.RSAPrivateKey:
    key = serialization.load_pem_private_key(pem.encode(), password=None)
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size != BITS:
        raise ValueError("not an RSA-1024 private key")
    return key

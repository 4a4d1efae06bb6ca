"""RSA-1024 with SHA-1, in this module alone.

Both are too weak for anything new. Lead Leader's document demands exactly them (OAEP with SHA-1 and MGF1-SHA-1 for the
credentials, PKCS#1 v1.5 with SHA-1 for their signatures), so a faithful stand-in has no choice.
"""

import base64
import binascii

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

BITS = 1024
BLOCK_BYTES = BITS // 8
"""Of a ciphertext, and of a signature."""

_OAEP = padding.OAEP(mgf=padding.MGF1(hashes.SHA1()), algorithm=hashes.SHA1(), label=None)


class DecryptionError(ValueError):
    """Not base64, not one block, made for another key, or not UTF-8 inside."""


def generate() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=BITS)


def load(pem: str) -> rsa.RSAPrivateKey:
    """Raises `ValueError` for anything but an RSA-1024 private key."""
    key = serialization.load_pem_private_key(pem.encode(), password=None)
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size != BITS:
        raise ValueError("not an RSA-1024 private key")
    return key


def private_pem(key: rsa.RSAPrivateKey) -> str:
    """PKCS#1, as in the partner's document."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    ).decode()


def public_pem(key: rsa.RSAPrivateKey) -> str:
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def decrypt(key: rsa.RSAPrivateKey, encoded: str) -> str:
    """The text in a base64 OAEP block. Raises `DecryptionError`."""
    try:
        block = base64.b64decode(encoded, validate=True)
        return key.decrypt(block, _OAEP).decode()
    except (binascii.Error, ValueError) as error:
        raise DecryptionError from error


def signed(key: rsa.RSAPublicKey, signature: bytes, text: str) -> bool:
    """Whether the signature is of this very text, by the owner of the key."""
    try:
        key.verify(signature, text.encode(), padding.PKCS1v15(), hashes.SHA1())
    except InvalidSignature:
        return False
    return True

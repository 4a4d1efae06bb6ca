"""Generate our key pair for Lead Leader."""

from __future__ import annotations

KEY_BITS = 1024  # Lead Leader accepts no other size


def new_key_pair() -> tuple[str, str]:
    """Return a private key (PKCS#1) and its public key (SubjectPublicKeyInfo), in PEM."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())
    public = key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()

"""Authorization: check two encrypted and signed credentials; one of five error texts, or none."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from devstack.sandbox.credentials import same
from devstack.sandbox.leadleader import rsa1024
from devstack.sandbox.leadleader.credentials import Credentials

FIELDS = frozenset({"encrypted_email", "encrypted_password", "signed_email", "signed_password"})


class AuthorizationError(StrEnum):
    """The partner's texts, verbatim."""

    DECRYPTION = "Виникла помилка під час дешифрування"
    SIGNATURE = "Виникла помилка під час перевірки підпису"
    MISMATCH = "Зашифровані та/або підписані дані надано невірно. Перевірте правильність наданих даних"
    UNKNOWN_USER = "Такого користувача не існує"
    WRONG_PASSWORD = "Пароль невірний"


def refusal(body: Mapping[str, Any], credentials: Credentials) -> AuthorizationError | None:
    """The first error, in the partner's order: decryption, form of the signatures, their validity, email, password.

    A missing field is malformed. A signature of the right form by a wrong key, or over another text (for example the
    ciphertext), is a mismatch.
    """
    try:
        email = _decrypted(credentials, body.get("encrypted_email"))
        password = _decrypted(credentials, body.get("encrypted_password"))
    except rsa1024.DecryptionError:
        return AuthorizationError.DECRYPTION
    key = credentials.private_key
    match _signature(body.get("signed_email")), _signature(body.get("signed_password")):
        case (bytes(signed_email), bytes(signed_password)):
            if not (rsa1024.is_signed(key, signed_email, email) and rsa1024.is_signed(key, signed_password, password)):
                return AuthorizationError.MISMATCH
        case _:
            return AuthorizationError.SIGNATURE
    if email != credentials.email:
        return AuthorizationError.UNKNOWN_USER
    return None if same(password, credentials.password) else AuthorizationError.WRONG_PASSWORD


def _decrypted(credentials: Credentials, value: object) -> str:
    if not isinstance(value, str):
        raise rsa1024.DecryptionError
    return rsa1024.decrypt(credentials.partner_private_key, value)


def _signature(value: object) -> bytes | None:
    """128 integers from 0 to 255 as bytes; None for anything else, including booleans and base64."""
    if not isinstance(value, list) or len(value) != rsa1024.BLOCK_BYTES:
        return None
    if not all(type(number) is int and 0 <= number <= 255 for number in value):
        return None
    return bytes(value)

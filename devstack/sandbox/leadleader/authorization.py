"""Authorization: from two encrypted and signed credentials to one of five verbatim refusals, or none."""

import hmac
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from devstack.sandbox.leadleader import rsa1024
from devstack.sandbox.leadleader.account import Account

FIELDS = frozenset({"encrypted_email", "encrypted_password", "signed_email", "signed_password"})


class AuthorizationError(StrEnum):
    """The partner's texts, letter by letter."""

    DECRYPTION = "Виникла помилка під час дешифрування"
    SIGNATURE = "Виникла помилка під час перевірки підпису"
    MISMATCH = "Зашифровані та/або підписані дані надано невірно. Перевірте правильність наданих даних"
    UNKNOWN_USER = "Такого користувача не існує"
    WRONG_PASSWORD = "Пароль невірний"


def refusal(body: Mapping[str, Any], account: Account) -> AuthorizationError | None:
    """The first thing wrong, in the partner's order: decryption, form of the signatures, their truth, email, password.

    A missing field is a malformed one. A signature of the right form by a wrong key, or over another text (the
    ciphertext, say), is a mismatch.
    """
    try:
        email = _decrypted(account, body.get("encrypted_email"))
        password = _decrypted(account, body.get("encrypted_password"))
    except rsa1024.DecryptionError:
        return AuthorizationError.DECRYPTION
    signatures = _signature(body.get("signed_email")), _signature(body.get("signed_password"))
    ours = account.client_key.public_key()
    match signatures:
        case (bytes(signed_email), bytes(signed_password)):
            if not (rsa1024.signed(ours, signed_email, email) and rsa1024.signed(ours, signed_password, password)):
                return AuthorizationError.MISMATCH
        case _:
            return AuthorizationError.SIGNATURE
    if email != account.email:
        return AuthorizationError.UNKNOWN_USER
    if not hmac.compare_digest(password.encode(), account.password.encode()):
        return AuthorizationError.WRONG_PASSWORD
    return None


def _decrypted(account: Account, value: object) -> str:
    if not isinstance(value, str):
        raise rsa1024.DecryptionError
    return rsa1024.decrypt(account.partner_key, value)


def _signature(value: object) -> bytes | None:
    """128 integers from 0 to 255 as bytes; None for anything else, booleans and base64 included."""
    if not isinstance(value, list) or len(value) != rsa1024.BLOCK_BYTES:
        return None
    if not all(type(number) is int and 0 <= number <= 255 for number in value):
        return None
    return bytes(value)

"""The one client that this Lead Leader knows, and the keys of both sides, kept in a file between runs."""

import json
import secrets
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from devstack.sandbox import strict_json
from devstack.sandbox.leadleader import rsa1024
from devstack.sandbox.state_dir import write_private


@dataclass(frozen=True, slots=True)
class Account:
    """Credentials, the partner's key pair and the client's key pair."""

    email: str
    password: str
    partner_key: RSAPrivateKey
    client_key: RSAPrivateKey

    @classmethod
    def kept_in(cls, path: Path) -> Self:
        """The account in the file; a new one, kept there, where there is no file."""
        try:
            kept = json.loads(path.read_bytes())
        except FileNotFoundError:
            account = cls(
                email=f"partner-{secrets.token_hex(4)}@example.com",
                password=_new_password(),
                partner_key=rsa1024.generate(),
                client_key=rsa1024.generate(),
            )
            account.keep(path)
            return account
        return cls(
            email=kept["email"],
            password=kept["password"],
            partner_key=rsa1024.load(kept["partner_private_key"]),
            client_key=rsa1024.load(kept["private_key"]),
        )

    def keep(self, path: Path) -> None:
        kept = {
            "email": self.email,
            "password": self.password,
            "partner_private_key": rsa1024.private_pem(self.partner_key),
            "private_key": rsa1024.private_pem(self.client_key),
        }
        write_private(path, strict_json.dump(kept))

    def with_new_password(self) -> Self:
        return replace(self, password=_new_password())

    def with_new_client_key(self) -> Self:
        return replace(self, client_key=rsa1024.generate())


def _new_password() -> str:
    return secrets.token_urlsafe(18)

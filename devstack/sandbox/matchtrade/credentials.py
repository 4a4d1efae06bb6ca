"""What the broker hands to its one lead provider, kept in a file between runs."""

import base64
import hmac
import json
import secrets
import uuid
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Self

from devstack.sandbox import strict_json
from devstack.sandbox.state_dir import write_private


@dataclass(frozen=True, slots=True)
class Credentials:
    """The OAuth client of the Basic header, the provider's login, the offer and the partner's number (0 is one)."""

    client_id: str
    client_secret: str
    username: str
    password: str
    offer_uuid: str
    partner_id: int
    manager_uuid: str

    @classmethod
    def kept_in(cls, path: Path) -> Self:
        """The credentials in the file; new ones, kept there, where there is no file."""
        try:
            return cls(**json.loads(path.read_bytes()))
        except FileNotFoundError:
            credentials = cls(
                client_id=f"provider-{secrets.token_hex(4)}",
                client_secret=_new_secret(),
                username=f"provider-{secrets.token_hex(4)}@example.com",
                password=_new_secret(),
                offer_uuid=str(uuid.uuid4()),
                partner_id=0,
                manager_uuid=str(uuid.uuid4()),
            )
            credentials.keep(path)
            return credentials

    def keep(self, path: Path) -> None:
        write_private(path, strict_json.dump(asdict(self)))

    def admits_client(self, authorization: str) -> bool:
        """Whether this is the `Authorization` header of our client."""
        basic = base64.b64encode(f"{self.client_id}:{self.client_secret}".encode()).decode()
        return _same(authorization, f"Basic {basic}")

    def admits(self, username: str, password: str) -> bool:
        return _same(username, self.username) & _same(password, self.password)

    def with_new_password(self) -> Self:
        return replace(self, password=_new_secret())

    def with_new_client(self) -> Self:
        return replace(self, client_secret=_new_secret())

    def with_new_offer(self) -> Self:
        return replace(self, offer_uuid=str(uuid.uuid4()))

    def with_next_partner(self) -> Self:
        return replace(self, partner_id=self.partner_id + 1)


def _new_secret() -> str:
    return secrets.token_urlsafe(24)


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(errors="surrogateescape"), expected.encode())

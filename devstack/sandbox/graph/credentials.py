"""The app and its page's token that this Graph knows, kept in a file between runs."""

import hashlib
import hmac
import json
import secrets
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Self

from devstack.sandbox import strict_json
from devstack.sandbox.state_dir import write_private


@dataclass(frozen=True, slots=True)
class Credentials:
    """The page's access token, and the secret of the app that has it."""

    access_token: str
    app_secret: str

    @classmethod
    def kept_in(cls, path: Path) -> Self:
        """The credentials in the file; new ones, kept there, where there is no file."""
        try:
            return cls(**json.loads(path.read_bytes()))
        except FileNotFoundError:
            credentials = cls(_new_token(), secrets.token_hex(16))
            credentials.keep(path)
            return credentials

    def keep(self, path: Path) -> None:
        write_private(path, strict_json.dump(asdict(self)))

    def admits(self, token: str) -> bool:
        return hmac.compare_digest(token.encode(errors="surrogateescape"), self.access_token.encode())

    def proves(self, proof: str) -> bool:
        """Whether this is the `appsecret_proof` of the token."""
        expected = hmac.digest(self.app_secret.encode(), self.access_token.encode(), hashlib.sha256).hex()
        return hmac.compare_digest(proof.encode(errors="surrogateescape"), expected.encode())

    def with_new_token(self) -> Self:
        return replace(self, access_token=_new_token())


def _new_token() -> str:
    return f"EAA{secrets.token_urlsafe(48)}"

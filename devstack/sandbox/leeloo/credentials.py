"""The token of Leeloo's one client, and the one that its webhooks' address carries, kept in a file between runs."""

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
    """`token` is what calls show; `webhook_token` is for the address that Leeloo's own webhooks are sent to."""

    token: str
    webhook_token: str

    @classmethod
    def kept_in(cls, path: Path) -> Self:
        """The credentials in the file; new ones, kept there, where there is no file."""
        try:
            kept = json.loads(path.read_bytes())
        except FileNotFoundError:
            credentials = cls(_new_token(), _new_token())
            credentials.keep(path)
            return credentials
        return cls(kept["token"], kept["webhook_token"])

    def keep(self, path: Path) -> None:
        write_private(path, strict_json.dump(asdict(self)))

    def admits(self, token: str) -> bool:
        return hmac.compare_digest(token.encode(errors="surrogateescape"), self.token.encode())

    def with_new_token(self) -> Self:
        return replace(self, token=_new_token())

    def with_new_webhook_token(self) -> Self:
        return replace(self, webhook_token=_new_token())


def _new_token() -> str:
    return secrets.token_urlsafe(32)

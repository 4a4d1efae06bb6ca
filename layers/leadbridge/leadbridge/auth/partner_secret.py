"""The secret of one partner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from leadbridge.auth.secrets import Secrets
from leadbridge.domain.errors.error_codes import ErrorCode
from leadbridge.domain.errors.partner_errors import Unavailable
from leadbridge.domain.errors.secret_errors import SecretMissing


@dataclass(frozen=True)
class PartnerSecret:
    """The secret `{prefix}/{name}`, or the entry of one `partner` in it. Methods raise Unavailable if it has no value.

    The secret of a partner kind contains an object for each partner. If only one partner uses it, it may be flat;
    `is_shared`: several partners use it.
    """

    secrets: Secrets
    name: str
    partner: str = ""
    is_shared: bool = False

    def get(self) -> dict[str, Any]:
        """Return the secret, at most a minute old."""
        try:
            return self._own(self.secrets.get(self.name))
        except SecretMissing:
            raise self._missing() from None

    def refresh(self) -> dict[str, Any] | None:
        """Read the secret again; None if it was read a few seconds ago, or cannot be read at the moment."""
        try:
            value = self.secrets.refresh(self.name)
        except SecretMissing:
            raise self._missing() from None
        except (BotoCoreError, ClientError):
            return None
        return None if value is None else self._own(value)

    def _own(self, value: dict[str, Any]) -> dict[str, Any]:
        if not self.partner or not is_keyed(value):
            if self.is_shared:
                text = f'secret {self.name} is flat, but several partners use it: store {{"{self.partner}": {{…}}}}'
                raise self._missing(text)
            return value
        entry = value.get(self.partner)
        if entry is None:
            raise self._missing(f'secret {self.name} has no object "{self.partner}"')
        return dict(entry)

    def _missing(self, text: str = "the secret has no value yet") -> Unavailable:
        return Unavailable(self.partner or self.name, "authorize", text, code=ErrorCode.SECRET_MISSING)


def is_keyed(value: dict[str, Any]) -> bool:
    """Return whether a secret has an object for each partner. The flat form always has texts."""
    return bool(value) and all(isinstance(entry, dict) for entry in value.values())

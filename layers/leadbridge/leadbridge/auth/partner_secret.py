"""One partner's secret, as its client sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from leadbridge.auth.secrets import SecretMissing, Secrets
from leadbridge.domain.error_codes import ErrorCode
from leadbridge.domain.partner_errors import Unavailable


@dataclass(frozen=True)
class PartnerSecret:
    """The secret `{prefix}/{partner}`. Both methods raise Unavailable while it has no value."""

    secrets: Secrets
    partner: str

    def get(self) -> dict[str, Any]:
        """The secret, perhaps a minute old."""
        try:
            return self.secrets.get(self.partner)
        except SecretMissing:
            raise self._missing() from None

    def refresh(self) -> dict[str, Any] | None:
        """The secret as it stands now; None if it was read a few seconds ago, or cannot be read for the moment."""
        try:
            return self.secrets.refresh(self.partner)
        except SecretMissing:
            raise self._missing() from None
        except (BotoCoreError, ClientError):
            return None

    def _missing(self) -> Unavailable:
        return Unavailable(self.partner, "authorize", "the secret has no value yet", code=ErrorCode.SECRET_MISSING)

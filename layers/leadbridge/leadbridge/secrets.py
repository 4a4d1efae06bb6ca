"""Secrets from Secrets Manager, kept for a minute and read anew when a partner or a form says they are wrong."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

KEPT_FOR = 60.0  # seconds a secret is believed without asking again
READ_AGAIN_AFTER = 5.0  # seconds that must lie between two reads of one secret, whatever fails meanwhile


class SecretMissing(LookupError):
    """The secret does not exist, has no value yet, or is not a JSON object. Carries the secret's name only."""


class Secrets:
    """JSON secrets below one prefix: `Secrets(client, "leadbridge").get("leadleader")`.

    Thread-compatible, one instance a worker. Errors: SecretMissing; botocore's own when AWS does not answer.
    """

    def __init__(
        self, client: SecretsManagerClient, prefix: str, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._prefix = prefix
        self._monotonic = monotonic
        self._kept: dict[str, tuple[float, dict[str, Any]]] = {}

    def get(self, name: str) -> dict[str, Any]:
        """The secret `{prefix}/{name}`, at most a minute old."""
        kept = self._kept.get(name)
        if kept is not None and self._monotonic() - kept[0] < KEPT_FOR:
            return kept[1]
        return self._read(name)

    def refresh(self, name: str) -> dict[str, Any] | None:
        """The secret as it stands now, for use after it was refused; None if it was read a few seconds ago."""
        kept = self._kept.get(name)
        if kept is not None and self._monotonic() - kept[0] < READ_AGAIN_AFTER:
            return None
        return self._read(name)

    def _read(self, name: str) -> dict[str, Any]:
        now = self._monotonic()
        value = self._fetch(f"{self._prefix}/{name}")
        self._kept[name] = (now, value)
        return value

    def _fetch(self, full_name: str) -> dict[str, Any]:
        try:
            text = self._client.get_secret_value(SecretId=full_name).get("SecretString", "")
        except ClientError as error:
            if error.response["Error"]["Code"] == "ResourceNotFoundException":
                raise SecretMissing(full_name) from None
            raise
        try:
            value = json.loads(text)
        except ValueError:
            raise SecretMissing(f"{full_name} is not JSON") from None
        if not isinstance(value, dict):
            raise SecretMissing(f"{full_name} is not a JSON object")
        return value

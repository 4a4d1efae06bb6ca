"""Read and replace the stack's secrets. A concurrent replacement by another operator is detected."""

import json
import secrets
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from leadbridge_cli.cloud import Cloud, aws_errors
from leadbridge_cli.exit_codes import Code, Failure

DRAFT = "LEADBRIDGE_DRAFT"  # label of a version that is not current yet
CURRENT = "AWSCURRENT"


@dataclass(frozen=True)
class StoredSecret:
    """A secret as it was read: its value and version; both None if it has no value."""

    value: dict[str, Any] | None = None
    version: str | None = None


@dataclass(frozen=True)
class SecretsStore:
    """Secrets Manager. Every method raises Failure."""

    cloud: Cloud

    def read(self, name: str) -> StoredSecret:
        """Read the secret `{prefix}/{name}`. Raises Failure NOT_FOUND if the stack has no such secret."""
        full = f"{self.cloud.prefix}/{name}"
        with aws_errors(full):
            client = self.cloud.client("secretsmanager")
            versions = self._versions(client, full)
            if not any(CURRENT in stages for stages in versions.values()):
                return StoredSecret()
            got = client.get_secret_value(SecretId=full, VersionStage=CURRENT)
        try:
            value = json.loads(got.get("SecretString", ""))
        except ValueError:
            value = None
        return StoredSecret(value if isinstance(value, dict) else None, got["VersionId"])

    def replace(self, name: str, seen: StoredSecret, value: dict[str, Any]) -> None:
        """Replace the value if `seen` is still the current version. Raises Failure CONFLICT otherwise.

        The previous version keeps the label AWSPREVIOUS.
        """
        full, text, version = f"{self.cloud.prefix}/{name}", json.dumps(value, ensure_ascii=False), str(uuid4())
        with aws_errors(full):
            client = self.cloud.client("secretsmanager")
            client.put_secret_value(SecretId=full, SecretString=text, ClientRequestToken=version, VersionStages=[DRAFT])
            if seen.version is None and CURRENT in self._versions(client, full).get(version, ()):
                return  # AWS gives this label to the first version of a secret
            present = {} if seen.version is None else {"RemoveFromVersionId": seen.version}
            try:
                # Without a version to remove it from, the label is attached only if no version has it.
                client.update_secret_version_stage(
                    SecretId=full, VersionStage=CURRENT, MoveToVersionId=version, **present
                )
            except (client.exceptions.InvalidParameterException, client.exceptions.ResourceNotFoundException):
                raise Failure(
                    Code.CONFLICT,
                    f"Another operator has changed {full}. Nothing was changed; check the secret and repeat.",
                ) from None

    @staticmethod
    def _versions(client: Any, full: str) -> dict[str, list[str]]:
        return client.describe_secret(SecretId=full).get("VersionIdsToStages") or {}


def new_token() -> str:
    """Return 256 random bits in characters that are safe in URLs and headers."""
    return secrets.token_urlsafe(32)

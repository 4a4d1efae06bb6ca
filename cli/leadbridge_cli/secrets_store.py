"""The stack's secrets, read and replaced: of two operators who replace one at once, the second is told."""

import json
import secrets
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from leadbridge_cli.cloud import Cloud, aws_errors
from leadbridge_cli.exit_codes import Code, Failure

DRAFT = "LEADBRIDGE_DRAFT"  # the label of a version that is not the current one yet
CURRENT = "AWSCURRENT"


@dataclass(frozen=True)
class Kept:
    """A secret as it was read: its value, and which version that is; both None where it has none."""

    value: dict[str, Any] | None = None
    version: str | None = None


@dataclass(frozen=True)
class Vault:
    """Secrets Manager. Every method raises Failure."""

    cloud: Cloud

    def read(self, name: str) -> Kept:
        """The secret `{prefix}/{name}` as it stands now. One that the stack has not made is NOT_FOUND."""
        full = f"{self.cloud.prefix}/{name}"
        with aws_errors(full):
            client = self.cloud.client("secretsmanager")
            versions = client.describe_secret(SecretId=full).get("VersionIdsToStages") or {}
            if not any(CURRENT in stages for stages in versions.values()):
                return Kept()
            got = client.get_secret_value(SecretId=full, VersionStage=CURRENT)
        try:
            value = json.loads(got.get("SecretString", ""))
        except ValueError:
            value = None
        return Kept(value if isinstance(value, dict) else None, got["VersionId"])

    def replace(self, name: str, seen: Kept, value: dict[str, Any]) -> None:
        """Make this the value, if what was `seen` is still there. Raises Failure CONFLICT otherwise.

        The version before stays for a while as AWSPREVIOUS.
        """
        full, text, version = f"{self.cloud.prefix}/{name}", json.dumps(value, ensure_ascii=False), str(uuid4())
        with aws_errors(full):
            client = self.cloud.client("secretsmanager")
            label = CURRENT if seen.version is None else DRAFT
            client.put_secret_value(SecretId=full, SecretString=text, ClientRequestToken=version, VersionStages=[label])
            if seen.version is None:
                return
            try:
                client.update_secret_version_stage(
                    SecretId=full, VersionStage=CURRENT, MoveToVersionId=version, RemoveFromVersionId=seen.version
                )
            except (client.exceptions.InvalidParameterException, client.exceptions.ResourceNotFoundException):
                raise Failure(
                    Code.CONFLICT, f"Somebody else has changed {full} meanwhile: look at it again. Nothing was done."
                ) from None


def new_token() -> str:
    """A secret that nobody guesses: 256 bits, in characters that a URL and a header take."""
    return secrets.token_urlsafe(32)

"""Secrets Manager in memory: secrets, their versions and labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any

from quality.testkit.memory_aws.calls import ACCOUNT, REGION, Answer, MemoryService, Refused

CURRENT, PREVIOUS = "AWSCURRENT", "AWSPREVIOUS"
MAX_VALUE = 65536  # bytes


@dataclass
class MemorySecret:
    """A secret: its values by version, and the version that each label is attached to."""

    name: str
    values: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    created: dict[str, datetime] = field(default_factory=dict)
    deleted_at: datetime | None = None

    @property
    def about(self) -> Answer:
        """The members that each answer has."""
        return {"ARN": f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{self.name}-AbCdEf", "Name": self.name}

    def labels_of(self, version: str) -> list[str]:
        """The labels of a version."""
        return [label for label, labeled in self.labels.items() if labeled == version]

    def attach(self, label: str, version: str) -> None:
        """Move a label to a version. The version that was current becomes the previous one."""
        before = self.labels.get(label)
        if label == CURRENT and before is not None and before != version:
            self.labels[PREVIOUS] = before
        if label == CURRENT and self.labels.get(PREVIOUS) == version:
            del self.labels[PREVIOUS]
        self.labels[label] = version


class MemorySecretsManager(MemoryService):
    """The secrets of one account."""

    def __init__(self) -> None:
        super().__init__()
        self.secrets: dict[str, MemorySecret] = {}
        self._numbers = count(1)

    def _create_secret(self, asked: Mapping[str, Any]) -> Answer:
        if asked["Name"] in self.secrets:
            raise Refused("ResourceExistsException", "A resource with the ID you requested already exists.")
        secret = self.secrets[asked["Name"]] = MemorySecret(asked["Name"])
        return self._put(secret, asked, [CURRENT]) if "SecretString" in asked else secret.about

    def _put_secret_value(self, asked: Mapping[str, Any]) -> Answer:
        return self._put(self._usable(asked), asked, asked.get("VersionStages") or [CURRENT])

    def _put(self, secret: MemorySecret, asked: Mapping[str, Any], labels: list[str]) -> Answer:
        value, version = asked["SecretString"], asked.get("ClientRequestToken")
        version = version or f"00000000-0000-4000-8000-{next(self._numbers):012x}"
        if not value or len(value.encode()) > MAX_VALUE:
            raise Refused("InvalidParameterException", "The secret value's length is invalid.")
        if secret.values.get(version, value) != value:
            raise Refused("ResourceExistsException", "You can't modify the value of an existing version.")
        if version not in secret.values:
            secret.values[version], secret.created[version] = value, datetime.now(UTC)
            for label in dict.fromkeys([*labels, *(() if secret.labels else (CURRENT,))]):
                secret.attach(label, version)
        return {**secret.about, "VersionId": version, "VersionStages": secret.labels_of(version)}

    def _get_secret_value(self, asked: Mapping[str, Any]) -> Answer:
        secret, label = self._usable(asked), asked.get("VersionStage", CURRENT)
        version = asked.get("VersionId", secret.labels.get(label))
        if version not in secret.values or ("VersionStage" in asked and secret.labels.get(label) != version):
            message = f"Secrets Manager can't find the specified secret value for staging label: {label}"
            raise Refused("ResourceNotFoundException", message)
        about = {**secret.about, "VersionId": version, "VersionStages": secret.labels_of(version)}
        return {**about, "SecretString": secret.values[version], "CreatedDate": secret.created[version]}

    def _describe_secret(self, asked: Mapping[str, Any]) -> Answer:
        secret = self._secret(asked)
        labeled = {version: labels for version in secret.values if (labels := secret.labels_of(version))}
        answer: Answer = {**secret.about, **({"VersionIdsToStages": labeled} if labeled else {})}
        return answer if secret.deleted_at is None else {**answer, "DeletedDate": secret.deleted_at}

    def _update_secret_version_stage(self, asked: Mapping[str, Any]) -> Answer:
        secret, label = self._usable(asked), asked["VersionStage"]
        before, after = secret.labels.get(label), asked.get("MoveToVersionId")
        if before != asked.get("RemoveFromVersionId") and (before is not None or "RemoveFromVersionId" in asked):
            raise Refused("InvalidParameterException", f"The label {label} is attached to version {before}.")
        if after is None:
            raise NotImplementedError("a label is removed")
        if after not in secret.values:
            raise Refused("InvalidParameterException", f"Not a valid version: {after}")
        secret.attach(label, after)
        return secret.about

    def _delete_secret(self, asked: Mapping[str, Any]) -> Answer:
        secret = self._usable(asked)
        secret.deleted_at = datetime.now(UTC)
        if asked.get("ForceDeleteWithoutRecovery"):
            del self.secrets[secret.name]
        return {**secret.about, "DeletionDate": secret.deleted_at}

    def _secret(self, asked: Mapping[str, Any]) -> MemorySecret:
        if asked["SecretId"] not in self.secrets:
            raise Refused("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
        return self.secrets[asked["SecretId"]]

    def _usable(self, asked: Mapping[str, Any]) -> MemorySecret:
        secret = self._secret(asked)
        if secret.deleted_at is not None:
            message = "You can't perform this operation on the secret because it was marked for deletion."
            raise Refused("InvalidRequestException", message)
        return secret

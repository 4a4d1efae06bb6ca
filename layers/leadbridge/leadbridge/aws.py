"""AWS clients with the timeouts and retries that every call here must have, one of a kind in a worker."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient


def dynamodb() -> DynamoDBClient:
    """DynamoDB."""
    client: DynamoDBClient = _client("dynamodb")
    return client


def eventbridge() -> EventBridgeClient:
    """EventBridge."""
    client: EventBridgeClient = _client("events")
    return client


def secrets_manager() -> SecretsManagerClient:
    """Secrets Manager."""
    client: SecretsManagerClient = _client("secretsmanager")
    return client


def sqs() -> SQSClient:
    """SQS."""
    client: SQSClient = _client("sqs")
    return client


@lru_cache
def _client(service: str) -> Any:
    import boto3
    from botocore.config import Config

    config = Config(connect_timeout=1, read_timeout=3, retries={"mode": "standard", "total_max_attempts": 3})
    session: Any = boto3.session.Session()
    return session.client(service, config=config)

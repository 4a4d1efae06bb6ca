"""AWS clients with timeouts and retries, one of each per worker."""

from __future__ import annotations

import encodings.idna  # noqa: F401 - the first request would import it
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from botocore.config import Config
from botocore.session import get_session

from leadbridge.runtime.aws_transport import HttpSender, is_direct
from leadbridge.runtime.environment import is_lambda

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient

# botocore builds its user agent for each request and validates each parameter: together a fifth of a call's CPU time or
# more. AWS validates the parameters itself, and botocore validates them in tests.
USER_AGENT = "leadbridge"

CONNECT_TIMEOUT, READ_TIMEOUT = 1, 3  # seconds per attempt
MAX_ATTEMPTS = 3  # per call, by botocore


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


def sns() -> Any:
    """SNS."""
    return _client("sns")


def sqs() -> SQSClient:
    """SQS."""
    client: SQSClient = _client("sqs")
    return client


@lru_cache
def _client(service: str) -> Any:
    config = Config(
        connect_timeout=CONNECT_TIMEOUT,
        read_timeout=READ_TIMEOUT,
        retries={"mode": "standard", "total_max_attempts": MAX_ATTEMPTS},
        user_agent=USER_AGENT,
        parameter_validation=not is_lambda(),
    )
    client = _session().create_client(service, config=config)
    if is_lambda() and is_direct():
        client.meta.events.register("before-send", HttpSender(CONNECT_TIMEOUT, READ_TIMEOUT))
    return client


@lru_cache
def _session() -> Any:
    """Share one session, so that clients share its loaded data.

    boto3 would only add resources and S3 transfers, which are not used here, to every cold start.
    """
    return get_session()


def reset_clients() -> None:
    """Discard all clients, to connect to another AWS."""
    _client.cache_clear()
    _session.cache_clear()

"""AWS clients with the timeouts and retries that every call here must have, one of a kind in a worker."""

from __future__ import annotations

import encodings.idna  # noqa: F401 - every connection's host is written so; otherwise the first request imports it
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from botocore.config import Config
from botocore.session import get_session

from leadbridge.runtime.environment import is_lambda

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient

# botocore composes its own name anew for each request, of the machine, the interpreter and all options, and looks at
# each parameter before it sends it: together a fifth of a call's CPU time, or more. AWS checks the parameters itself,
# and tests have botocore check them.
USER_AGENT = "leadbridge"

CONNECT_TIMEOUT, READ_TIMEOUT = 1, 3  # seconds, of one attempt
MAX_ATTEMPTS = 3  # of one call, by botocore itself


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
    config = Config(
        connect_timeout=CONNECT_TIMEOUT,
        read_timeout=READ_TIMEOUT,
        retries={"mode": "standard", "total_max_attempts": MAX_ATTEMPTS},
        user_agent=USER_AGENT,
        parameter_validation=not is_lambda(),
    )
    return _session().create_client(service, config=config)


@lru_cache
def _session() -> Any:
    """One for all clients, so that what it has read for one is there for the next.

    boto3 would add nothing but resources and S3's transfers, which nobody here uses and every cold start would load.
    """
    return get_session()


def forget() -> None:
    """Make new clients from here on, for another AWS."""
    _client.cache_clear()
    _session.cache_clear()

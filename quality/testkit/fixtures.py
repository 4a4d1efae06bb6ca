"""Fixtures that every tier may use: AWS in memory, the compiled configuration, a function's module."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any

import pytest

from leadbridge import settings
from leadbridge.runtime import aws
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.table import Table
from quality.testkit.aws.clients import shared_session
from quality.testkit.configuration import compiled_configuration
from quality.testkit.handlers import load_function
from quality.testkit.memory_aws.account import memory_account
from quality.testkit.template import table_definition, variables_of

TABLE = "leads"


@dataclass
class Time:
    """A clock that a test moves."""

    now: datetime = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, **duration: float) -> None:
        """Let time pass."""
        self.now += timedelta(**duration)


@pytest.fixture
def time() -> Time:
    """A clock that stands still until the test moves it."""
    return Time()


@pytest.fixture
def aws_engine() -> str:
    """What answers for AWS: "memory", or "moto" where botocore's own requests matter."""
    return "memory"


@pytest.fixture
def aws_mocked(monkeypatch: pytest.MonkeyPatch, aws_engine: str) -> Iterator[None]:
    """AWS in this process, with everything that a function finds in its environment."""
    environment = {
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "TABLE_NAME": TABLE,
        "SECRETS_PREFIX": "leadbridge",
        "LEADBRIDGE_ENVIRONMENT": "prod",
        "BUS_NAME": "leadbridge",
        "MAX_QUEUED": "100",
        "MAX_QUEUED_CHECKS": "100",
        "POWERTOOLS_METRICS_NAMESPACE": "leadbridge",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    engine: Callable[[], AbstractContextManager[object]] = memory_account
    session = shared_session
    if aws_engine == "moto":  # few tests need it, and it takes long to import
        from quality.testkit.aws.moto_calls import moto_calls, moto_session

        engine, session = moto_calls, moto_session
    monkeypatch.setattr(aws, "get_session", session)
    with engine():
        aws.reset_clients()
        yield
        aws.reset_clients()


@pytest.fixture
def store(aws_mocked: None) -> LeadRepository:
    """The table, empty."""
    aws.dynamodb().create_table(**table_definition(TABLE))
    return LeadRepository(Table(aws.dynamodb(), TABLE))


@pytest.fixture
def shipped_settings(monkeypatch: pytest.MonkeyPatch) -> settings.Settings:
    """The configuration as the layer ships it."""
    monkeypatch.setattr(settings, "_SHIPPED", compiled_configuration())
    monkeypatch.setenv("LEADBRIDGE_ENVIRONMENT", "prod")
    settings.settings.cache_clear()
    return settings.settings()


@dataclass
class Context:
    """Lambda's context object, with a minute to go."""

    aws_request_id: str = "a-request"
    function_name: str = "a-function"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:eu-central-1:123456789012:function:a-function"
    milliseconds: int = 60_000
    client_context: dict[str, Any] = field(default_factory=dict)

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until Lambda stops the invocation."""
        return self.milliseconds


@pytest.fixture
def context() -> Context:
    """An invocation with a minute to go."""
    return Context()


@pytest.fixture
def function(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """Load a function's app.py as Lambda does, fresh, so that nothing it keeps outlives the test.

    Variables that the test does not set have placeholders.
    """

    def load(flow: str) -> ModuleType:
        monkeypatch.setenv("LEADBRIDGE_FLOW", flow)
        shared = {"LEADBRIDGE_ENVIRONMENT": "prod", "SECRETS_PREFIX": "leadbridge"}
        for variable, value in {**shared, **variables_of(flow)}.items():
            if variable not in os.environ:
                monkeypatch.setenv(variable, value if isinstance(value, str) else "{}")
        return load_function(flow, f"functions_{flow}_app")

    return load


def queue(name: str) -> str:
    """Make a queue and return its URL."""
    return aws.sqs().create_queue(QueueName=name)["QueueUrl"]


def message(number: int, body: Any = None) -> dict[str, Any]:
    return {"messageId": f"m{number}", "receiptHandle": f"r{number}", "body": json.dumps(body or {"n": number})}

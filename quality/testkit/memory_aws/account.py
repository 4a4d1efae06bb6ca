"""All services that the functions call, in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from quality.testkit.aws.memory_dynamodb import MemoryDynamoDB
from quality.testkit.memory_aws.calls import answering
from quality.testkit.memory_aws.events import MemoryEventBridge, MemorySns
from quality.testkit.memory_aws.secrets_manager import MemorySecretsManager
from quality.testkit.memory_aws.sqs import MemorySqs


@dataclass
class MemoryAccount:
    """The services of one account."""

    dynamodb: MemoryDynamoDB = field(default_factory=MemoryDynamoDB)
    sqs: MemorySqs = field(default_factory=MemorySqs)
    secrets_manager: MemorySecretsManager = field(default_factory=MemorySecretsManager)
    sns: MemorySns = field(default_factory=MemorySns)


@contextmanager
def memory_account() -> Iterator[MemoryAccount]:
    """Answer all calls to these services while the block runs."""
    account = MemoryAccount()
    services = {
        "dynamodb": account.dynamodb,
        "sqs": account.sqs,
        "secretsmanager": account.secrets_manager,
        "events": MemoryEventBridge(account.sqs),
        "sns": account.sns,
    }
    with answering(services):
        yield account

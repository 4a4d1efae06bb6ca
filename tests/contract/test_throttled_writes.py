"""AWS throttles, and cancels transactions that meet others: no write of any flow is lost, and nothing ends otherwise.

botocore retries neither a canceled transaction nor a write that meets one. The hook below answers as AWS does: every
read of the table and every write of every function fails twice before it succeeds.
"""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from typing import Any
from unittest.mock import patch

import pytest
from botocore.client import BaseClient

from devstack.sandbox.remote import Remote
from devstack.sandbox.server import Sandbox
from leadbridge.runtime import aws_errors
from quality.testkit.aws.all_flows import live
from quality.testkit.aws.aws_answers import aws_error, canceled
from quality.testkit.aws.memory_stack import MemoryStack, memory_stack
from quality.testkit.aws.recorded_flows import AllFlows, outcomes

FAILURES = 2  # of each call before it succeeds
PLAIN = (
    *("ProvisionedThroughputExceededException", "TransactionConflictException"),
    *("ThrottlingException", "RequestLimitExceeded", "InternalServerError"),
)
REASONS = ("ThrottlingError", "ProvisionedThroughputExceeded", "TransactionConflict")
QUEUE = ("RequestThrottled", "KmsThrottled")
WRITES = frozenset({"PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem"})
READS = frozenset({"GetItem", "Query", "BatchGetItem"})
READ_ERRORS = ("ProvisionedThroughputExceededException", "ThrottlingException", "InternalServerError")


@contextmanager
def throttled(stack: MemoryStack) -> Iterator[Counter[str]]:
    """Fail every read and write of a function before it succeeds. Yields how many failed, by operation."""
    call, tries, failed = BaseClient._make_api_call, Counter[str](), Counter[str]()  # type: ignore[attr-defined]
    codes = {
        "SendMessage": cycle(QUEUE),
        **dict.fromkeys(WRITES, cycle(PLAIN)),
        **dict.fromkeys(READS, cycle(READ_ERRORS)),
    }
    reasons = cycle(REASONS)

    def make(client: Any, operation: str, parameters: dict[str, Any]) -> Any:
        key = json.dumps([operation, parameters], sort_keys=True, default=str)
        if stack.is_at_work and tries[key] < FAILURES and operation in {"TransactWriteItems", *codes}:
            tries[key] += 1
            failed[operation] += 1
            if operation == "TransactWriteItems":
                raise canceled(*["None"] * (len(parameters["TransactItems"]) - 1), next(reasons))
            raise aws_error(next(codes[operation]), operation)
        return call(client, operation, parameters)

    with patch.object(BaseClient, "_make_api_call", make):
        yield failed


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws_errors, "FIRST_PAUSE", 0)


def test_throttling_at_every_read_and_write_of_every_flow_changes_no_outcome(
    sandbox: Sandbox, all_flows: AllFlows
) -> None:
    partner = Remote(sandbox.url)
    partner.reset()
    with memory_stack() as stack, throttled(stack) as failed:
        live(stack, partner, sandbox.secrets())
        assert set(failed) >= {"TransactWriteItems", "SendMessage", "PutItem", "UpdateItem", "BatchWriteItem", *READS}
        assert outcomes() == all_flows.outcomes

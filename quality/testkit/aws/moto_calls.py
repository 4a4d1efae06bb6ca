"""AWS by moto, for the tests of AWS in memory, which run on both.

One call at a time: its tables are dictionaries, which threads calling at once find half changed.

moto ignores the idempotency token of a transaction. AWS keeps it for ten minutes: a succeeded transaction that is
retried with its token succeeds and changes nothing. This fake does the same.

What moto computes again for each start and each request is computed once: it took longer than the tests themselves.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import RLock
from typing import Any
from unittest.mock import patch

from jsonpath_ng import ext
from moto import backend_index
from moto.core import responses
from moto.core.base_backend import BackendDict
from moto.core.botocore_stubber import BotocoreStubber
from moto.core.model_instances import reset_model_data
from moto.core.models import MockAWS, botocore_stubber

from quality.testkit.aws.clients import session_with_shared_clients

SERVICES = ("dynamodb", "sqs", "events", "secretsmanager")

for _module, _name in (
    (responses, "camelcase_to_underscores"),
    (responses, "method_names_from_class"),
    (ext, "parse"),
):
    setattr(_module, _name, cache(getattr(_module, _name)))
backend_index.backend_url_patterns.sort(key=lambda pattern: pattern[0] not in SERVICES)


moto_session = cache(session_with_shared_clients)  # moto answers the clients of sessions made after its import


class _Mock(MockAWS):
    """moto for botocore only. For the library requests, which nothing here uses, it registers 9,000 addresses."""

    def _enable_patching(self, reset: bool = True) -> None:
        botocore_stubber.enabled = True
        if reset:
            BackendDict.reset()

    def _disable_patching(self, remove_data: bool) -> None:
        botocore_stubber.enabled = False
        if remove_data:
            BackendDict.reset()
            reset_model_data()


@contextmanager
def moto_calls() -> Iterator[None]:
    """AWS is moto while the block runs, from any thread."""
    lock, process = RLock(), BotocoreStubber.process_request
    done: dict[str, Any] = {}

    def alone(stubber: BotocoreStubber, request: Any) -> Any:
        with lock:
            token = _idempotency_token(request)
            if token in done:
                return done[token]
            answer = process(stubber, request)
            if token is not None and answer is not None and answer[0] == 200:
                done[token] = answer
            return answer

    with (
        patch.object(BotocoreStubber, "process_request", alone),
        _Mock(),
    ):
        yield


def _idempotency_token(request: Any) -> str | None:
    target = request.headers.get("X-Amz-Target", b"")  # botocore's headers are bytes
    if not (target.decode() if isinstance(target, bytes) else str(target)).endswith("TransactWriteItems"):
        return None
    token = json.loads(request.body).get("ClientRequestToken")
    return None if token is None else str(token)

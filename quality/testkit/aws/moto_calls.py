"""AWS by moto, one call at a time: its tables are dictionaries, which threads calling at once find half changed.

moto ignores the idempotency token of a transaction. AWS keeps it for ten minutes: a succeeded transaction that is
retried with its token succeeds and changes nothing. This fake does the same.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock
from typing import Any
from unittest.mock import patch

from moto import mock_aws
from moto.core.botocore_stubber import BotocoreStubber


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

    with patch.object(BotocoreStubber, "process_request", alone), mock_aws():
        yield


def _idempotency_token(request: Any) -> str | None:
    target = request.headers.get("X-Amz-Target", b"")  # botocore's headers are bytes
    if not (target.decode() if isinstance(target, bytes) else str(target)).endswith("TransactWriteItems"):
        return None
    token = json.loads(request.body).get("ClientRequestToken")
    return None if token is None else str(token)

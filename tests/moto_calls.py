"""AWS by moto, one call at a time: its tables are dictionaries, which threads calling at once find half changed."""

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

    def alone(stubber: BotocoreStubber, request: Any) -> Any:
        with lock:
            return process(stubber, request)

    with patch.object(BotocoreStubber, "process_request", alone), mock_aws():
        yield

"""Schedules faster than the emulator's, whose minimum is a minute."""

import json
import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

from devstack.clients import CONFIG, REGION, Emulator

logger = logging.getLogger(__name__)

INTERVALS = {"FindDue": 2.0, "SyncAccounts": 5.0}  # seconds after the last result
OFF = "LEADBRIDGE_WITHOUT_SCHEDULER"
"""The environment variable that turns the scheduler of a stack off: its tests call the functions while they wait."""


def intervals() -> dict[str, float]:
    """The functions that the scheduler of a stack calls, each with its interval."""
    return {} if os.environ.get(OFF) else INTERVALS


@contextmanager
def call_periodically(aws: Emulator, function: str, *, interval: float) -> Iterator[None]:
    """Call a scheduled function `interval` seconds after its last result, while the block runs."""
    call = caller(aws, function)
    is_over = threading.Event()

    def run() -> None:
        while not is_over.is_set():
            try:
                call()
            except (BotoCoreError, ClientError) as error:
                if not is_over.is_set():
                    logger.warning("%s could not be called: %s", function, error)
            is_over.wait(interval)

    threading.Thread(target=run, name="scheduler", daemon=True).start()
    try:
        yield
    finally:
        is_over.set()


def caller(aws: Emulator, function: str) -> Callable[[], object]:
    """Return what calls a scheduled function and waits for its result. Raises BotoCoreError and ClientError."""
    functions = aws.session.client("lambda", endpoint_url=aws.url, config=CONFIG)
    return lambda: functions.invoke(FunctionName=function, Payload=json.dumps(scheduled_event()))


def scheduled_event() -> dict[str, object]:
    """EventBridge's event for the target of a schedule."""
    return {
        "version": "0",
        "id": str(uuid4()),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "000000000000",
        "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": REGION,
        "resources": [f"arn:aws:events:{REGION}:000000000000:rule/local-schedule"],
        "detail": {},
    }

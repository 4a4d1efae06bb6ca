"""Schedules faster than the emulator's, whose minimum is a minute."""

import json
import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from devstack.clients import Emulator
from devstack.workdir import PROJECT

logger = logging.getLogger(__name__)

INTERVALS = {"FindDue": 2.0, "SyncAccounts": 5.0}  # seconds after the last result
OFF = "LEADBRIDGE_WITHOUT_SCHEDULER"  # the variable for a stack whose tests call the functions while they wait


@contextmanager
def call_periodically(aws: Emulator, functions: dict[str, str]) -> Iterator[None]:
    """Call scheduled functions, by their logical ids, each its interval after its last result, while the block runs."""
    is_over = threading.Event()

    def run(name: str, interval: float) -> None:
        call = caller(aws, name)
        while not is_over.is_set():
            try:
                call()
            except (BotoCoreError, ClientError) as error:
                if not is_over.is_set():
                    logger.warning("%s could not be called: %s", name, error)
            is_over.wait(interval)

    for function, interval in INTERVALS.items() if not os.environ.get(OFF) else ():
        threading.Thread(target=run, args=(functions[function], interval), name="scheduler", daemon=True).start()
    try:
        yield
    finally:
        is_over.set()


def caller(aws: Emulator, function: str) -> Callable[[], object]:
    """Return what calls a scheduled function and waits for its result. Raises BotoCoreError and ClientError."""
    functions = aws.client("lambda")
    return lambda: functions.invoke(FunctionName=function, Payload=json.dumps(scheduled_event()))


def scheduled_event() -> dict[str, Any]:
    """The event of a schedule. The functions read nothing of it."""
    return dict(json.loads((PROJECT / "events" / "find_due" / "tick.json").read_bytes()))

"""Put beside the runtime client and called in a function's place: calls the function, and writes when it was called.

Into `moments.txt` beside itself, in one line: when it was asked, when it had answered, by the clock that all processes
share; the CPU time that its process had had at both moments. It is run by the clean interpreter, which has no more.
"""

import os
import time
from importlib import import_module
from typing import Any

answer = import_module("app").handler

FILE = os.path.join(os.path.dirname(__file__), "moments.txt")  # noqa: PTH118, PTH120 - pathlib would count as theirs


def handler(event: dict[str, Any], context: Any) -> Any:
    """What app.handler answers."""
    asked, cpu_before = time.monotonic(), time.process_time()
    answered = answer(event, context)
    cpu_after, done = time.process_time(), time.monotonic()
    with open(FILE, "w") as file:  # noqa: PTH123
        file.write(f"{asked} {done} {cpu_before} {cpu_after}")
    return answered

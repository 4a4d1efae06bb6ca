"""A handler that calls the function's handler and writes timestamps. Copied next to the runtime client.

`handler_timestamps.txt` next to it has one line: the monotonic time at the call and at the answer, and the process's
CPU time at both. The interpreter that runs it has no other packages.
"""

import os
import time
from importlib import import_module
from typing import Any

answer = import_module("app").handler

FILE = os.path.join(os.path.dirname(__file__), "handler_timestamps.txt")  # noqa: PTH118, PTH120 - an import of pathlib would be measured


def handler(event: dict[str, Any], context: Any) -> Any:
    asked, cpu_before = time.monotonic(), time.process_time()
    answered = answer(event, context)
    cpu_after, done = time.process_time(), time.monotonic()
    with open(FILE, "w") as file:  # noqa: PTH123
        file.write(f"{asked} {done} {cpu_before} {cpu_after}")
    return answered

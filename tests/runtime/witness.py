"""Put beside the runtime client and called in a function's place: calls the function, then tells what it imported.

It is run by the clean interpreter and imports nothing of the tests.
"""

import sys
from importlib import import_module
from typing import Any


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """What app.handler answers, and every module's file and compiled file by its name."""
    answer = import_module("app").handler(event, context)
    specs = {name: module.__spec__ for name, module in list(sys.modules.items()) if module.__spec__ is not None}
    files = {name: (spec.origin, spec.cached) for name, spec in specs.items() if spec.has_location}
    return {"answer": answer, "files": files}

"""Put beside the runtime client and called in a function's place: calls the function, then tells what it did for that.

It is run by the clean interpreter and imports nothing of the tests.
"""

import dataclasses
import sys
from importlib import import_module
from typing import Any

compiled: list[str] = []


def note_compiled(event: str, args: tuple[Any, ...]) -> None:
    """Note the text of a data class that is compiled."""
    if event == "compile" and isinstance(args[0], str) and args[0].startswith("def __create_fn__"):
        compiled.append(args[0])


sys.addaudithook(note_compiled)
app = import_module("app")
made: list[str] = []


def note(module: str, owner: str, name: str, kind: str) -> None:
    """Note the calls of something that makes things, where it was imported: what kind of thing, and its name."""
    if module not in sys.modules:
        return
    holder = getattr(sys.modules[module], owner) if owner else sys.modules[module]
    make = getattr(holder, name)

    def noting(*args: Any, **kwargs: Any) -> Any:
        made.extend(f"{kind} {getattr(one, '__name__', one)}" for one in args if isinstance(one, str | type))
        return make(*args, **kwargs)

    setattr(holder, name, noting)


note("botocore.session", "Session", "create_client", "client")
note("pydantic._internal._model_construction", "", "complete_model_class", "model")


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """What app.handler answers, and every module's file and compiled file by its name.

    `made` are the clients and models that this request made, `late` the modules that it imported. `compiled` are the
    data classes whose code is not shipped, of the start and the request; None if all are compiled.
    """
    made.clear()
    before = set(sys.modules)
    answer = app.handler(event, context)
    specs = {name: module.__spec__ for name, module in list(sys.modules.items()) if module.__spec__ is not None}
    files = {name: (spec.origin, spec.cached) for name, spec in specs.items() if spec.has_location}
    late = sorted(set(sys.modules) - before)
    found = compiled if "exec" in vars(dataclasses) else None
    return {"answer": answer, "files": files, "made": made, "late": late, "compiled": found}

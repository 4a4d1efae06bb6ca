"""Compile the methods of all data classes that functions create, for the layer.

It imports every module of the package, and with them the libraries. `leadbridge.runtime.dataclass_code` says why.
"""

from __future__ import annotations

import builtins
import dataclasses
import pkgutil
import sys
from importlib import import_module
from pathlib import Path
from types import CodeType
from typing import Any


def main(file: str) -> None:
    code = record()
    from leadbridge.runtime import dataclass_code

    dataclass_code.write(Path(file), code)


def record() -> dict[str, CodeType]:
    """Import the package. Return the code of each text that `dataclasses` ran."""
    code: dict[str, CodeType] = {}

    def run(text: str, *scopes: Any) -> None:
        code[text] = compile(text, "<string>", "exec", dont_inherit=True)  # as the module `dataclasses` would
        builtins.exec(code[text], *scopes)  # noqa: S102

    vars(dataclasses)["exec"] = run
    try:
        package = import_module("leadbridge")
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            import_module(module.name)
    finally:
        del vars(dataclasses)["exec"]
    return code


if __name__ == "__main__":
    main(*sys.argv[1:])

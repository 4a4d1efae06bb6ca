"""The functions' modules, loaded from their folders as Lambda does."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType

from quality.testkit.template import ROOT


def load_function(flow: str, name: str) -> ModuleType:
    """A new module of the function's app.py, registered under a name."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "functions" / flow / "app.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

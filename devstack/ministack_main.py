"""Run MiniStack with two parts of it made faster. What it answers does not change.

MiniStack unpacks all layers whenever it starts a process, some 80 MB. Here each is unpacked once. It parses the
condition of a query again for each item. Here an expression is parsed once.

This file is run by its path, with the emulator's own Python.
"""

import hashlib
import os
import sys
import tempfile
import threading
import zipfile
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

from ministack.app import main
from ministack.core.lambda_runtime import Worker
from ministack.services import dynamodb, lambda_svc

FOLDERS = "_LAMBDA_LAYERS_DIRS"  # the variable in which a process of a function finds the folders of its layers
EXPRESSIONS = 512  # that are kept parsed

_unpacking = threading.Lock()
_spawn = Worker._spawn


def unpacked(layer: bytes) -> Path:
    """Return the folder with the content of a layer, unpacked if it is not yet there."""
    folder = Path(tempfile.gettempdir()) / f"layer-{hashlib.sha256(layer).hexdigest()}"
    with _unpacking:
        if not folder.exists():
            draft = folder.with_suffix(".new")
            with zipfile.ZipFile(BytesIO(layer)) as archive:
                archive.extractall(draft)
            draft.rename(folder)
    return folder


def spawn_with_shared_layers(worker: Worker) -> None:
    """Start a process of a function as MiniStack does, with the shared folders instead of its layers."""
    config = worker.config
    layers = [lambda_svc._resolve_layer_zip(layer) for layer in config.get("Layers", [])]
    folders = os.pathsep.join(str(unpacked(layer)) for layer in layers if layer)
    variables = {**config.get("Environment", {}).get("Variables", {}), FOLDERS: folders}
    worker.config = {**config, "Layers": [], "Environment": {"Variables": variables}}
    try:
        _spawn(worker)
    finally:
        worker.config = config


def parse_once() -> None:
    """Keep what MiniStack finds by an expression's text alone."""
    tokenize = dynamodb._tokenize
    dynamodb._tokenize = lru_cache(EXPRESSIONS)(lambda expression: tuple(tokenize(expression)))
    dynamodb._condition_syntax_error = lru_cache(EXPRESSIONS)(dynamodb._condition_syntax_error)
    for name in ("_check_redundant_parens", "_check_reserved_keyword_usage"):
        setattr(dynamodb, name, of_tokens(lru_cache(EXPRESSIONS)(getattr(dynamodb, name))))


def of_tokens(check: Any) -> Any:
    """Return a check whose tokens may be in a list."""
    return lambda tokens, *slot: check(tuple(tokens), *slot)


Worker._spawn = spawn_with_shared_layers
parse_once()

if __name__ == "__main__":
    sys.exit(main())

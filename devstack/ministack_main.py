"""Run MiniStack so that each layer is unpacked once, not again for each process of a function.

MiniStack unpacks all layers whenever it starts a process: seconds of work and some 80 MB each time. On AWS, too, the
processes of one host share the read-only content of a layer. This file is run by its path, with the emulator's own
Python, and imports nothing of the package.
"""

import hashlib
import os
import sys
import tempfile
import threading
import zipfile
from io import BytesIO
from pathlib import Path

from ministack.app import main
from ministack.core.lambda_runtime import Worker
from ministack.services import lambda_svc

FOLDERS = "_LAMBDA_LAYERS_DIRS"
"""The variable in which a process of a function finds the folders of its layers."""

_unpacking = threading.Lock()


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
        spawn(worker)
    finally:
        worker.config = config


spawn = Worker._spawn
Worker._spawn = spawn_with_shared_layers

if __name__ == "__main__":
    sys.exit(main())

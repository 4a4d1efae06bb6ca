"""The functions need nothing that is not shipped, what is shipped is compiled, and what they write is JSON."""

import importlib.util
import json
import struct
import sysconfig
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from urllib3.exceptions import ProtocolError

from devstack.clients import Emulator
from devstack.sandbox.remote import Remote
from devstack.sandbox.server import Sandbox
from quality.testkit.lambda_runtime.cloud import Backend, Cloud
from quality.testkit.lambda_runtime.runtime import Function, FunctionFailed, running
from quality.testkit.lambda_runtime.samples import FUNCTIONS, cases, sample
from quality.testkit.lambda_runtime.scenarios import SCENARIOS
from quality.testkit.lambda_runtime.workshop import Workshop

STANDARD_LIBRARY = Path(sysconfig.get_path("stdlib"))
NEVER_CHECKED_AGAINST_ITS_SOURCE = 0b01  # PEP 552's flags: compiled with --invalidation-mode unchecked-hash


CANARY = """from importlib.util import find_spec

assert [name for name in ("pytest", "moto", "devstack", "pip") if find_spec(name)] == []
import pytest


def handler(event, context):
    return "imported"
"""


def test_a_function_that_imports_what_no_layer_has_does_not_start(
    workshop: Workshop, cloud: Cloud, tmp_path: Path
) -> None:
    (tmp_path / "app.py").write_text(CANARY)
    path = [tmp_path, *workshop.path("Authorize")[1:]]
    environment, log = cloud.environment("Authorize"), tmp_path / "canary.log"

    with (
        running(
            "Canary", path=path, handler="app.handler", environment=environment, log=log, lock=workshop.lock
        ) as canary,
        pytest.raises(FunctionFailed, match=r"^Runtime\.ImportModuleError: .*No module named 'pytest'"),
    ):
        answer_of(canary)


def answer_of(canary: Function) -> Any:
    """What it answers; the emulator may hang up on the caller when the runtime ends while it starts."""
    for _ in range(5):
        with suppress(ProtocolError):
            return canary.invoke({})
    raise AssertionError("it hung up five times")


@pytest.fixture(scope="module", autouse=True)
def _unchanged_build(workshop: Workshop) -> Iterator[None]:
    """No function writes where it is installed, which is read-only on AWS."""
    before = contents(workshop.workdir.build)
    yield
    assert contents(workshop.workdir.build) == before


@pytest.mark.parametrize("function", sorted(FUNCTIONS))
def test_function_is_ready_when_it_has_started_and_needs_only_what_is_shipped(
    workshop: Workshop, emulator: Emulator, partners: Sandbox, tmp_path: Path, function: str
) -> None:
    """The first request makes nothing that the start could make, and then each sample event is answered.

    All code is imported from what is shipped and compiled, all lines of the log are JSON.
    """
    scenario = SCENARIOS[function]
    backend = Backend.made(emulator, Remote(partners.url), partners.secrets(), scenario.configuration)
    event = scenario.prepare(backend)
    with workshop.started(function, cloud=backend.cloud, logs=tmp_path, handler="witness.handler") as started:
        first = started.invoke(event)
        for case in (case for name, case in cases() if name == function):
            files = started.invoke(sample(function, case))["files"]
        lines = started.log_lines()

    shipped = [workshop.workdir.build / function, *workshop.layers]
    late = [name for name in first["late"] if name in first["files"] and lies_in(first["files"][name][0], shipped)]
    assert scenario.is_expected(first["answer"])
    assert (first["made"], late) == ([], [])
    assert first["compiled"] == []  # the layer ships the code of all data classes
    assert [line for line in lines if "a warm-up step failed" in line] == []

    ours = {name: Path(cached) for name, (file, cached) in files.items() if cached and lies_in(file, shipped)}
    expected = [*shipped, workshop.client, STANDARD_LIBRARY]
    strangers = {
        name: file
        for name, (file, _) in files.items()
        if not lies_in(file, expected) or "site-packages" in Path(file).parts
    }
    assert strangers == {}
    assert "app" in ours
    assert [name for name, cached in ours.items() if not is_ready(cached)] == []
    assert lines
    assert [line for line in lines if not is_json_object(line)] == []


def contents(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of every file in a folder."""
    stats = {str(file): file.stat() for file in folder.rglob("*") if file.is_file()}
    return {file: (stat.st_size, stat.st_mtime_ns) for file, stat in stats.items()}


def lies_in(file: str, folders: list[Path]) -> bool:
    return any(Path(file).is_relative_to(folder) for folder in folders)


def is_ready(compiled: Path) -> bool:
    """Whether Python takes a compiled file as it is, without a look at the source's time, which a zip changes."""
    if not compiled.exists():
        return False
    head = compiled.read_bytes()[:8]
    magic, (flags,) = head[:4], struct.unpack("<I", head[4:])
    return magic == importlib.util.MAGIC_NUMBER and flags == NEVER_CHECKED_AGAINST_ITS_SOURCE


def is_json_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False

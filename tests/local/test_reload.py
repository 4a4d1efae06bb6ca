"""What `make reload` replaces, and how it refuses what would not run."""

import io
import json
import shutil
import zipfile
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any

import pytest

from devstack import deployment, reload
from devstack.workdir import PROJECT, LocalError, Workdir

LAYERS = [
    f"arn:aws:lambda:eu-central-1:1:layer:{name}:1" for name in ("leadbridge-local-dependencies", reload.LAYER_NAME)
]


class Emulator:
    """Functions with versions and an alias, as the emulator keeps them."""

    def __init__(self, *names: str) -> None:
        self.versions = {name: ["1"] for name in names}
        self.alias = dict.fromkeys(names, "1")
        self.layers = dict.fromkeys(names, LAYERS)
        self.code: dict[str, bytes] = {}
        self.error = ""

    def publish_layer_version(self, LayerName: str, Content: object) -> dict[str, str]:
        return {"LayerVersionArn": f"arn:aws:lambda:eu-central-1:1:layer:{LayerName}:2"}

    def update_function_code(self, FunctionName: str, ZipFile: bytes) -> None:
        self.code[FunctionName] = ZipFile

    def get_function_configuration(self, FunctionName: str) -> dict[str, Any]:
        return {"Layers": [{"Arn": arn} for arn in self.layers[FunctionName]]}

    def update_function_configuration(self, FunctionName: str, Layers: list[str]) -> None:
        self.layers[FunctionName] = Layers

    def publish_version(self, FunctionName: str) -> dict[str, str]:
        self.versions[FunctionName].append(str(len(self.versions[FunctionName]) + 1))
        return {"Version": self.versions[FunctionName][-1]}

    def invoke(self, FunctionName: str, Qualifier: str, Payload: bytes) -> dict[str, Any]:
        assert Qualifier in self.versions[FunctionName]
        answer = {"Payload": io.BytesIO(json.dumps({"errorMessage": self.error}).encode())}
        return answer | ({"FunctionError": "Unhandled"} if self.error else {})

    def update_alias(self, FunctionName: str, Name: str, FunctionVersion: str) -> None:
        self.alias[FunctionName] = FunctionVersion

    def get_alias(self, FunctionName: str, Name: str) -> dict[str, str]:
        return {"FunctionVersion": self.alias[FunctionName]}

    def list_versions_by_function(self, FunctionName: str) -> dict[str, Any]:
        return {"Versions": [{"Version": one} for one in ("$LATEST", *self.versions[FunctionName])]}

    def delete_function(self, FunctionName: str, Qualifier: str) -> None:
        assert self.alias[FunctionName] != Qualifier
        self.versions[FunctionName].remove(Qualifier)


def test_changed_code_reaches_its_function_only() -> None:
    emulator = Emulator("a", "b")
    reload.publish(emulator, ["a", "b"], code={"a": b"zip"}, layer=None, tried=["a"])
    assert emulator.code == {"a": b"zip"}
    assert emulator.alias == {"a": "2", "b": "1"}
    assert emulator.versions == {"a": ["1", "2"], "b": ["1"]}, "the old process may still be at work"
    reload.delete_old_versions(emulator, ["a", "b"])
    assert emulator.versions == {"a": ["2"], "b": ["1"]}


def test_a_changed_package_reaches_every_function_and_leaves_the_dependencies() -> None:
    emulator = Emulator("a", "b")
    reload.publish(emulator, ["a", "b"], code={}, layer=b"zip", tried=["a"])
    assert emulator.alias == {"a": "2", "b": "2"}
    assert emulator.layers["b"] == [LAYERS[0], LAYERS[1].removesuffix("1") + "2"]


def test_code_that_does_not_start_does_not_become_live() -> None:
    emulator = Emulator("a", "b")
    emulator.error = "Worker init failed: No module named 'x'"
    with pytest.raises(LocalError, match=r"a does not start.*No module named 'x'"):
        reload.publish(emulator, ["a", "b"], code={}, layer=b"zip", tried=["a"])
    assert emulator.alias == {"a": "1", "b": "1"}
    reload.delete_old_versions(emulator, ["a", "b"])
    assert emulator.versions == {"a": ["1"], "b": ["1"]}


def test_a_handler_that_fails_with_an_empty_event_has_started() -> None:
    emulator = Emulator("a")
    emulator.error = "'headers'"
    reload.publish(emulator, ["a"], code={"a": b"zip"}, layer=None, tried=["a"])
    assert emulator.alias == {"a": "2"}


@pytest.fixture
def workdir(tmp_path: Path) -> Workdir:
    return Workdir(tmp_path)


def test_a_function_is_built_compiled(workdir: Workdir, tmp_path: Path) -> None:
    reload.build(workdir, "FindDue", "functions", tmp_path / "built")
    assert Path(cache_from_source(str(tmp_path / "built" / "app.py"))).exists(), "a cold start compiles nothing"
    with zipfile.ZipFile(io.BytesIO(reload.zipped(tmp_path / "built"))) as archive:
        assert archive.read("app.py") == (PROJECT / "functions" / "find_due" / "app.py").read_bytes()


def test_a_file_that_is_not_python_is_named_with_its_line(
    workdir: Workdir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(PROJECT / "functions", tmp_path / "functions")
    (tmp_path / "functions" / "find_due" / "app.py").write_text("ok = 1\ndef wrong(:\n")
    monkeypatch.setattr(reload, "PROJECT", tmp_path)
    with pytest.raises(LocalError, match=r"(?s)functions/find_due/app\.py.*line 2.*invalid syntax"):
        reload.build(workdir, "FindDue", "functions", tmp_path / "built")


@pytest.mark.parametrize(("logical_id", "folder"), [("ServeConsole", "serve_console"), ("Authorize", "authorize")])
def test_a_function_has_its_folder(logical_id: str, folder: str) -> None:
    assert reload.folder_of(logical_id) == folder
    assert (PROJECT / "functions" / folder / "app.py").exists()


def test_a_changed_template_needs_a_new_stack() -> None:
    before = deployment.fingerprint()
    assert deployment.changes(before, before) == set()
    parts = [part.partition("=")[0] for part in before.split()]
    assert {"functions/find_due", "config"} < set(parts)
    for part in parts:
        now = before.replace(f"{part}=", f"{part}=x")
        assert deployment.changes(before, now) == {part}
        assert deployment.needs_rebuild(before, now) == (part == "build")
    for path in (*deployment.BUILT, *deployment.IN_LAYER):
        assert (PROJECT / path).exists()

"""What `make reload` replaces, and how it refuses what would not run."""

import io
import json
import time
import zipfile
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any

import pytest

from devstack import deployment, reload
from devstack.workdir import PROJECT, LocalError

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

    def publish_layer_version(self, LayerName: str, **_: object) -> dict[str, str]:
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
def folders(tmp_path: Path) -> tuple[Path, Path]:
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "inner").mkdir(parents=True)
    (source / "app.py").write_text("print(1)\n")
    (source / "inner" / "page.html").write_text("one")
    reload.copy(source, target, [source / "app.py", source / "inner" / "page.html"])
    return source, target


def test_what_was_copied_does_not_differ(folders: tuple[Path, Path]) -> None:
    source, target = folders
    assert reload.differences(source, target) == []
    assert Path(cache_from_source(str(target / "app.py"))).exists(), "a cold start compiles nothing"


def test_changed_new_and_removed_files_are_found_and_applied(folders: tuple[Path, Path]) -> None:
    source, target = folders
    (source / "app.py").write_text("print(2)\n")
    (source / "more.py").write_text("")
    (source / "inner" / "page.html").unlink()
    found = reload.differences(source, target)
    assert found == [source / "app.py", source / "inner" / "page.html", source / "more.py"]
    reload.copy(source, target, found)
    assert reload.differences(source, target) == []
    assert not (target / "inner" / "page.html").exists()
    with zipfile.ZipFile(io.BytesIO(reload.zipped(target))) as archive:
        assert archive.read("app.py") == b"print(2)\n"


def test_the_shipped_configuration_is_no_file_in_excess(folders: tuple[Path, Path]) -> None:
    source, target = folders
    (target / "config").mkdir()
    (target / "config" / "local.pickle").write_text("")
    assert reload.differences(source, target) == []
    (source / "messages.toml").write_text("")
    time.sleep(0.01)
    assert not reload.is_newer(target, source / "nothing")
    assert reload.is_newer(source, target / "nothing")


def test_a_file_that_is_not_python_is_named_with_its_line() -> None:
    wrong = PROJECT / "functions" / "Makefile"
    reload.check_syntax([wrong])  # only Python is compiled
    broken = PROJECT / "functions" / "find_due" / "gone.py"
    reload.check_syntax([broken])  # a removed file cannot be wrong


def test_a_syntax_error_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reload, "PROJECT", tmp_path)
    file = tmp_path / "app.py"
    file.write_text("ok = 1\ndef wrong(:\n")
    with pytest.raises(LocalError, match=r"^app\.py:2: invalid syntax"):
        reload.check_syntax([file])


@pytest.mark.parametrize(("logical_id", "folder"), [("ServeConsole", "serve_console"), ("Authorize", "authorize")])
def test_a_function_has_its_folder(logical_id: str, folder: str) -> None:
    assert reload.folder_of(logical_id) == folder
    assert (PROJECT / "functions" / folder / "app.py").exists()


def test_a_changed_template_needs_a_new_stack() -> None:
    assert deployment.needs_rebuild("1-a", "2-a")
    assert not deployment.needs_rebuild("1-a", "1-b")
    assert deployment.fingerprint() == deployment.fingerprint()
    for path in (*deployment.BUILT, *deployment.RELOADED):
        assert (PROJECT / path).exists()

"""Data classes are created from the code that the build compiled, and are the same as otherwise."""

import dataclasses
import inspect
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from leadbridge.runtime import dataclass_code
from tools import dataclass_code as build


@pytest.fixture(autouse=True)
def _uninstalled() -> Iterator[None]:
    yield
    vars(dataclasses).pop("exec", None)


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that are compiled because they are not shipped."""
    texts: list[str] = []
    compile_text = dataclass_code.compiled

    def noting(text: str) -> Any:
        texts.append(text)
        return compile_text(text)

    monkeypatch.setattr(dataclass_code, "compiled", noting)
    return texts


def example() -> Any:
    """Create a data class, with most of what one may have."""

    @dataclasses.dataclass(frozen=True, order=True)
    class Example:
        first: int
        second: list[str] = dataclasses.field(default_factory=list)
        third: str = dataclasses.field(default="three", kw_only=True)

    return Example


def shipped(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Build the file of a package that has the class `Example` alone."""
    monkeypatch.setattr(build, "import_module", lambda _: example() and build)
    monkeypatch.setattr(pkgutil, "walk_packages", lambda *_: [])
    monkeypatch.setattr(build, "__path__", [], raising=False)
    build.main(str(folder / "code.bin"))
    return folder / "code.bin"


def test_a_class_is_the_same_from_shipped_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compiled: list[str]
) -> None:
    usual = example()
    dataclass_code.install(shipped(tmp_path, monkeypatch))

    made = example()

    assert compiled == []
    assert repr(made(1)) == repr(usual(1))
    assert made(1, ["a"]) == made(1, ["a"])
    assert made(1) < made(2)
    assert hash(made(1, ())) == hash(made(1, ()))
    assert made.__init__.__annotations__ == usual.__init__.__annotations__
    assert str(inspect.signature(made)) == str(inspect.signature(usual))
    with pytest.raises(dataclasses.FrozenInstanceError):
        made(1).first = 2


def test_a_class_that_is_not_shipped_is_compiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compiled: list[str]
) -> None:
    dataclass_code.install(shipped(tmp_path, monkeypatch))

    other = dataclasses.make_dataclass("Other", [("name", int)])

    assert len(compiled) == 1
    assert other(name=1) == other(1)
    assert vars(other)["__init__"].__annotations__ == {"name": int, "return": None}


def test_code_of_another_python_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compiled: list[str]
) -> None:
    file = shipped(tmp_path, monkeypatch)
    monkeypatch.setattr(dataclass_code, "MAGIC_NUMBER", b"next")

    dataclass_code.install(file)

    assert "exec" not in vars(dataclasses)
    assert example()(1).third == "three"


def test_without_the_file_classes_are_created_as_always(tmp_path: Path) -> None:
    dataclass_code.install(tmp_path / "none.bin")

    assert "exec" not in vars(dataclasses)

"""The layout of the package: small folders, few loose modules, one name for one class."""

import ast
import re
from collections import defaultdict
from pathlib import Path

from quality.testkit.template import ROOT

PACKAGE = ROOT / "layers" / "leadbridge" / "leadbridge"
MAX_MODULES = 16  # of one folder
BY_COMMAND = {"screenshots.py", "axe_everywhere.py"}  # in tests/, but pytest does not collect them
MAX_LOOSE = 3  # modules in the package's root
MAX_LINES = 400  # of one module
CODE = ("cli", "devstack", "functions", "infra", "layers", "quality", "tests", "tools")


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def test_no_folder_has_too_many_modules() -> None:
    folders = defaultdict(list)
    for module in modules():
        folders[module.parent.relative_to(PACKAGE)].append(module.name)
    assert {str(folder): len(names) for folder, names in folders.items() if len(names) > MAX_MODULES} == {}


def test_the_root_has_few_loose_modules() -> None:
    assert len(list(PACKAGE.glob("*.py"))) <= MAX_LOOSE


def test_no_two_classes_share_a_name() -> None:
    places = defaultdict(list)
    for module in modules():
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(str(module.relative_to(PACKAGE)))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_no_module_is_long() -> None:
    lengths = {str(path.relative_to(PACKAGE)): path.read_text(encoding="utf-8").count("\n") for path in modules()}
    assert {name: length for name, length in lengths.items() if length > MAX_LINES} == {}


def test_nothing_runs_when_the_package_is_imported() -> None:
    """An `__init__` holds a docstring, names and imports; no folder sets up the process."""
    for module in PACKAGE.rglob("__init__.py"):
        calls = [node for node in ast.parse(module.read_text(encoding="utf-8")).body if isinstance(node, ast.Expr)]
        assert all(isinstance(node.value, ast.Constant) for node in calls), module


def imported(path: Path) -> set[str]:
    """The dotted names that a file imports; a relative import begins with a dot."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names=aliases):
                names |= {alias.name for alias in aliases}
            case ast.ImportFrom(module=module, level=level):
                names.add("." * level + (module or ""))
    return names


def test_nothing_imports_a_test() -> None:
    """What tests share is in quality/testkit. pytest loads a `conftest`; no module imports one."""
    code = [path for folder in CODE for path in (ROOT / folder).rglob("*.py") if may_import_tests(path)]
    importing = {str(path.relative_to(ROOT)) for path in code for name in imported(path) if is_of_tests(path, name)}
    assert importing == set()


def may_import_tests(path: Path) -> bool:
    """Whether a file has the words of such an import. Only then is it parsed, which takes long for all files."""
    return re.search(r"\btests\b|conftest|^\s*from\s+\.", path.read_text(encoding="utf-8"), re.MULTILINE) is not None


def is_of_tests(path: Path, name: str) -> bool:
    is_relative_in_tests = name.startswith(".") and path.is_relative_to(ROOT / "tests")
    return (
        is_relative_in_tests
        or name.split(".", maxsplit=1)[0] == "tests"
        or name.rsplit(".", maxsplit=1)[-1] == "conftest"
    )


def test_a_folder_of_tests_holds_only_tests_and_fixtures() -> None:
    others = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "tests").rglob("*.py")
        if not path.name.startswith("test_") and path.name not in {"__init__.py", "conftest.py", *BY_COMMAND}
    }
    assert others == set()

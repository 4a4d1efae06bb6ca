"""No code reads our own texts: no regular expression matches them, and nothing compares them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from quality.testkit.template import ROOT

LAYER = ROOT / "layers" / "leadbridge" / "leadbridge"
STATIC = ROOT / "functions" / "serve_console" / "static"
PYTHON = [
    file
    for folder in ("layers/leadbridge", "functions", "cli", "quality", "infra", "devstack", "tools")
    for file in sorted((ROOT / folder).rglob("*.py"))
]
FREE_TEXTS = frozenset({"last_error", "detail", "reason"})  # attributes and keys that hold a wording
READING = frozenset({"startswith", "endswith", "partition", "split", "find", "count"})


@cache
def texts() -> frozenset[str]:
    """Every text of more than two words in the layer's code, with numbers for what is put into it."""
    found = set()
    for file in sorted(LAYER.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = [one.value if isinstance(one, ast.Constant) else "24" for one in node.values]
                found.add("".join(map(str, parts)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and "\n" not in node.value:
                found.add(node.value)
    return frozenset(text for text in found if len(text.split()) > 2)


def patterns_in(file: Path) -> Iterator[str]:
    """The regular expressions of a script or a module."""
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".js":
        yield from re.findall(r"(?<![\w)<*/])/(?![/* ])((?:[^/\\\n\[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+)/[a-z]*", text)
        return
    for node in ast.walk(ast.parse(text)) if "re." in text else ():
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "re"
            and node.args
            and isinstance(node.args[0], ast.Constant)
            and isinstance(node.args[0].value, str)
        ):
            yield node.args[0].value


def reads(pattern: str, written: frozenset[str]) -> bool:
    """Whether a regular expression names words of one of the texts, and finds them."""
    if not re.search(r"[a-z]{3,}(?: |\\s\+?)[a-z]{2,}|^\^?[a-z]{4,} ", pattern):
        return False
    try:
        compiled = re.compile(pattern)
    except re.error:
        return False
    return any(compiled.search(text) for text in written - {pattern})


def test_no_regular_expression_reads_our_texts() -> None:
    written = texts()
    assert "the person was erased before it was sent" in written
    scripts = [file for file in STATIC.glob("*.js") if not file.name.startswith(("words.", "uplot"))]
    found = [(file.name, one) for file in (*scripts, *PYTHON) for one in patterns_in(file) if reads(one, written)]
    assert found == []


@pytest.mark.parametrize(
    "pattern", ["was erased", "is settled in this way", "no answer came back|worker stopped", r"^deal (\d+)$"]
)
def test_such_an_expression_would_be_found(pattern: str) -> None:
    assert reads(pattern, texts() | {"deal 24"})


def wording(node: ast.AST) -> bool:
    """Whether an expression is an attribute or a key that holds a wording."""
    match node:
        case ast.Attribute(attr=name) | ast.Subscript(slice=ast.Constant(value=name)):
            return name in FREE_TEXTS
        case ast.Call(func=ast.Attribute(attr="get"), args=[ast.Constant(value=name), *_]):
            return name in FREE_TEXTS
        case ast.BoolOp(values=[first, *_]):
            return wording(first)
        case _:
            return False


def comparisons_in(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Compare(left=left, comparators=[*rest]) if any(map(wording, [left, *rest])):
                others = [one for one in (left, *rest) if not wording(one)]
                is_none = all(isinstance(one, ast.Constant) and one.value is None for one in others)
                if not (is_none and others):
                    yield ast.unparse(node)
            case ast.Call(func=ast.Attribute(attr="startswith" | "endswith" | "partition" | "split", value=of)) if (
                wording(of)
            ):
                yield ast.unparse(node)


def test_nothing_compares_our_texts() -> None:
    sources = {file: file.read_text(encoding="utf-8") for file in PYTHON}
    found = {
        f"{file.relative_to(ROOT)}: {one}"
        for file, source in sources.items()
        if any(name in source for name in FREE_TEXTS)
        for one in comparisons_in(ast.parse(source))
    }
    assert found == set()


@pytest.mark.parametrize(
    "source",
    ['one.last_error == "x"', '(one.detail or "").startswith("x")', '"x" in one["reason"]', "b.text == a.last_error"],
)
def test_such_a_comparison_would_be_found(source: str) -> None:
    assert list(comparisons_in(ast.parse(source)))

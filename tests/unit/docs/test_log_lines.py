"""The documentation names log lines by their messages. Each message must exist in the code."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from quality.testkit.template import ROOT

PAGES = sorted((ROOT / "docs").rglob("*.md"))
NAMED = re.compile(r'\blines? `([^`]+)`|filter message = "([^"]+)"')


def named() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for found in NAMED.finditer(page.read_text(encoding="utf-8")):
            yield page.name, found[1] or found[2]


@cache
def logged() -> set[str]:
    """Return the messages that functions and layer log."""
    return {
        message for folder in ("functions", "layers") for path in (ROOT / folder).rglob("*.py") for message in of(path)
    }


def of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="logger")), args=[ast.Constant(value=str(message)), *_]):
                yield message


@pytest.mark.parametrize(("page", "message"), sorted(set(named())))
def test_a_log_line_of_the_documentation_exists(page: str, message: str) -> None:
    assert message in logged()

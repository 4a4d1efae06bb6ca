"""Code asks for a partner or its kind, and never for one by name: a new kind is a folder and configuration."""

import re
import subprocess
from pathlib import Path

import pytest

from leadbridge.partners.registry import kind_names
from quality.testkit.template import ROOT

SOURCES = re.compile(r"^(?:layers|functions|cli|tools|quality|devstack|infra)/.*\.(?:py|js|mjs|html)$")
OWN = tuple(
    f"{folder}/{kind}/"
    for folder in ("layers/leadbridge/leadbridge/partners", "devstack/sandbox")
    for kind in kind_names()
)
# What demonstrates one partner.
NAMING = {
    "devstack/commands/demo.py": "the journeys of the sample leads, each to the partner that it is for",
}
EXEMPT = ("quality/benchmarks/", "quality/testkit/")  # they measure one partner, or are its tests' fixtures


def sources() -> list[str]:
    """Every tracked source outside the kinds' own folders."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, text=True, capture_output=True, check=True).stdout.split()
    found = [name for name in listed if SOURCES.match(name) and not name.startswith(OWN) and (ROOT / name).is_file()]
    return [name for name in found if not name.startswith(EXEMPT)]


def literals(path: Path) -> list[str]:
    """The lines of a file that name a partner."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [f"{number}: {line.strip()}" for number, line in enumerate(lines, 1) if names_a_kind(line)]


def names_a_kind(line: str) -> bool:
    """Whether a line has a kind's name, as a text or in an identifier. What people call the partner is not one."""
    return any(kind in line.replace("_", "").lower() for kind in kind_names())


def test_no_source_names_a_partner() -> None:
    assert len(sources()) > 250
    named = {name: found for name in sources() if name not in NAMING and (found := literals(ROOT / name))}
    assert named == {}


def test_what_may_name_a_partner_does() -> None:
    assert [name for name in NAMING if not literals(ROOT / name)] == []


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ('partner == "matchtrade"', True),
        ("queue = 'submit-leadleader'", True),
        ("from leadbridge.partners.matchtrade.client import MatchTrade", True),
        ("partner = lead_leader()", True),
        ("# RSA as Lead Leader requires it", False),
    ],
)
def test_a_literal_is_recognized(line: str, names: bool) -> None:
    assert names_a_kind(line) is names

"""docs/partners.md names every place that a new partner kind is written into."""

import re
import subprocess

import pytest

from leadbridge.partners.registry import kind_names
from quality.testkit.documents import tokens
from quality.testkit.template import ROOT

PAGE = ROOT / "docs" / "partners.md"
NAMED = {token.content for token in tokens(PAGE) if token.type == "code_inline"}
MOST_EXISTING_FILES = 8
# They name the partners of today, and would be no worse without the next; or they are made from the code.
MAY_LACK_ONE = (
    "config/schemas/",
    "README.md",
    "CHANGELOG.md",
    "quality/",
    "docs/",
    "tests/",
    "events/",
    "uv.lock",
    "devstack/",
)
MADE_OF_LEADS = ("config/sources.local.toml", "config/partners.dev.toml")


def existing_files() -> set[str]:
    """The existing files that the page asks to change."""
    table = PAGE.read_text(encoding="utf-8").partition("## Existing files")[2].partition("\n## ")[0]
    return set(re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE))


@pytest.mark.parametrize("kind", kind_names())
def test_every_place_is_there_for_every_kind(kind: str) -> None:
    folders = [name.replace("{kind}", kind) for name in NAMED if "{kind}/" in name]
    assert len(folders) == 2
    assert [folder for folder in folders if not (ROOT / folder).is_dir()] == []


def test_a_kind_needs_few_existing_files() -> None:
    assert 0 < len(existing_files()) <= MOST_EXISTING_FILES
    assert [name for name in existing_files() if not (ROOT / name).is_file()] == []


def test_whatever_names_all_kinds_is_on_the_page() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, text=True, capture_output=True, check=True).stdout.split()
    named = {name for name in tracked if not name.startswith(MAY_LACK_ONE) and names_all(name)}
    assert named - existing_files() - set(MADE_OF_LEADS) == set()


def names_all(name: str) -> bool:
    try:
        text = (ROOT / name).read_text(encoding="utf-8")
    except (UnicodeDecodeError, FileNotFoundError):
        return False
    return all(kind in text.replace("_", "").lower() for kind in kind_names())

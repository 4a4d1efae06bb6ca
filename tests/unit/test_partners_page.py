"""docs/partners.md names every place that a new partner has to be written into."""

import re
import subprocess
from pathlib import Path

import pytest

from quality.testkit.documents import tokens
from quality.testkit.template import ROOT
from tools.config import read_toml

PAGE = ROOT / "docs" / "partners.md"
NAMED = {token.content for token in tokens(PAGE) if token.type == "code_inline" and "/" in token.content}
PARTNERS = sorted(read_toml(ROOT / "config", "prod")["partners"])
SPELT = {"leadleader": "lead_?leader", "matchtrade": "match_?trade"}
WHOLE = "quality/chaos/"  # a folder that is on the page as a whole
# They name the partners of today, and would be no worse without the next.
MAY_LACK_ONE = ("README.md", "CHANGELOG.md", "quality/benchmarks/", "docs/", "tests/", "uv.lock")


def test_the_partners_of_today_are_those_it_was_written_of() -> None:
    assert sorted(SPELT) == PARTNERS


@pytest.mark.parametrize("partner", PARTNERS)
def test_every_place_is_there_for_every_partner(partner: str) -> None:
    folders = [name.replace("{partner}", partner) for name in NAMED if "{partner}" in name]
    assert len(folders) == 2
    assert [folder for folder in folders if not (ROOT / folder).is_dir()] == []


def test_whatever_names_both_partners_is_on_the_page() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, text=True, capture_output=True, check=True).stdout.split()
    both = [name for name in tracked if not name.startswith(MAY_LACK_ONE) and names_both(ROOT / name)]
    words = [name for name in both if re.search(r"words\.\w\w\.js$", name)]
    assert len(both) > 15
    assert WHOLE in NAMED
    assert [one for one in both if one not in {*NAMED, *words, "template.yaml"} and not one.startswith(WHOLE)] == []


def names_both(file: Path) -> bool:
    try:
        text = file.read_text(encoding="utf-8")
    except (UnicodeDecodeError, FileNotFoundError):
        return False
    return all(re.search(spelling, text, re.IGNORECASE) for spelling in SPELT.values())

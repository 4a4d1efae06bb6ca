"""docs/reliability.md and the code have the same checks, and the page says where they are."""

import re

from quality.chaos.checks import CHECKS
from quality.testkit.template import ROOT


def test_the_page_lists_the_checks_that_there_are() -> None:
    page = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    table = page.partition("## What must hold")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(CHECKS)


def test_a_check_says_what_it_proves() -> None:
    assert all(check.__doc__ for check in CHECKS.values())

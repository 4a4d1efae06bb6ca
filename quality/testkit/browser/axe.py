"""axe, which finds what is not accessible on a page."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import axe_playwright_python  # type: ignore[import-untyped]
from playwright.sync_api import Page

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


COLOUR_RULES = ["color-contrast", "link-in-text-block"]
"""The rules among these that depend on the colour scheme."""


@cache
def script() -> str:
    """The script of axe."""
    return Path(axe_playwright_python.__file__).with_name("axe.min.js").read_text(encoding="utf-8")


def violations(page: Page, *, but: Sequence[str] = ()) -> list[Any]:
    """What axe finds wrong with the page as it stands, without the rules in `but`."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(script())
    # Of the elements that pass a rule only the first is reported.
    options = {"runOnly": RULES, "resultTypes": ["violations"], "rules": {rule: {"enabled": False} for rule in but}}
    found = page.evaluate("(options) => axe.run(document, options)", options)
    return [(one["id"], [node["html"][:200] for node in one["nodes"]]) for one in found["violations"]]

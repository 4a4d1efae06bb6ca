"""docs/security.md names code and tests that exist."""

import re

from quality.testkit.template import ROOT, template

PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
CODE = ROOT / "layers" / "leadbridge" / "leadbridge"


def test_every_test_that_it_names_exists() -> None:
    named = {
        found.removeprefix("tests/")
        for found in re.findall(r"`([\w*/]+\.py)`", PAGE)
        if re.match(r"(tests/)?(unit|contract|stack|browser|runtime)/", found)
    }
    assert len(named) > 20
    for name in named:
        assert list((ROOT / "tests").glob(name)), name


def test_every_file_that_it_names_exists() -> None:
    for name in re.findall(r"`((?:config|tools|devstack|forms|partners|auth)/[\w./]+)`", PAGE):
        assert (ROOT / name).exists() or (CODE / name).exists(), name


def test_every_parameter_that_it_names_exists() -> None:
    parameters = set(template()["Parameters"])
    for name in ("RetentionDays", "LogRetentionDays", "ThrottleRate", "ThrottleBurst", "FirewallLimit"):
        assert f"`{name}`" in PAGE
        assert name in parameters

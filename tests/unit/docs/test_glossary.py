"""docs/glossary.md explains every word of partners and forms that the configuration and the code know."""

import re

import pytest

from leadbridge.partners.leadleader.answers import AUTHORIZATION_ERRORS
from quality.testkit.documents import tokens
from quality.testkit.template import ROOT
from tools.config import read_toml

PAGE = ROOT / "docs" / "glossary.md"
TEXT = PAGE.read_text(encoding="utf-8")
IN_CODE = {token.content for token in tokens(PAGE) if token.type == "code_inline"}
CONFIG = read_toml(ROOT / "config", "prod")
CYRILLIC = re.compile(r"[А-Яа-яІіЇїЄєҐґ]")


@pytest.mark.parametrize("partner", sorted(CONFIG["partners"]))
def test_every_status_is_explained_with_its_outcome(partner: str) -> None:
    statuses = CONFIG["partners"][partner]["statuses"]
    assert statuses
    for status, ours in statuses.items():
        (row,) = [line for line in TEXT.splitlines() if line.startswith(f"| `{status}` |")]
        assert row.endswith(f"| `{ours['outcome']}` |")


def test_every_status_that_people_get_is_explained() -> None:
    told = CONFIG["messages"]["notifications"]
    assert {status for partner in told.values() for status in partner.get("statuses", {})} <= IN_CODE


def test_every_field_of_a_form_is_explained_where_it_goes() -> None:
    called = dict[str, str]()
    chapter = TEXT.partition("## Fields of forms")[2].partition("\n## ")[0]
    for row in re.findall(r"^\| (`.*?) \| (.*) \|$", chapter, re.MULTILINE):
        called |= dict.fromkeys(re.findall(r"`([\w.]+)`", row[0]), row[1])
    fields = {
        (field, place)
        for source in CONFIG["sources"].values()
        for field, place in source.get("fields", {}).items()
        if CYRILLIC.search(field)
    }
    assert len(fields) > 20
    assert [field for field, place in fields if field not in called.get(place, "")] == []


def test_every_error_of_lead_leaders_authorization_is_explained() -> None:
    assert [text for text in AUTHORIZATION_ERRORS if text not in IN_CODE] == []

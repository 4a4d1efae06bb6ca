"""Whatever the documentation points to is there."""

import datetime
import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from quality.testkit.documents import PAGES, links, slugs, tokens
from quality.testkit.template import ROOT

MAY_BE_MADE = re.compile(r"config/\w+\.(dev|prod)\.toml")  # what is otherwise in one environment
FOLDERS = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    assert [link for link in links(page) if not leads_somewhere(page, link)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_is_named_is_there(page: Path) -> None:
    mentioned = {token.content for token in tokens(page) if token.type == "code_inline"}
    named = {
        text for text in mentioned if re.fullmatch(r"[\w.-]+(/[\w.*-]+)+/?", text) and text.split("/")[0] in FOLDERS
    }
    assert [name for name in named if not list(ROOT.glob(name)) and not MAY_BE_MADE.fullmatch(name)] == []


@pytest.mark.parametrize("page", [page for page in PAGES if page.parent == ROOT / "docs"], ids=lambda page: page.name)
def test_every_page_can_be_found_from_the_readme(page: Path) -> None:
    from_readme = {(ROOT / link.partition("#")[0]).resolve() for link in links(ROOT / "README.md")}
    of_pages = {
        (one.parent / link.partition("#")[0]).resolve() for one in from_readme & {*PAGES} for link in links(one)
    }
    assert page in from_readme | of_pages


def leads_somewhere(page: Path, link: str) -> bool:
    if re.match(r"https?://", link):
        return link.startswith("https://")  # where that leads is not ours to promise
    path, _, anchor = unquote(link).partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.exists():
        return False
    return not anchor or (target.suffix == ".md" and anchor in slugs(target))


def test_decisions_are_numbered_by_date_and_listed() -> None:
    folder = ROOT / "docs" / "decisions"
    pages = sorted(folder.glob("[0-9]*.md"))
    assert [page.name[:4] for page in pages] == [f"{number:04}" for number in range(1, len(pages) + 1)]
    heads = [re.match(r"# (\d{4}): .+\n\nDate: (\S+)\n", page.read_text(encoding="utf-8")) for page in pages]
    assert all(head and head[1] == page.name[:4] for head, page in zip(heads, pages, strict=True))
    dates = [datetime.date.fromisoformat(head[2]) for head in heads if head]
    assert dates == sorted(dates)
    assert [link for link in links(folder / "README.md") if link[0].isdigit()] == [page.name for page in pages]

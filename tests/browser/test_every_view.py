"""Every view in every language: nothing that axe finds, no foreign word, no page that is wider than its window."""

import json
import re
from typing import Any, Literal

import pytest
from playwright.sync_api import Page

from leadbridge.runtime import aws
from leadbridge.settings import Settings
from quality.testkit.browser.axe import COLOUR_RULES, violations
from quality.testkit.browser.views import (
    HEIGHT,
    LANGUAGES,
    WIDTHS,
    console_in,
    every_view,
    shown_texts,
    with_everything,
)
from quality.testkit.browser.words import NAMES, latin_words
from quality.testkit.browser.world import TOKENS, Open, World
from quality.testkit.fixtures import TABLE

SCHEMES: tuple[Literal["light", "dark"] | None, ...] = ("light", "dark", None)
KEY = re.compile(r"\b[a-z]+(?:\.[a-z_]+)+\b")


def data_of(world: World, settings: Settings) -> set[str]:
    """The Latin words of all that the API returns about leads and partners, but of states, codes and errors."""
    known = [*settings.sources, *settings.partners, *(kind.label for kind in settings.partners.values() if kind.label)]
    known += [*TOKENS, "Lead Leader", "Match-Trade"]
    known += [name for source in settings.sources.values() for name in source.fields]
    scan = aws.dynamodb().scan(TableName=TABLE, ProjectionExpression="lead_id,person,loan,trading,utm,ids,answers")
    return latin_words(" ".join(known) + json.dumps(scan["Items"], ensure_ascii=False)) - {"Items"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_view_is_accessible_and_speaks_one_language_at_every_width(
    open_console: Open, world: World, shipped_settings: Settings, language: str
) -> None:
    """Each view is checked by axe in each language, at one of the widths, so that all of them have their turn.

    Its light and its dark colours are checked in one of the languages each, as no colour depends on the words.
    `axe_everywhere.py` checks each view at all widths in both schemes.
    """
    leads = with_everything(world, shipped_settings)
    allowed = NAMES | data_of(world, shipped_settings)
    page = console_in(open_console, language)
    turn = LANGUAGES.index(language)
    shown: list[str] = []
    wrong: list[Any] = []
    for number, view in enumerate(every_view(page, world, leads)):
        shown.append(view)
        turns = (number + turn) % len(WIDTHS)
        for width in (*WIDTHS[turns + 1 :], *WIDTHS[: turns + 1]):
            page.set_viewport_size({"width": width, "height": HEIGHT})
            found = page.evaluate("document.documentElement.scrollWidth")
            heights = page.locator("main button:visible").evaluate_all("(all) => all.map((one) => one.offsetHeight)")
            is_small = width == WIDTHS[0] and min(heights, default=40) < 40  # for a thumb
            if found > width or is_small:
                wrong.append((view, width, found, heights))
        for text in shown_texts(page):
            foreign = latin_words(text) - allowed
            if foreign if language != "en" else foreign and KEY.search(text):
                wrong.append((view, text, foreign))
        wrong += [(view, *one) for one in axe_finds(page, SCHEMES[(number // len(WIDTHS) + turn) % len(SCHEMES)])]
    assert len(shown) >= 20
    assert wrong == []


def axe_finds(page: Page, scheme: Literal["light", "dark"] | None) -> list[Any]:
    """What is wrong with the page as it stands, with its colours too if there is a scheme to check them in."""
    if scheme is None:
        return violations(page, but=COLOUR_RULES)
    page.emulate_media(color_scheme=scheme)
    return violations(page)

"""Accessibility: phones, keyboard, dark scheme, three languages, screen readers."""

import re
from typing import Literal

import pytest
from playwright.sync_api import expect

from leadbridge.domain.delivery import State
from quality.testkit.browser.world import Open, World, busy

CHANGED_BY_SCHEME = """() => [...document.adoptedStyleSheets]
    .flatMap((sheet) => [...sheet.cssRules])
    .filter((rule) => rule.conditionText?.includes("prefers-color-scheme"))
    .flatMap((rule) => [...rule.cssRules])
    .flatMap(({ selectorText, style }) =>
        [...style].map((name) => `${selectorText} ${name}: ${style.getPropertyValue(name)}`))"""


def test_the_dark_scheme_is_dark_and_changes_colours_only(open_console: Open, world: World) -> None:
    page = open_console()
    backgrounds: dict[Literal["light", "dark"], str] = {"light": "rgb(244, 246, 248)", "dark": "rgb(16, 21, 27)"}
    for scheme, background in backgrounds.items():
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == background
    changed = page.evaluate(CHANGED_BY_SCHEME)
    assert len(changed) > 10
    assert [one for one in changed if not re.fullmatch(r":root --[\w-]+: #[0-9a-f]{3,8}", one)] == []


def test_an_unknown_lead_is_resolved_with_the_keyboard_alone(open_console: Open, world: World) -> None:
    leads = busy(world)
    page = open_console()
    page.locator(".charts .card").first.wait_for()
    expect(page.get_by_role("heading", name="Overview")).to_be_focused()
    page.keyboard.press("g")
    page.keyboard.press("l")
    page.locator("#rows a").first.wait_for()
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox", name="Search")).to_be_focused()
    page.keyboard.type("0671234509")
    page.keyboard.press("Enter")
    expect(page.locator("#rows a")).to_have_count(1)
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.locator("#count").wait_for()
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Зразковий")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Copy lead ID")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator("[data-partner=leadleader] summary")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Mark as created…")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Deal number")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Mark as created…")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.type("4711")
    page.keyboard.press("Enter")
    expect(page.locator("[data-partner=leadleader]")).to_contain_text("Submitted")
    assert world.delivery(leads["unknown"]).deal_id == 4711
    assert page.evaluate("document.querySelector('main').contains(document.activeElement)"), "the focus is not lost"


def test_shortcuts_are_explained_and_can_be_turned_off(open_console: Open, world: World) -> None:
    page = open_console(path="#/dead-letters")
    expect(page.get_by_role("heading", name="Dead letters")).to_be_focused()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_contain_text("Find a lead")
    page.get_by_label("Enable shortcuts").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("l")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    assert page.url.endswith("#/dead-letters")


def test_a_hidden_button_leads_past_the_header_and_is_seen_when_it_is_reached(open_console: Open, world: World) -> None:
    page = open_console(path="#/leads")
    expect(page.locator("main h1")).to_be_focused()  # the view has come up, and takes the focus no more
    skip = page.get_by_role("button", name="Skip to content")
    expect(skip).not_to_be_in_viewport()
    skip.focus()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()


@pytest.mark.parametrize(
    ("locale", "tag", "word"),
    [("uk-UA", "uk", "Ліди"), ("pl-PL", "en", "Leads")],
)
def test_the_console_speaks_the_browsers_language(
    open_console: Open, world: World, locale: str, tag: str, word: str
) -> None:
    page = open_console(locale=locale)
    expect(page.get_by_role("navigation").get_by_role("link", name=word, exact=True)).to_be_visible()
    assert page.evaluate("document.documentElement.lang") == tag


def test_a_language_that_was_chosen_is_remembered(open_console: Open, world: World) -> None:
    world.add(1)
    page = open_console(path="#/leads", locale="ru-RU")
    expect(page.locator("html[lang=ru]").get_by_role("heading", name="Лиды")).to_be_visible()
    page.get_by_label("Язык").select_option("uk")
    expect(page.get_by_role("heading", name="Ліди")).to_be_visible()
    expect(page.locator("#language")).to_be_focused()
    expect(page.get_by_text("1 лід")).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="Ліди")).to_be_visible()


def test_figures_can_be_read_as_a_table(open_console: Open, world: World) -> None:
    busy(world)
    page = open_console()
    page.get_by_text("Show as table").click()
    table = page.get_by_role("region", name="Leads by day").get_by_role("table")
    expect(table.get_by_role("columnheader", name="web", exact=True)).to_be_visible()
    expect(table.locator("tbody tr")).to_have_count(30)
    page.get_by_label("Period").select_option("7")
    expect(table.locator("tbody tr")).to_have_count(7)
    day, number = table.get_by_role("link").last, page.locator("#rows a")
    count = int(day.inner_text())
    address = str(day.get_attribute("href"))
    day.click()
    expect(number).to_have_count(count)
    assert len(set(re.findall(r"(?:since|until)=([\d-]+)", address))) == 1, "of one day"
    page.go_back()
    page.get_by_role("link", name="tilda-credit").first.click()
    expect(page.get_by_label("Source")).to_have_value("tilda-credit")


def test_the_funnel_shows_rates_and_times_by_source_partner_and_campaign(open_console: Open, world: World) -> None:
    world.add(1, State.CLOSED)
    world.add(2, State.SUBMITTED)
    page = open_console()
    funnel = page.locator(".funnel")
    row = funnel.get_by_role("row").filter(has=page.get_by_role("rowheader", name="web"))
    expect(row.get_by_role("cell").nth(0)).to_have_text("2")
    expect(row.get_by_role("cell").nth(3)).to_contain_text("50%")
    page.get_by_label("Group by").select_option("partner")
    expect(funnel.get_by_role("rowheader", name="Lead Leader")).to_be_visible()
    page.get_by_label("Group by").select_option("campaign")
    expect(funnel.get_by_text("No data for this period.")).to_be_visible()
    for column, count in ((3, 1), (0, 2)):  # each number leads to what it counts
        page.get_by_label("Group by").select_option("source")
        row.get_by_role("cell").nth(column).get_by_role("link", name=str(count)).click()
        expect(page.locator("#rows a")).to_have_count(count)
        expect(page.get_by_label("Stage")).to_have_value("issued" if column else "")
        page.get_by_role("link", name="Overview", exact=True).click()


def test_an_overview_with_nothing_to_do_says_so(open_console: Open, world: World) -> None:
    page = open_console()
    expect(page.get_by_text("All clear. No action is needed.")).to_be_visible()


def test_how_far_the_broker_was_read_is_shown(open_console: Open, world: World) -> None:
    page = open_console()
    expect(page.locator("[data-sync]")).to_contain_text("No sync has run yet.")
    state = {
        "watermark": "2026-11-02T09:14:05.000Z",
        "full_scan_started_at": "2026-11-02T08:00:00.000Z",
        "full_scan_finished_at": None,
        "scans": {"full": {"progress": 42}},
    }
    page.route("**/v1/sync", lambda route: route.fulfill(json={"partners": {"matchtrade": state}}))
    page.reload()
    card = page.get_by_role("region", name="Match-Trade sync")
    expect(card).to_contain_text("42 %")
    expect(card).to_contain_text("not yet")
    expect(card.locator("time")).to_have_attribute("datetime", "2026-11-02T09:14:05.000Z")

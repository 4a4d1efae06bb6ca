"""Every view of the console, opened in the same way in any language, and the texts that a view shows."""

from collections.abc import Iterator
from itertools import chain

from playwright.sync_api import Page

from leadbridge.domain.lead import Lead
from quality.testkit.browser.world import World

VIEWS = {
    "#/": ".charts .card",
    "#/inbox/failed.leadleader.password_wrong": "#rows a",
    "#/leads": "#rows a",
    "#/partners": ".partner",
    "#/partners/route": ".dry-run",
    "#/sources": "[data-refused]",
    "#/dead-letters": ".dead-letters li",
    "#/nothing": "main h1",
}
"""The address of each view, and what is there once it is shown."""
LEAD = ".entries li"
STEPS = {
    "#/inbox/failed.leadleader.password_wrong": [("[data-action=note]", "dialog[open]")],
    "#/partners/route": [(".dry-run [type=submit]", ".rules")],
    "#/partners": [("[data-key^=partner-]", "dialog[open]")],
    "#/sources": [("[data-key^=by-day-] summary", "[data-key^=by-day-][open]")],
    "incomplete": [("#correct-open", ".editor")],
    "unknown": [("[data-action=created]", "dialog[open]")],
    "failed": [("summary", "details[open]"), ("#write", "dialog[open]")],
}
"""What can be opened in a view, or on the page of a kind of lead: what is clicked, and what is there then."""

TEXTS = """() => {
  const silent = "code, textarea, kbd, .technical > .isolated, .brand, option[lang], script, style, noscript";
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  for (let node = walker.nextNode(); node; node = walker.nextNode())
    if (node.data.trim() && !node.parentElement.closest(silent)) found.push(node.data);
  for (const one of document.querySelectorAll("[aria-label], [placeholder]"))
    found.push(one.getAttribute("aria-label") ?? one.getAttribute("placeholder"));
  return [document.title, ...found];
}"""


def every_view(page: Page, world: World, leads: dict[str, Lead]) -> Iterator[str]:
    """Show each view, each lead and what can be opened in them; yield a name of each, once it is there."""
    addresses = {name: f"#/leads/{lead.lead_id}" for name, lead in leads.items()}
    for name, ready in chain(VIEWS.items(), dict.fromkeys(addresses, LEAD).items()):
        page.goto(f"{world.gateway.url}/console{addresses.get(name, name)}")
        page.locator(ready).first.wait_for()
        yield name
        for clicked, opened in STEPS.get(name, []):
            page.locator(clicked).first.click()
            page.locator(opened).first.wait_for()
            yield f"{name}, {clicked}"
        if page.locator("dialog[open]").count():
            page.keyboard.press("Escape")
    page.locator("header .more-button").evaluate("(button) => button.click()")  # shown on phones alone
    yield "the menu"
    page.keyboard.press("?")
    page.locator("dialog[open]").wait_for()
    yield "the shortcuts"
    page.keyboard.press("Escape")
    page.evaluate("document.getElementById('logout').click()")
    page.locator(".login").wait_for()
    yield "the login"


def shown_texts(page: Page) -> list[str]:
    """All texts of a page but technical ones: codes, and what is behind the disclosures for support."""
    texts: list[str] = page.evaluate(TEXTS)
    return texts

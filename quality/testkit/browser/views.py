"""Every view of the console, opened in the same way in any language, and the texts that a view shows."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import chain

from playwright.sync_api import Page

from leadbridge.domain.admission import Pause
from leadbridge.domain.clock import utc_now
from leadbridge.domain.delivery import State
from leadbridge.domain.errors.field_codes import FieldCode, FieldError
from leadbridge.domain.lead import Lead
from leadbridge.runtime import aws
from leadbridge.settings import Settings
from leadbridge.storage.queries.partner_state import PartnerStates
from leadbridge.storage.statistics.posts import PostCounter, RefusedLead
from leadbridge.storage.table import Table
from quality.testkit.browser.world import Open, World, busy
from quality.testkit.fixtures import TABLE

LANGUAGES = ("en", "uk", "ru")
WIDTHS = (320, 768, 1920)  # pixels
HEIGHT = 900

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


def with_everything(world: World, settings: Settings) -> dict[str, Lead]:
    """A busy stack with an erased lead, a partner that is paused, and a form whose post was refused."""
    leads = busy(world)
    leads["erased"] = world.add(8, State.REJECTED, age=timedelta(days=2))
    world.erase(leads["erased"])
    PartnerStates(Table(aws.dynamodb(), TABLE)).pause("matchtrade", Pause("до понеділка", "olena", utc_now()))
    refused = RefusedLead((FieldError("person.phone", FieldCode.REQUIRED),), ("your-telephone",))
    posts = PostCounter(Table(aws.dynamodb(), TABLE), "UTC", settings.sources)
    posts.count("plain-credit", "invalid-lead", utc_now(), refused)
    return leads


def console_in(open_console: Open, language: str) -> Page:
    """The console in a language, without animations."""
    page = open_console(reduced_motion="reduce")
    page.locator("main h1").wait_for()
    page.locator("#language").select_option(language)
    page.locator(f"html[lang={language}]").wait_for()
    return page


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

"""A day of an operator who has only a phone: call a person whose lead was rejected, correct the lead, send it."""

from typing import Any

from playwright.sync_api import Page, expect

from leadbridge.domain.delivery import State
from quality.testkit.browser.world import Open, World

PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
CORRECT_TAX_NUMBER = "3184710691"


def top(page: Page, selector: str) -> float:
    """How far an element is from the top of the page, in pixels."""
    box = page.locator(selector).first.bounding_box()
    assert box is not None
    return box["y"]


def test_a_rejected_lead_is_called_corrected_and_sent_from_a_phone(open_console: Open, world: World) -> None:
    one = world.add(1, State.REJECTED, tax_number="3068208400")
    page = open_console("bohdan", "#/leads", permissions=["clipboard-read", "clipboard-write"], **PHONE)
    header = page.get_by_role("banner")
    expect(page.locator("#rows a")).to_contain_text("Rejected")
    assert (header.bounding_box() or {"height": 0})["height"] <= 60, "one row"
    assert top(page, "#rows a") <= 250
    page.get_by_role("button", name="Filters").tap()
    page.get_by_label("State").select_option("rejected")
    expect(page.get_by_role("button", name="Filters (1)")).to_be_visible()
    expect(page.locator("#rows a")).to_have_count(1)
    page.locator("#rows a").tap()

    person = page.get_by_role("region", name="Person", exact=True)
    expect(page.get_by_role("heading", name="Timeline")).to_be_visible()
    assert top(page, "section.person") < top(page, "section.timeline")
    assert person.get_by_role("link").count() == 0, "a masked number cannot be called"
    page.get_by_role("button", name="Show phone, e-mail and tax number").tap()
    expect(person.get_by_role("link", name="+380500000001")).to_have_attribute("href", "tel:+380500000001")
    expect(person.get_by_role("link", name="olena@example.com")).to_have_attribute("href", "mailto:olena@example.com")
    person.get_by_role("button", name="Copy Tax number").tap()
    expect(page.get_by_role("status").first).to_contain_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == "3068208400"
    assert world.journey(one).timeline[-1].what == "revealed"

    page.get_by_role("button", name="Correct…").tap()
    page.get_by_label("Tax number").fill(CORRECT_TAX_NUMBER)
    page.get_by_role("button", name="Save").tap()
    expect(page.get_by_role("status").first).to_contain_text("Data corrected")
    page.get_by_role("button", name="Retry…").tap()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Зразковий Андрій Петрович · +38050•••01")
    dialog.get_by_role("button", name="Retry").tap()
    expect(page.get_by_role("status").first).to_contain_text("Retry")
    expect(page.locator("[data-partner=leadleader]")).to_contain_text("Received")

    page.get_by_role("button", name="Menu").tap()
    expect(header).to_contain_text("Logged in as bohdan")
    header.get_by_role("link", name="Leads", exact=True).tap()
    expect(page.locator("#rows a")).to_contain_text("Received")
    expect(header.get_by_role("link", name="Leads", exact=True)).to_be_hidden()
    [sent] = world.submit(one).created
    assert sent.person.tax_number == CORRECT_TAX_NUMBER


def test_shortcuts_work_in_a_cyrillic_layout(open_console: Open, world: World) -> None:
    page = open_console(path="#/dead-letters")
    expect(page.get_by_role("heading", name="Dead letters")).to_be_focused()
    press = "([key, code, shiftKey]) => dispatchEvent(new KeyboardEvent('keydown', { key, code, shiftKey }))"
    page.evaluate(press, [",", "Slash", True])
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    page.keyboard.press("Escape")
    page.evaluate(press, ["п", "KeyG", False])
    page.evaluate(press, ["д", "KeyL", False])
    expect(page.get_by_role("heading", name="Leads")).to_be_focused()
    page.evaluate(press, [".", "Slash", False])
    expect(page.get_by_role("searchbox")).to_be_focused()


def test_a_lead_is_printed_without_what_only_a_screen_can_do(open_console: Open, world: World) -> None:
    one = world.add(1, State.REJECTED)
    page = open_console(path=f"#/leads/{one.lead_id}")
    expect(page.get_by_role("heading", name="Timeline")).to_be_visible()
    page.emulate_media(media="print")
    expect(page.get_by_role("heading", name="Timeline")).to_be_visible()
    expect(page.get_by_role("heading", name="Зразковий")).to_be_visible()
    for gone in ("banner", "button"):
        expect(page.get_by_role(gone)).to_have_count(0)
    page.emulate_media(media="null")

"""Incomplete leads in the overview and in the list."""

from playwright.sync_api import expect

from leadbridge.domain.delivery import State
from leadbridge.domain.errors.field_codes import FieldCode
from quality.testkit.browser.world import Open, World

PHONE = ("person.phone", FieldCode.NOT_A_PHONE)


def test_incomplete_leads_are_counted_by_source_and_problem(open_console: Open, world: World) -> None:
    for number in range(3):
        world.add_incomplete(number, PHONE, source="tilda-credit")
    world.add_incomplete(3, ("loan.amount", FieldCode.REQUIRED), source="web")
    world.add(4, State.SUBMITTED)
    page = open_console()
    card = page.locator("#attention-incomplete")
    expect(card).to_contain_text("Phone: This is not a valid phone number.")
    card.get_by_role("link", name="tilda-credit").click()
    expect(page.locator("#rows a")).to_have_count(3)
    expect(page.get_by_label("State")).to_have_value("incomplete")
    expect(page.get_by_label("Source")).to_have_value("tilda-credit")
    page.get_by_label("Source").fill("")
    page.get_by_label("Source").press("Enter")
    expect(page.locator("#rows a")).to_have_count(4)


def test_many_incomplete_leads_are_counted_by_the_statistics(open_console: Open, world: World) -> None:
    for number in range(28):
        world.add_incomplete(number, PHONE, source="tilda-credit")
    world.add_incomplete(30, ("loan.amount", FieldCode.REQUIRED), PHONE, source="web")
    card = open_console().locator("#attention-incomplete")
    expect(card.get_by_role("heading", level=3)).to_have_text("29+ incomplete leads")
    expect(card).to_contain_text("tilda-credit – 28")
    expect(card).to_contain_text("Phone: This is not a valid phone number. – 29")
    expect(card).to_contain_text("Amount: This field is missing. – 1")

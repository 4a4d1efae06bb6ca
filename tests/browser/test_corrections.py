"""An operator corrects a lead: an incomplete one is then sent, another can be retried with the corrected data."""

import json
from typing import Any

from playwright.sync_api import Page, Request, Route, ViewportSize, expect

from leadbridge.domain.delivery import State
from leadbridge.domain.errors.field_codes import FieldCode
from quality.testkit.browser.axe import violations
from quality.testkit.browser.views import LANGUAGES
from quality.testkit.browser.world import Open, World

DESKTOP: ViewportSize = {"width": 1200, "height": 850}  # where the header has the languages
SMALL_PHONE: ViewportSize = {"width": 320, "height": 640}
PHONE = ("person.phone", FieldCode.NOT_A_PHONE)
ANSWERS = {"Ваш телефон": "дзвоніть 380 або 381", "Сума": "6 тис"}


def corrections(page: Page) -> list[Any]:
    """The bodies of the corrections that the page sends, as they are sent."""
    sent: list[Any] = []

    def note(request: Request) -> None:
        if request.method == "PATCH":
            sent.append(json.loads(request.post_data or ""))

    page.on("request", note)
    return sent


def test_answers_of_a_later_edit_are_shown_apart(open_console: Open, world: World) -> None:
    one = world.add_incomplete(1, PHONE, answers=ANSWERS, newer_answers={"phone": "067 123 45 68"})
    page = open_console(path=f"#/leads/{one.lead_id}")
    page.get_by_role("button", name="Correct…").click()
    edited = page.get_by_role("region", name="The form's answers, edited later")
    expect(edited).to_contain_text("067 123 45 68")
    expect(page.get_by_role("region", name="The form's answers", exact=True)).not_to_contain_text("067 123 45 68")


def test_an_incomplete_lead_is_completed_and_reaches_its_partner(open_console: Open, world: World) -> None:
    one = world.add_incomplete(1, PHONE, answers=ANSWERS)
    page = open_console()
    sent = corrections(page)
    needs = page.get_by_role("region", name="Needs attention")
    expect(needs).to_contain_text("Phone: This is not a valid phone number.")
    needs.get_by_role("link", name="1 incomplete lead").click()
    page.locator("#rows a").click()
    expect(page.get_by_role("main")).to_contain_text("Phone: This is not a valid phone number.")

    page.get_by_role("button", name="Correct…").click()
    answers = page.get_by_role("region", name="The form's answers")
    for name, text in ANSWERS.items():
        expect(answers).to_contain_text(f"{name}{text}")
    phone = page.get_by_label("Phone", exact=True)
    expect(phone).to_be_focused()
    phone.fill("050 123 45 67")
    page.get_by_role("button", name="Save").click()

    expect(page.get_by_role("status").first).to_contain_text("Data corrected. The lead is sent to Lead Leader.")
    card = page.locator("[data-partner=leadleader]")
    expect(card).to_contain_text("Received")
    timeline = page.get_by_role("region", name="Timeline")
    expect(timeline).to_contain_text("Data corrected – fields: Phone · by olena")
    expect(timeline).to_contain_text("Personal data viewed – by olena")
    expect(page.get_by_role("region", name="Person", exact=True)).to_contain_text("+380501234567")
    assert sent == [{"person": {"phone": "050 123 45 67"}}], "only what has changed"

    partner = world.submit(one)
    assert [lead.person.phone for lead in partner.created] == ["+380501234567"]
    expect(card).to_contain_text("Submitted")
    assert world.store.delivery(one.lead_id, "leadleader").state is State.SUBMITTED  # type: ignore[union-attr]


def test_wrong_values_are_explained_at_their_fields_and_kept(open_console: Open, world: World) -> None:
    one = world.add_incomplete(1, PHONE, ("loan.amount", FieldCode.REQUIRED), answers=ANSWERS)
    page = open_console(path=f"#/leads/{one.lead_id}")
    page.get_by_role("button", name="Correct…").click()
    phone, amount = page.get_by_label("Phone", exact=True), page.get_by_label("Amount")
    expect(amount).to_have_accessible_description("This field is missing.")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing has changed")
    phone.fill("123")
    amount.fill("багато")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing was saved. Check 2 fields.")
    expect(phone).to_be_focused()
    expect(phone).to_have_accessible_description("This is not a valid phone number.")
    expect(amount).to_have_accessible_description("This is not a number.")
    expect(amount).to_have_attribute("aria-invalid", "true")
    amount.fill("6000")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("Check 1 field.")
    expect(amount).not_to_have_attribute("aria-invalid", "true")
    expect(phone).to_have_value("123")
    assert world.journey(one).lead.loan.amount is None, "all or nothing"


def test_a_correction_that_does_not_suffice_says_what_is_still_wrong(open_console: Open, world: World) -> None:
    one = world.add_incomplete(1, PHONE, ("loan.amount", FieldCode.REQUIRED))
    page = open_console(path=f"#/leads/{one.lead_id}")
    problems = page.locator(".problems li")
    expect(problems).to_have_count(2)  # all of them, although the inbox names the first one
    page.get_by_role("button", name="Correct…").click()
    page.get_by_label("Phone", exact=True).fill("050 123 45 67")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").first).to_contain_text("The lead still cannot be sent")
    expect(problems).to_have_count(1)
    expect(problems).to_contain_text("Amount: This field is missing.")


def test_masked_text_is_never_edited_nor_sent(open_console: Open, world: World) -> None:
    one = world.add_incomplete(1, ("loan.amount", FieldCode.REQUIRED), answers=ANSWERS)
    page = open_console(path=f"#/leads/{one.lead_id}")
    sent = corrections(page)
    expect(page.get_by_role("button", name="Correct…")).to_have_accessible_description(
        "This shows phone, e-mail and tax number; the timeline records who viewed them."
    )
    told = "".join(call.body for call in world.gateway.calls)
    assert [text for text in ANSWERS.values() if text in told] == []
    person = page.get_by_role("region", name="Person", exact=True)
    person.get_by_text("The form's answers").click()
    expect(person).to_contain_text("Ваш телефон•••")
    page.get_by_role("button", name="Correct…").click()
    expect(person).to_contain_text(ANSWERS["Ваш телефон"])
    for edited in page.locator("form input").all():
        assert "•" not in edited.input_value()
    page.get_by_label("Amount").fill("6000")
    page.get_by_label("E-mail").fill("")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("[data-partner=leadleader]")).to_be_visible()
    assert sent == [{"person": {"email": None}, "loan": {"amount": "6000"}}]
    assert "revealed" in [entry.what for entry in world.journey(one).timeline]


def test_a_conflict_keeps_what_was_typed(open_console: Open, world: World) -> None:
    one = world.add(1, State.REJECTED)
    page = open_console(path=f"#/leads/{one.lead_id}")
    page.get_by_role("button", name="Correct…").click()
    city = page.get_by_label("City")
    city.fill("Львів")

    def interfere(method: str, _: str) -> None:
        if method == "PATCH":
            world.gateway.on_call.clear()
            world.retry(one)

    world.gateway.on_call.append(interfere)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("The lead is being sent right now, so nothing was saved.")
    expect(page.locator("[data-partner=leadleader]")).to_contain_text("Submitting")
    expect(city).to_have_value("Львів")
    assert world.journey(one).lead.person.city is None


def test_a_change_by_another_operator_is_explained_and_the_input_is_saved_again(
    open_console: Open, world: World
) -> None:
    one = world.add_incomplete(1, PHONE)
    page = open_console(path=f"#/leads/{one.lead_id}")
    page.get_by_role("button", name="Correct…").click()
    page.get_by_label("Phone", exact=True).fill("050 123 45 67")
    conflict = {"type": "urn:leadbridge:problem:conflict", "title": "Conflict", "status": 409}

    def refuse(route: Route) -> None:
        if route.request.method == "PATCH":
            route.fulfill(status=409, content_type="application/problem+json", json=conflict)
        else:
            route.fallback()

    page.route("**/v1/leads/*", refuse)
    save = page.get_by_role("button", name="Save")
    save.click()
    expect(page.get_by_role("alert")).to_contain_text("The lead has changed meanwhile, so nothing was saved.")
    page.unroute("**/v1/leads/*")
    page.context.set_offline(True)
    save.click()
    expect(page.get_by_role("alert")).to_contain_text("The server did not respond.")
    page.context.set_offline(False)
    save.click()
    expect(page.locator("[data-partner=leadleader]")).to_contain_text("Received")


def test_an_input_outlives_the_polls_but_not_an_erasure(open_console: Open, world: World) -> None:
    one = world.add(1, State.REJECTED)
    page = open_console(path=f"#/leads/{one.lead_id}", clock=True)
    page.get_by_role("button", name="Correct…").click()
    city = page.get_by_label("City")
    city.fill("Львів")
    world.retry(one)
    page.clock.fast_forward(6000)
    expect(page.locator("[data-partner=leadleader]")).to_contain_text("Submitting")
    expect(city).to_have_value("Львів")
    expect(city).to_be_focused()
    other = world.add_incomplete(2, PHONE, answers=ANSWERS)
    page.goto(f"{page.url.partition('#')[0]}#/leads/{other.lead_id}")
    page.get_by_role("button", name="Correct…").click()
    city.fill("Львів")
    world.erase(other)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="Personal data erased")).to_be_visible()
    expect(page.get_by_role("status").first).to_contain_text("Nothing was saved.")
    expect(page.locator("form input, .answers")).to_have_count(0)


def test_a_rejected_lead_is_corrected_and_retried(open_console: Open, world: World) -> None:
    one = world.add(1, State.REJECTED)
    page = open_console(path=f"#/leads/{one.lead_id}")
    page.get_by_role("button", name="Correct…").click()
    page.get_by_label("Occupation").fill("Лікарка")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").first).to_contain_text("Data corrected. You can now retry the delivery.")
    page.get_by_role("button", name="Retry…").click()
    page.get_by_role("dialog").get_by_role("button", name="Retry").click()
    expect(page.locator("[data-partner=leadleader]")).to_contain_text("Received")
    assert [lead.person.activity for lead in world.submit(one).created] == ["Лікарка"]


def test_the_form_is_accessible_on_a_small_phone_in_each_language(open_console: Open, world: World) -> None:
    long = {"Слово" * 40: "x" * 500, "two\nlines": "один\nдва\u202e"}
    one = world.add_incomplete(1, PHONE, answers=long)
    page = open_console(path=f"#/leads/{one.lead_id}")
    for language in LANGUAGES:
        page.set_viewport_size(DESKTOP)
        page.locator("#language").select_option(language)
        page.locator(f"html[lang={language}]").wait_for()
        page.set_viewport_size(SMALL_PHONE)
        page.locator("#correct-open").click()
        expect(page.locator("#correct-person-phone")).to_be_focused()
        page.keyboard.type("123")
        page.keyboard.press("Enter")
        expect(page.locator("#correct-person-phone")).to_have_attribute("aria-invalid", "true")
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.locator(".editor button.quiet").click()
        expect(page.locator("#correct-open")).to_be_focused()

"""The form page as people meet it: with JavaScript and without, on its own site and on another."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from quality.testkit.browser.form_page import PATIENCE, FormPage, fill_in, form_page_served

PHONE: ViewportSize = {"width": 360, "height": 740}


@pytest.fixture
def form_page() -> Iterator[FormPage]:
    """The page and the handler, with no leads."""
    with form_page_served() as served_page:
        yield served_page


@pytest.fixture(scope="session")
def windows(browser: Browser) -> Iterator[dict[bool, Page]]:
    """The windows of visitors: with JavaScript and without."""
    contexts = {
        javascript: browser.new_context(viewport=PHONE, java_script_enabled=javascript, locale="uk-UA")
        for javascript in (True, False)
    }
    for context in contexts.values():
        context.set_default_timeout(PATIENCE)
    yield {javascript: context.new_page() for javascript, context in contexts.items()}
    for context in contexts.values():
        context.close()


@pytest.fixture
def visitor(windows: dict[bool, Page]) -> Iterator[Page]:
    """A visitor with a phone."""
    yield from visiting(windows, javascript=True)


@pytest.fixture
def old_visitor(windows: dict[bool, Page]) -> Iterator[Page]:
    """A visitor without JavaScript."""
    yield from visiting(windows, javascript=False)


def visiting(windows: dict[bool, Page], *, javascript: bool) -> Iterator[Page]:
    """An empty window. The page of each test has an address of its own, so it finds nothing that another has stored."""
    page = windows[javascript]
    page.set_viewport_size(PHONE)
    yield page
    page.unroute_all()
    page.goto("about:blank")


def send(page: Page) -> None:
    page.locator("button").click()


def test_a_lead_is_sent_and_thanked_for(visitor: Page, form_page: FormPage) -> None:
    visitor.goto(f"{form_page.address}/?utm_source=newsletter&gclid=Cj0KCQ&sub_id_2=b&next=//evil.example")
    fill_in(visitor)
    send(visitor)
    visitor.wait_for_url(f"{form_page.address}/thanks.html")
    assert form_page.gateway.seen == [("POST", 202)]
    (lead,) = form_page.gateway.endpoint.store.leads.values()
    assert (lead.person.phone, lead.utm) == ("+380500000077", {"utm_source": "newsletter"})
    assert lead.ids == {"gclid": "Cj0KCQ", "sub2": "b"}
    assert lead.consent.text == "Я погоджуюся на обробку моїх персональних даних для розгляду заявки на кредит."
    assert lead.consent.page_url == f"{form_page.address}/"


def test_errors_found_by_the_page_are_shown_beside_each_field_and_nothing_is_sent(
    visitor: Page, form_page: FormPage
) -> None:
    visitor.goto(form_page.address)
    fill_in(visitor, phone=" ", tax_number="12")
    visitor.locator("#consent").uncheck()
    send(visitor)
    expect(visitor.locator(".error")).to_have_count(3)
    expect(visitor.locator("#phone")).to_be_focused()
    expect(visitor.locator("#phone")).to_have_attribute("aria-describedby", "phone-error phone-hint")
    expect(visitor.get_by_role("alert")).to_contain_text("3")
    visitor.locator("#phone").fill("050")
    expect(visitor.locator(".error")).to_have_count(2)
    expect(visitor.locator("#phone")).to_have_attribute("aria-describedby", "phone-hint")
    assert form_page.gateway.seen == []


def test_errors_found_by_the_server_are_shown_beside_the_field_and_can_be_corrected(
    visitor: Page, form_page: FormPage
) -> None:
    visitor.goto(form_page.address)
    fill_in(visitor, phone="+48 600 000 000", amount="багато")
    send(visitor)
    expect(visitor.locator("#phone-error")).to_be_visible()
    expect(visitor.locator("#amount-error")).to_be_visible()
    expect(visitor.locator("[aria-invalid]")).to_have_count(2)
    expect(visitor.locator("button")).to_be_enabled()
    visitor.locator("#phone").fill("0500000077")
    visitor.locator("#amount").fill("6000,50")
    send(visitor)
    visitor.wait_for_url(f"{form_page.address}/thanks.html")
    assert form_page.gateway.seen == [("POST", 422), ("POST", 202)]


def test_a_server_that_is_away_can_be_tried_again(visitor: Page, form_page: FormPage) -> None:
    visitor.goto(form_page.address)
    fill_in(visitor)
    visitor.route("**/webhooks/**", lambda route: route.abort())
    send(visitor)
    expect(visitor.get_by_role("alert")).to_contain_text("Спробуйте ще раз")
    visitor.unroute("**/webhooks/**")
    readable = {"access-control-allow-origin": "*"}
    visitor.route("**/webhooks/**", lambda route: route.fulfill(status=503, headers=readable))
    send(visitor)
    expect(visitor.get_by_role("alert")).to_contain_text("за хвилину")
    visitor.unroute("**/webhooks/**")
    send(visitor)
    visitor.wait_for_url(f"{form_page.address}/thanks.html")
    assert form_page.leads == 1


def test_an_impatient_visitor_sends_once(visitor: Page, form_page: FormPage) -> None:
    visitor.goto(form_page.address)
    fill_in(visitor)
    visitor.locator("button").evaluate("button => { button.click(); button.click(); button.form.requestSubmit(); }")
    visitor.wait_for_url(f"{form_page.address}/thanks.html")
    assert form_page.gateway.seen == [("POST", 202)]


ASKS_FIRST = """action => fetch(action, {
    method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify({"your-phone": "12"}),
}).then(answer => answer.json(), () => null)"""


def test_a_script_that_posts_json_is_let_through_after_asking(visitor: Page, form_page: FormPage) -> None:
    visitor.goto(form_page.address)
    problem = visitor.evaluate(ASKS_FIRST, form_page.action)
    assert "person.phone" in [error["field"] for error in problem["errors"]]
    assert form_page.gateway.seen == [("OPTIONS", 204), ("POST", 422)]


def test_another_sites_script_neither_posts_nor_reads(visitor: Page, form_page: FormPage) -> None:
    visitor.goto(form_page.foreign)
    assert visitor.evaluate(ASKS_FIRST, form_page.action) is None
    fill_in(visitor)
    send(visitor)
    expect(visitor.get_by_role("alert")).to_contain_text("Немає зв’язку")
    assert form_page.gateway.seen == [("OPTIONS", 403), ("POST", 403)]
    assert form_page.leads == 0


def test_without_javascript_the_visitor_is_thanked_each_time(old_visitor: Page, form_page: FormPage) -> None:
    for _ in range(2):
        old_visitor.goto(form_page.address)
        fill_in(old_visitor)
        send(old_visitor)
        old_visitor.wait_for_url(f"{form_page.address}/thanks.html")
    assert form_page.gateway.seen == [("POST", 303), ("POST", 303)]
    assert form_page.leads == 1


def test_without_javascript_the_visitor_is_asked_to_try_again_and_finds_the_form_filled_in(
    old_visitor: Page, form_page: FormPage
) -> None:
    old_visitor.goto(form_page.address)
    fill_in(old_visitor, phone="+48 600 000 000")
    send(old_visitor)
    old_visitor.wait_for_url(f"{form_page.address}/again.html?fields=person.phone")
    old_visitor.go_back()
    expect(old_visitor.locator("#full-name")).to_have_value("Прикладенко Олена Іванівна")
    assert form_page.leads == 0


def test_without_javascript_another_sites_form_is_refused(old_visitor: Page, form_page: FormPage) -> None:
    old_visitor.goto(form_page.foreign)
    fill_in(old_visitor)
    send(old_visitor)
    expect(old_visitor.locator("body")).to_contain_text("origin-not-allowed")
    assert form_page.leads == 0


def test_the_page_that_asks_to_try_again_names_fields_and_nothing_that_it_does_not_know(
    visitor: Page, form_page: FormPage
) -> None:
    visitor.goto(f"{form_page.address}/again.html?fields=person.phone,<img src=x>,constructor,loan.amount")
    expect(visitor.locator("li")).to_have_text([re.compile("Телефон"), re.compile("Сума")])


@pytest.mark.parametrize("javascript", [True, False])
def test_a_post_with_the_honeypot_filled_in_is_thanked_and_not_stored(
    windows: dict[bool, Page], form_page: FormPage, javascript: bool
) -> None:
    for page in visiting(windows, javascript=javascript):
        page.goto(form_page.address)
        fill_in(page)
        expect(page.locator("#website")).not_to_be_in_viewport()
        page.locator("#website").evaluate("field => { field.value = 'https://spam.example'; }")
        send(page)
        page.wait_for_url(f"{form_page.address}/thanks.html")
    assert form_page.leads == 0


def test_nothing_is_wider_than_the_screen_and_thumbs_find_the_fields(visitor: Page, form_page: FormPage) -> None:
    visitor.goto(form_page.address)
    fields = visitor.locator("main input:visible:not(#website):not([type=checkbox]), button")
    for width in (320, 360, 1280):
        visitor.set_viewport_size({"width": width, "height": 740})
        assert visitor.evaluate("document.documentElement.scrollWidth") <= width
        heights = fields.evaluate_all("(all) => all.map((one) => one.getBoundingClientRect().height)")
        assert len(heights) > 5
        assert min(heights) >= 44
        assert visitor.evaluate("parseFloat(getComputedStyle(document.querySelector('#phone')).fontSize)") >= 16


def test_the_keyboard_alone_reaches_every_field_but_the_unseen_one(visitor: Page, form_page: FormPage) -> None:
    visitor.goto(form_page.address)
    reached = []
    for _ in range(10):
        visitor.keyboard.press("Tab")
        reached.append(visitor.evaluate("document.activeElement.name || document.activeElement.type"))
    assert reached == [
        *("your-name", "your-phone", "your-email", "your-tax-number", "your-activity", "your-city", "amount", "term"),
        *("consent", "submit"),
    ]

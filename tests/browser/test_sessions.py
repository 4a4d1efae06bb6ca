"""Logging in: by a password manager, in several tabs, for twelve hours; and logging out."""

from playwright.sync_api import Page, expect

from quality.testkit.browser.world import Open, World

STORED = "() => [{ ...sessionStorage }, { ...localStorage }]"
TWELVE_HOURS = 12 * 3600 * 1000  # milliseconds


def log_in(page: Page, token: str = "token-of-olena") -> None:
    page.get_by_label("Operator token").fill(token)
    page.get_by_role("button", name="Log in").click()


def new_tab(page: Page) -> Page:
    other = page.context.new_page()
    other.goto(page.url.partition("#")[0])
    return other


def test_a_password_manager_knows_the_fields_and_finds_the_operators_name(open_console: Open, world: World) -> None:
    page = open_console(operator=None, path="#/dead-letters")
    form = page.locator("form.login")
    expect(page.locator("#token")).to_be_focused()
    assert form.locator("input").evaluate_all("(all) => all.map((one) => one.autocomplete)") == [
        "username",
        "current-password",
        "",
    ]
    name = form.locator("#operator").element_handle()
    log_in(page)
    expect(page.get_by_role("heading", name="Dead letters")).to_be_visible()
    assert name is not None
    assert name.evaluate("(input) => input.value") == "olena"
    expect(page.get_by_role("banner")).to_contain_text("Logged in as olena")


def test_a_new_tab_needs_no_token_and_logging_out_of_one_ends_all(open_console: Open, world: World) -> None:
    page = open_console(operator=None)
    log_in(page)
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    other = new_tab(page)
    expect(other.get_by_role("banner")).to_contain_text("olena")
    assert page.evaluate(STORED) == other.evaluate(STORED) == [{"leadbridge.token": "token-of-olena"}, {}]
    other.get_by_role("button", name="Log out").click()
    for tab in (page, other):
        expect(tab.get_by_label("Operator token")).to_be_visible()
        assert tab.evaluate(STORED) == [{}, {}]
    expect(page.get_by_role("status").first).to_contain_text("You are logged out")
    expect(new_tab(page).get_by_label("Operator token")).to_be_visible()
    other.close()


def test_a_device_remembers_the_operator_for_twelve_hours(open_console: Open, world: World) -> None:
    page = open_console(operator=None, clock=True, path="#/dead-letters")
    page.get_by_label("Remember on this device for 12 hours").check()
    log_in(page)
    expect(page.get_by_role("banner")).to_contain_text("olena")
    tab, device = page.evaluate(STORED)
    assert (tab, list(device)) == ({}, ["leadbridge.remembered"])
    page.reload()
    expect(page.get_by_role("heading", name="Dead letters")).to_be_visible()
    page.clock.fast_forward(TWELVE_HOURS)
    expect(page.get_by_role("status").first).to_contain_text("Your session has ended")
    expect(page.get_by_label("Operator token")).to_be_visible()
    assert page.evaluate(STORED) == [{}, {}]
    page.evaluate('localStorage.setItem(\'leadbridge.remembered\', \'{"token": "token-of-olena", "until": 9e15}\')')
    page.reload()
    expect(page.get_by_label("Operator token")).to_be_visible()
    assert page.evaluate(STORED) == [{}, {}], "nothing is remembered for longer"

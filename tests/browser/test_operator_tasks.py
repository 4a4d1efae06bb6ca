"""A new operator finds stuck leads and resolves them with the console alone."""

import re
from datetime import timedelta

from playwright.sync_api import Page, expect

from leadbridge.domain.delivery import State
from leadbridge.domain.errors import partner_errors
from quality.testkit.browser.world import Open, World, busy
from quality.testkit.fakes.errors import some_error


def log_in(page: Page, token: str) -> None:
    page.get_by_label("Operator token").fill(token)
    page.get_by_role("button", name="Log in").click()


def test_a_new_operator_finds_a_stuck_lead_and_resolves_it(open_console: Open, world: World) -> None:
    leads = busy(world)
    page = open_console(operator=None)
    log_in(page, "token-of-olena")

    needs = page.get_by_role("region", name="Needs attention")
    expect(needs.get_by_role("link", name="1 lead without a reply")).to_have_count(2)
    expect(needs.get_by_role("link", name="1 failed lead")).to_be_visible()
    expect(needs.get_by_role("link", name="1 error about a lead")).to_be_visible()
    expect(needs.get_by_text("google-credit")).to_be_visible()

    page.get_by_role("link", name="Leads", exact=True).click()
    page.get_by_role("searchbox", name="Search").fill("067 123 45 09")
    page.get_by_role("button", name="Find").click()
    expect(page.get_by_text("1 lead", exact=True)).to_be_visible()
    page.get_by_role("link", name=re.compile("Зразковий Андрій")).click()

    stuck = page.locator("[data-partner=leadleader]")
    expect(stuck).to_contain_text("the partner's reply was lost. The partner may or may not have it.")
    expect(stuck).to_contain_text("Ask the partner whether they have this lead")
    stuck.get_by_role("button", name="Mark as not created…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Nothing is sent now. After that you can retry safely.")
    dialog.get_by_role("button", name="Mark as not created").click()
    expect(page.get_by_role("status").first).to_contain_text("Marked as not created at Lead Leader")
    expect(stuck).to_contain_text("Failed")

    stuck.get_by_role("button", name="Retry…").click()
    page.get_by_role("dialog").get_by_role("button", name="Retry").click()
    expect(stuck).to_contain_text("Received")
    expect(page.get_by_role("region", name="Timeline")).to_contain_text("Retry at Lead Leader requested – by olena")
    assert world.delivery(leads["unknown"]).state is State.RECEIVED


def test_an_unknown_that_the_partner_has_is_settled_by_its_number(open_console: Open, world: World) -> None:
    one = world.add(1, State.UNKNOWN)
    page = open_console(path=f"#/leads/{one.lead_id}")
    page.get_by_role("button", name="Mark as created…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Deal number").fill("none")
    dialog.get_by_role("button", name="Save").click()
    assert world.delivery(one).state is State.UNKNOWN, "the browser wants a number"
    dialog.get_by_label("Deal number").fill("77")
    dialog.get_by_role("button", name="Save").click()
    expect(page.locator("[data-partner=leadleader]")).to_contain_text("Submitted")
    assert world.delivery(one).deal_id == 77


def test_why_a_number_is_not_stored_is_said_by_the_answers_code(open_console: Open, world: World) -> None:
    other, one = world.add(1, State.SUBMITTED), world.add(2, State.UNKNOWN)
    world.partner.unknown = {99}
    page = open_console(path=f"#/leads/{one.lead_id}")
    page.get_by_role("button", name="Mark as created…").click()
    dialog = page.get_by_role("dialog")
    for number, said in (
        ("24", other.lead_id),
        ("99", "does not have this number"),
        ("98", "The partner is unavailable"),
    ):
        if number == "98":
            world.partner.away = partner_errors.Unavailable("leadleader", "status", "away")
        dialog.get_by_label("Deal number").fill(number)
        dialog.get_by_role("button", name="Save").click()
        expect(dialog.get_by_role("alert")).to_contain_text(said)
        expect(dialog.get_by_role("button", name="Save")).to_be_focused()
    assert world.delivery(one).state is State.UNKNOWN


def test_what_an_operator_settled_is_corrected_and_withdrawn(open_console: Open, world: World) -> None:
    one = world.add(1, State.UNKNOWN)
    page = open_console(path=f"#/leads/{one.lead_id}")
    card, dialog = page.locator("[data-partner=leadleader]"), page.get_by_role("dialog")
    for opens, number in (("Mark as created…", "77"), ("Correct the result…", "78")):
        page.get_by_role("button", name=opens).click()
        dialog.get_by_label("Deal number").fill(number)
        dialog.get_by_role("button", name="Save").click()
        expect(card).to_contain_text(number)
    expect(card).to_contain_text("Set by an operator")
    page.get_by_role("button", name="Revert to unknown…").click()
    dialog.get_by_role("button", name="Revert to unknown").click()
    expect(card).to_contain_text("the partner's reply was lost. The partner may or may not have it.")
    assert (world.delivery(one).state, world.delivery(one).deal_id) == (State.UNKNOWN, None)


def test_a_deal_that_the_partner_does_not_know_is_among_what_needs_a_person(open_console: Open, world: World) -> None:
    one = world.add(1, State.SUBMITTED)
    for _ in range(3):
        found = world.delivery(one)
        due_at = (found.due_at or found.received_at) + timedelta(minutes=1)
        world.store.defer_check(found, due_at, error=some_error("refused"), is_refused=True)
    page = open_console()
    page.get_by_role("link", name="1 lead needs a check").click()
    page.get_by_role("link", name=re.compile("Зразковий")).click()
    expect(page.locator("[data-partner=leadleader]")).to_contain_text(
        "The partner does not recognize the stored number"
    )


def test_a_duplicate_is_sent_again(open_console: Open, world: World) -> None:
    one = world.add(1, State.DUPLICATE)
    page = open_console(path=f"#/leads/{one.lead_id}")
    page.get_by_role("button", name="Retry…").click()
    page.get_by_role("dialog").get_by_role("button", name="Retry").click()
    expect(page.locator("[data-partner=leadleader]")).to_contain_text("Received")


def test_a_brokers_account_is_settled_by_its_uuid_and_checked(open_console: Open, world: World) -> None:
    one = world.add(1, State.UNKNOWN, partner="matchtrade")
    page = open_console(path=f"#/leads/{one.lead_id}")
    page.get_by_role("button", name="Mark as created…").click()
    page.get_by_label("Account ID").fill("3f6e0a52-9c1d-4f6b-8f43-2f1a3b4c5d6e")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("button", name="Check status…").click()
    page.get_by_role("dialog").get_by_role("button", name="Check now").click()
    expect(page.get_by_role("region", name="Timeline")).to_contain_text("Status check at Match-Trade requested")
    [asked] = world.waiting(world.alive["checks"])
    assert asked == {"partner": "matchtrade", "lead_ids": [one.lead_id], "at_once": True}


def test_an_unknown_is_sent_again_blindly_only_after_a_warning(open_console: Open, world: World) -> None:
    one = world.add(1, State.UNKNOWN)
    page = open_console(path=f"#/leads/{one.lead_id}")
    page.get_by_role("button", name="Retry anyway…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("a retry creates a second one")
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    assert world.delivery(one).state is State.UNKNOWN
    page.get_by_role("button", name="Retry anyway…").click()
    dialog.get_by_role("button", name="Send, possibly twice").click()
    expect(page.locator("[data-partner=leadleader]")).to_contain_text("Received")


def test_a_wrong_token_is_said_so_and_kept_nowhere(open_console: Open, world: World) -> None:
    page = open_console(operator=None)
    for token in ("nonsense", "токен", "two words"):
        log_in(page, token)
        expect(page.get_by_role("alert")).to_contain_text("Invalid token")
        expect(page.get_by_label("Operator token")).to_be_focused()
    assert page.evaluate("Object.values({...sessionStorage, ...localStorage})") == []


def test_a_token_that_is_taken_away_leads_back_to_the_login(open_console: Open, world: World) -> None:
    page = open_console(path="#/leads")
    expect(page.get_by_text("No leads found.")).to_be_visible()
    world.gateway.tokens.clear()
    page.get_by_role("button", name="Find").click()
    expect(page.get_by_text("Your token is no longer valid. Log in again.")).to_be_visible()
    expect(page.get_by_label("Operator token")).to_be_visible()


def test_the_second_of_two_operators_gets_a_conflict_and_sees_the_new_state(open_console: Open, world: World) -> None:
    one = world.add(1, State.UNKNOWN)
    olena, bohdan = (open_console(name, f"#/leads/{one.lead_id}") for name in ("olena", "bohdan"))
    for page, number in ((olena, "77"), (bohdan, "78")):
        page.get_by_role("button", name="Mark as created…").click()
        page.get_by_label("Deal number").fill(number)
    olena.get_by_role("button", name="Save").click()
    expect(olena.get_by_role("dialog")).to_be_hidden()
    bohdan.get_by_role("button", name="Save").click()
    expect(bohdan.get_by_role("alert")).to_contain_text("The state has changed")
    bohdan.get_by_role("button", name="Cancel").click()
    expect(bohdan.get_by_role("region", name="Timeline")).to_contain_text("deal 77 · by olena")
    assert world.delivery(one).deal_id == 77


def test_a_server_that_fails_is_said_to_and_nothing_is_lost(open_console: Open, world: World) -> None:
    one = world.add(1, State.FAILED)
    page = open_console(path=f"#/leads/{one.lead_id}")
    page.get_by_role("button", name="Retry…").click()
    page.context.set_offline(True)
    send = page.get_by_role("dialog").get_by_role("button", name="Retry")
    send.click()
    expect(page.get_by_role("alert")).to_contain_text("The server did not respond. Check your connection")
    page.context.set_offline(False)
    send.click()
    expect(page.locator("[data-partner=leadleader]")).to_contain_text("Received")

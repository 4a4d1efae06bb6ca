"""A lead's page: masked until somebody says they look, messages, forgetting a person, and values that mean harm."""

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import expect

from leadbridge.domain import delivery as steps
from leadbridge.domain.clock import utc_now
from leadbridge.domain.delivery import State
from leadbridge.domain.errors.error_codes import ErrorCode, ErrorInfo, last_error
from leadbridge.domain.feedback.postback import Postback
from leadbridge.domain.feedback.states import PostbackState
from leadbridge.domain.routing.fallback import NextOn, open_next
from leadbridge.domain.statuses.status_change import change_status
from leadbridge.runtime import aws
from leadbridge.storage import items
from leadbridge.storage.feedback.postbacks import postback_item
from leadbridge.storage.messages import MessageRepository
from leadbridge.storage.table import Table
from quality.testkit.browser.world import ERRORS, Open, World
from quality.testkit.fixtures import TABLE
from quality.testkit.people import lead

PRIVATE = ("+380500000001", "3068208400", "olena@example.com")


def test_people_are_masked_until_the_operator_reveals_them(open_console: Open, world: World) -> None:
    one = world.add(1)
    page = open_console(path="#/leads")
    page.locator("#rows a").click()
    person = page.get_by_role("region", name="Person", exact=True)
    expect(person).to_contain_text("+38050•••01")
    sent = "".join(call.body for call in world.gateway.calls)
    assert [value for value in PRIVATE if value in sent] == []
    page.get_by_role("button", name="Show phone, e-mail and tax number").click()
    for value in PRIVATE:
        expect(person).to_contain_text(value)
    expect(page.get_by_role("region", name="Timeline")).to_contain_text("Personal data viewed – by olena")
    assert world.journey(one).timeline[-1].what == "revealed"
    page.get_by_role("link", name="← Leads").click()
    page.locator("#rows a").click()
    expect(person).to_contain_text("+38050•••01")


def test_what_was_revealed_stays_while_the_page_is_kept_up_to_date(open_console: Open, world: World) -> None:
    one = world.add(1)
    page = open_console(path=f"#/leads/{one.lead_id}", clock=True)
    page.get_by_role("button", name="Show phone, e-mail and tax number").click()
    expect(page.get_by_role("region", name="Person", exact=True)).to_contain_text(PRIVATE[0])
    world.bring(one, State.UNKNOWN)
    page.clock.fast_forward(6000)
    expect(page.get_by_role("button", name="Mark as created…")).to_be_visible()
    expect(page.get_by_role("region", name="Person", exact=True)).to_contain_text(PRIVATE[0])


def test_a_message_is_written_and_read_only_by_who_looks(open_console: Open, world: World) -> None:
    one = world.add(1, State.SUBMITTED)
    page = open_console(path=f"#/leads/{one.lead_id}")
    page.get_by_role("button", name="Write a message…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("It is not known yet whether the person has a messenger account.")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Write a message…")).to_be_focused()
    page.keyboard.press("Enter")
    text = dialog.get_by_label("Text")
    text.fill("Передзвоніть нам,\nбудь ласка.")
    dialog.get_by_label("Template").select_option("Call not answered")
    expect(text).to_have_value(re.compile("Ми намагалися зателефонувати вам"))
    dialog.get_by_label("Template").select_option("– own text –")
    expect(text).to_have_value("Передзвоніть нам,\nбудь ласка.")
    dialog.get_by_role("button", name="Send").click()
    messages = page.get_by_role("region", name="Messages")
    expect(messages).to_contain_text("Operator message")
    expect(messages).not_to_contain_text("Передзвоніть")
    [message] = MessageRepository(Table(aws.dynamodb(), TABLE)).messages(one.lead_id)
    assert message.text == "Передзвоніть нам,\nбудь ласка."
    page.get_by_role("button", name="Show phone, e-mail and tax number").click()
    expect(messages).to_contain_text("Передзвоніть нам")


def test_a_person_is_erased_after_a_word_of_warning(open_console: Open, world: World) -> None:
    one = world.add(1)
    page = open_console(path=f"#/leads/{one.lead_id}")
    page.get_by_role("button", name="Erase personal data…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("This cannot be undone.")
    dialog.get_by_role("button", name="Erase permanently").click()
    expect(page.get_by_role("heading", name="Personal data erased")).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("…$"))).to_have_count(0)
    assert world.journey(one).lead.erased_at is not None


def test_one_that_is_being_sent_is_not_erased_and_that_is_said(open_console: Open, world: World) -> None:
    one = world.add(1)
    world.bring(one, State.SUBMITTING)
    page = open_console(path=f"#/leads/{one.lead_id}")
    page.get_by_role("button", name="Erase personal data…").click()
    page.get_by_role("button", name="Erase permanently").click()
    expect(page.get_by_role("alert")).to_contain_text("It is being sent right now")


def test_an_unknown_lead_is_said_to_be(open_console: Open) -> None:
    page = open_console(path=f"#/leads/ld_{'a' * 26}")
    expect(page.get_by_role("alert")).to_contain_text("This lead does not exist")
    page.goto(page.url.replace("#/leads/", "#/nothing/"))
    expect(page.get_by_role("heading", name="Page not found")).to_be_visible()


def test_values_that_mean_harm_are_shown_and_do_none(open_console: Open, world: World) -> None:
    evil = {
        "full_name": "<img src=x onerror=\"document.title='pwned'\"><script>document.title='pwned'</script>",
        "activity": "тихо\u202eоклэчиврев\u200b\u0007",
        "city": "Довгослово" * 60,
        "region": '=HYPERLINK("https://evil.example")',
    }
    trading = {"offer": "'\"><svg onload=alert(1)>", "description": "{{7*7}} ${7*7} {n}"}
    one = world.add(1, trading=trading, ids={"sub1": "<img src=y>\u200b", "gclid": "Cj0KCQ"})
    key = {"pk": {"S": f"LEAD#{one.lead_id}"}, "sk": {"S": "LEAD"}}
    item: dict[str, Any] = dict(aws.dynamodb().get_item(TableName=TABLE, Key=key)["Item"])
    item["person"]["M"].update({name: {"S": value} for name, value in evil.items()})
    aws.dynamodb().put_item(TableName=TABLE, Item=item)
    page = open_console(path="#/leads", viewport={"width": 390, "height": 844})
    expect(page.locator("#rows a")).to_contain_text("<img src=x onerror=")
    page.locator("#rows a").click()
    person = page.get_by_role("region", name="Person", exact=True)
    expect(person).to_contain_text(evil["full_name"])
    expect(person).to_contain_text("U+202E")
    expect(person).to_contain_text("U+200B")
    expect(person).to_contain_text("U+0007")
    expect(person).to_contain_text("{{7*7}} ${7*7} {n}")
    expect(person).to_contain_text("<img src=y>")
    expect(person.locator("div").filter(has=page.get_by_text("gclid", exact=True)).last).to_contain_text("•••")
    assert "pwned" not in page.title() or page.title().startswith("<img")
    assert page.locator("main img, main script, main svg").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "no word is too long for a phone"
    isolated = page.evaluate(
        "[...document.querySelectorAll('.isolated')].every((one) => getComputedStyle(one).unicodeBidi === 'isolate')"
    )
    assert isolated


@pytest.mark.parametrize("state", [State.FAILED, State.UNKNOWN, State.REJECTED, State.DUPLICATE])
def test_another_wording_of_an_error_changes_nothing_but_the_text(
    open_console: Open, world: World, state: State
) -> None:
    told = world.add(1, state)
    reworded = world.add(2, state, error=replace(ERRORS[state], text="attempt 7, by olena"))
    page = open_console(path=f"#/leads/{told.lead_id}")
    card, lines = page.locator("[data-partner=leadleader]"), page.locator(".entries .detail")
    expect(card.locator(".error")).to_contain_text(ERRORS[state].text)
    expect(card.locator(".technical code")).not_to_be_visible()
    card.get_by_text("Technical details").click()
    expect(card.locator(".technical code")).to_have_text(ERRORS[state].code)
    meaning, journey = card.locator(".meaning").inner_text(), lines.all_inner_texts()
    assert meaning
    page.goto(f"{page.url.partition('#')[0]}#/leads/{reworded.lead_id}")
    expect(card.locator(".error")).to_contain_text("attempt 7, by olena")
    assert (card.locator(".meaning").inner_text(), lines.all_inner_texts()) == (meaning, journey)


def test_the_outcome_of_a_closed_delivery_is_shown_wherever_its_state_is(open_console: Open, world: World) -> None:
    world.add(1, State.CLOSED)
    declined = world.add(2, State.SUBMITTED)
    change = change_status(
        world.delivery(declined), utc_now(), "Відмова", outcome="declined", final=True, is_followed=True
    )
    world.store.apply(change)
    page = open_console(path="#/leads")
    expect(page.locator("#rows .pill.good")).to_contain_text("Paid out")
    expect(page.locator("#rows .pill.neutral")).to_contain_text("Declined")
    page.get_by_label("Outcome").select_option("declined")
    expect(page.locator("#rows .pill")).to_have_count(1)
    page.locator("#rows a").click()
    for place in ("main > .heading", "[data-partner=leadleader] > .heading", ".entries li:first-child"):
        expect(page.locator(place).locator(".pill.neutral")).to_contain_text("Declined")
    person = page.get_by_role("region", name="Person", exact=True)
    expect(person).to_contain_text("₴6,000")
    expect(person).to_contain_text("12 months")
    expect(page.locator("footer")).to_contain_text(re.compile(r"Europe/Kyiv \(GMT\+[23]\)"))
    page.get_by_role("link", name="Overview").click()
    row = page.get_by_role("row").filter(has=page.get_by_role("link", name="Declined"))
    expect(row).to_contain_text("1")
    for link in row.get_by_role("link").all():
        expect(link).to_have_attribute("href", re.compile(r"^#/leads\?since=[-0-9]+&until=[-0-9]+&outcome=declined$"))


def test_a_lead_that_was_passed_on_shows_what_became_of_it(open_console: Open, world: World) -> None:
    received = lead(1, received_at=utc_now() - timedelta(minutes=5))
    one = received.model_copy(update={"fallbacks": {"leadleader": "matchtrade"}})
    world.store.accept(one, phone_hash=None)
    error = ErrorInfo(ErrorCode.TAX_NUMBER_INVALID, "the tax number")
    begun = world.store.apply(steps.start_attempt(world.delivery(one), utc_now(), timedelta(minutes=1)))
    world.store.apply(open_next(steps.reject(begun, utc_now(), error), "matchtrade", NextOn.REJECTED))
    world.bring(one.model_copy(update={"partners": ("matchtrade",)}), State.CLOSED)
    page = open_console()
    expect(page.get_by_text("All clear")).to_be_visible()
    page.goto(f"{page.url.partition('#')[0]}#/leads")
    expect(page.locator("#rows .pill")).to_contain_text(["Rejected", "Paid out"])
    page.locator("#rows a").click()
    expect(page.locator("main > .heading .pill")).to_contain_text(["Rejected", "Paid out"])
    card = page.locator("[data-partner=leadleader]")
    expect(card.locator(".primary")).to_have_count(0)
    card.get_by_role("button", name="Retry…").click()
    expect(page.get_by_role("dialog")).to_contain_text("Has the lead or may get it: Match-Trade")


def test_an_error_of_a_code_without_words_is_shown_as_its_text(open_console: Open, world: World) -> None:
    one = world.add(1, State.FAILED)
    failed = world.delivery(one)
    values = items.delivery_item(failed) | {"last_error_code": "of_another_version"}
    aws.dynamodb().put_item(TableName=TABLE, Item=items.encode(values))
    page = open_console(path=f"#/leads/{one.lead_id}")
    card = page.locator("[data-partner=leadleader]")
    expect(card.locator(".error")).to_contain_text(ERRORS[State.FAILED].text)
    expect(card.locator(".meaning")).to_have_count(0)


def test_the_timeline_shows_a_fallback_and_a_repeat_in_words(open_console: Open, world: World) -> None:
    one = world.add(1, State.CLOSED, age=timedelta(days=1))
    page = open_console(path=f"#/leads/{one.lead_id}")
    lines = page.get_by_role("region", name="Timeline").locator("li")
    expect(lines).to_have_count(4)
    expect(lines.nth(0)).to_contain_text("New status at Lead Leader – Видано")
    expect(lines.nth(1)).to_contain_text("Lead Leader accepted the lead – deal 24")
    expect(lines.nth(3)).to_contain_text("Lead received from the form")
    expect(page.locator("[data-partner=leadleader]")).to_contain_text("Paid out")


def test_the_timeline_warns_of_an_offer_that_the_secret_does_not_have(open_console: Open, world: World) -> None:
    one = world.add(1)
    warning = ErrorInfo(ErrorCode.OFFER_UNKNOWN, "no such offer", {"offer": "Bronze"})
    world.store.apply(steps.start_attempt(world.delivery(one), utc_now(), timedelta(minutes=1), warning))
    page = open_console(path=f"#/leads/{one.lead_id}")
    line = page.get_by_role("region", name="Timeline").locator("li").first
    expect(line).to_contain_text("attempt 1 · The secret has no such offer, so the default offer is used.")
    expect(line).to_contain_text("offer: Bronze")


def test_a_failed_postback_is_shown_and_sent_again(open_console: Open, world: World) -> None:
    one = world.add(1, State.CLOSED)
    about = (one.lead_id, "evt_" + "0" * 32, "keitaro", "leadleader", "web", 5, "issued", "sale", utc_now())
    error = last_error(ErrorInfo(ErrorCode.TRACKER_GONE, "the tracker answered that the address is gone (HTTP 410)"))
    failed = Postback(*about, state=PostbackState.FAILED, **error)
    aws.dynamodb().put_item(TableName=TABLE, Item=items.encode(postback_item(failed)))
    page = open_console(path=f"#/leads/{one.lead_id}")
    postbacks = page.get_by_role("region", name="Postbacks")
    expect(postbacks.locator("li")).to_contain_text("keitaro: sale")
    expect(postbacks.locator("li .meaning")).to_contain_text("no longer has this address")
    postbacks.get_by_role("button", name="Send again…").click()
    page.get_by_role("dialog").get_by_role("button", name="Send again").click()
    expect(postbacks.locator("li")).to_contain_text("Pending")
    expect(page.get_by_role("region", name="Timeline").locator("li").first).to_contain_text("Postback resend requested")
    (postback,) = world.journey(one).postbacks
    assert (postback.state, postback.event_id) == (PostbackState.PENDING, failed.event_id)

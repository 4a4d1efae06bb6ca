"""An operator clears an inbox of thirty mixed troubles, in one sitting and with the console alone."""

import re
from datetime import timedelta

from playwright.sync_api import Locator, Page, Route, expect

from leadbridge.domain.admission import Pause
from leadbridge.domain.clock import utc_now
from leadbridge.domain.delivery import State
from leadbridge.domain.errors.error_codes import ErrorCode, ErrorInfo
from leadbridge.domain.errors.field_codes import FieldCode
from leadbridge.domain.lead import Lead
from leadbridge.runtime import aws
from leadbridge.storage.queries.partner_state import PartnerStates
from leadbridge.storage.table import Table
from quality.testkit.browser.world import Open, World
from quality.testkit.fixtures import TABLE

LIMITED = ErrorInfo(ErrorCode.RATE_LIMITED, "too many requests (HTTP 429)")
CAPPED = ErrorInfo(ErrorCode.CAPPED, "a cap is used up")
TAX_NUMBER = ErrorInfo(ErrorCode.TAX_NUMBER_INVALID, "the tax number is wrong", {"fields": ["tax_number"]})
CORRECT_TAX_NUMBER = "3184710691"


def thirty_troubles(world: World) -> dict[str, list[Lead]]:
    """What a bad night leaves: 16 rate limited, 5 without a reply, 2 held, 2 rejected, 2 incomplete, and 3 others."""
    found = {
        "limited": [world.add(number, State.FAILED, error=LIMITED) for number in range(16)],
        "unknown": [world.add(number, State.UNKNOWN) for number in range(20, 25)],
        "held": [world.add(number, State.FAILED, error=CAPPED) for number in (30, 31)],
        "rejected": [world.add(number, State.REJECTED, error=TAX_NUMBER) for number in (40, 41)],
        "incomplete": [world.add_incomplete(number, ("person.phone", FieldCode.NOT_A_PHONE)) for number in (50, 51)],
    }
    for lead in (*found["limited"], *found["held"], *found["unknown"]):
        world.bury("submit-leadleader", world.note_of(lead))  # none of them counts twice
    world.bury("events", {"DDBStreamBatchInfo": {}})
    world.add(60, State.CLOSED, source="google-credit", age=timedelta(days=3))
    pause = Pause("no budget", "bohdan", utc_now())
    PartnerStates(Table(aws.dynamodb(), TABLE)).pause("matchtrade", pause)
    return found


def group(page: Page, key: str) -> Locator:
    return page.locator(f"[data-group='{key}']")


def press(page: Page, where: Locator, button: str, confirmed: str) -> Locator:
    """Press a button and confirm what it explains."""
    where.get_by_role("button", name=button).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name=confirmed, exact=True).click()
    expect(dialog).to_be_hidden()
    return page.get_by_role("status").first


def test_an_operator_clears_an_inbox_of_thirty_troubles(open_console: Open, world: World) -> None:
    leads = thirty_troubles(world)
    page = open_console()
    counts = page.locator(".groups .count")
    expect(counts).to_have_text(["5", "16", "2", "2", "2", "1", "1", "1"])
    limited = group(page, "failed.leadleader.rate_limited")
    expect(limited).to_contain_text(re.compile(r"16 failed leads · Lead Leader.*limits the rate.*since"))

    # I take the largest one, so that Bohdan does not, and look whether the number is that of its leads.
    limited.get_by_role("button", name="I am on it").click()
    expect(limited).to_contain_text("olena is on it")
    expect(limited.locator("[data-action=release]")).to_be_focused()
    limited.get_by_role("link", name="16 failed leads").click()
    expect(page.locator("#rows a")).to_have_count(16)
    page.get_by_role("main").get_by_role("button", name="Retry all…").click()
    expect(page.get_by_role("dialog").get_by_role("listitem")).to_have_count(6)
    expect(page.get_by_role("dialog")).to_contain_text("and 11 others")
    page.keyboard.press("Escape")
    said = press(page, page.get_by_role("main"), "Retry all…", "Retry all")
    expect(said).to_contain_text("16 leads retried.")
    expect(page.get_by_role("main")).to_contain_text("This is solved")
    assert {world.delivery(one).state for one in leads["limited"]} == {State.RECEIVED}
    page.get_by_role("link", name="Overview").first.click()
    expect(counts).to_have_text(["5", "2", "2", "2", "1", "1", "1"])
    expect(said).to_be_empty()

    # The lender must say whether it has these: a note, without the phone that I typed first, and a snooze until then.
    unknown = group(page, "unknown.leadleader.reply_lost")
    unknown.get_by_role("button", name="Note…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("5 leads without a reply · Lead Leader")
    expect(dialog.get_by_role("listitem")).to_have_count(5)
    expect(dialog.get_by_role("listitem").first).to_have_text("Прикладенко Олена Іванівна · +38050•••24")
    dialog.get_by_label("Note").fill("asked Lead Leader, call 067 123 45 09")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_role("alert")).to_contain_text("must not contain a phone")
    dialog.get_by_label("Note").fill("asked Lead Leader, they answer at ten")
    dialog.get_by_role("button", name="Save").click()
    expect(unknown).to_contain_text("they answer at ten – olena")
    press(page, unknown, "Snooze…", "Snooze")
    expect(counts.locator("visible=true")).to_have_text(["2", "2", "2", "1", "1", "1"])
    expect(page.get_by_text("1 snoozed group")).to_be_focused()

    # Tomorrow's cap is open again.
    expect(press(page, group(page, "failed.leadleader.capped"), "Retry all…", "Retry all")).to_contain_text(
        "2 leads retried."
    )

    # I correct what the people have told me.
    for name, key, field, value in (
        ("rejected", "rejected.leadleader.tax_number.tax_number_invalid", "Tax number", CORRECT_TAX_NUMBER),
        ("incomplete", "incomplete.tilda-credit.person.phone.not_a_phone", "Phone", "050 123 45 67"),
    ):
        for left in range(len(leads[name]), 0, -1):
            page.goto(f"{world.gateway.url}/console#/inbox/{key}")
            expect(page.locator("#rows a")).to_have_count(left)
            page.locator("#rows a").first.click()
            page.get_by_role("button", name="Correct…").click()
            page.get_by_label(field, exact=True).fill(value)
            page.get_by_role("button", name="Save").click()
            expect(page.get_by_role("status").first).to_contain_text("Data corrected")
            if name == "rejected":
                press(page, page.locator("[data-partner=leadleader]"), "Retry…", "Retry")
                expect(page.locator("[data-partner=leadleader]")).to_contain_text("Received")

    # The others are not about leads.
    page.goto(f"{world.gateway.url}/console#/")
    group(page, "partner.matchtrade.paused").get_by_role("link", name="1 partner").click()
    press(page, page.get_by_role("region", name="Match-Trade"), "Resume…", "Resume")
    page.get_by_role("link", name="Overview", exact=True).click()
    group(page, "technical.events.stream_failed").get_by_role("link", name="1 technical error").click()
    press(page, page.get_by_role("main"), "Redrive all…", "Redrive")
    expect(page.get_by_text("There are no dead letters.")).to_be_visible()
    page.get_by_role("link", name="Overview", exact=True).click()
    press(page, group(page, "source.google-credit.stale"), "Snooze…", "Snooze")

    # The lender has answered: it has none of the five.
    expect(page.locator("#all-clear")).to_be_visible()
    page.get_by_text("2 snoozed groups").click()
    unknown.get_by_role("button", name="End snooze").click()
    expect(page.locator("#inbox")).to_contain_text("5 leads without a reply")
    expect(unknown.get_by_role("button", name="Snooze…")).to_be_focused()
    unknown.get_by_role("button", name="Retry anyway…").click()
    expect(dialog).to_contain_text("a retry creates a second one of each")
    dialog.get_by_role("button", name="Send, possibly twice").click()
    expect(page.get_by_role("status").first).to_contain_text("5 leads retried.")
    expect(page.locator("#all-clear")).to_be_visible()
    # Their dead letters are kept until the retries end, and are not shown meanwhile.
    page.evaluate("location.hash = '#/dead-letters'")
    expect(page.get_by_text("There are no dead letters.")).to_be_visible()


def test_a_dialog_returns_the_focus_to_a_list_that_was_read_again_meanwhile(open_console: Open, world: World) -> None:
    world.add(1, State.UNKNOWN)
    page = open_console()
    unknown = group(page, "unknown.leadleader.reply_lost")
    unknown.get_by_role("button", name="Note…").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    world.add(2, State.UNKNOWN)
    page.evaluate("() => dispatchEvent(new Event('online'))")
    expect(unknown.locator(".count")).to_have_text("2")
    page.keyboard.press("Escape")
    expect(unknown.get_by_role("button", name="Note…")).to_be_focused()


def test_an_action_keeps_the_focus_while_the_one_before_it_still_reads(open_console: Open, world: World) -> None:
    world.add(1, State.UNKNOWN)
    page = open_console()
    unknown = group(page, "unknown.leadleader.reply_lost")
    syncs, reads = list[Route](), list[Route]()
    page.route(re.compile("/sync$"), lambda route: syncs.append(route))  # noqa: PLW0108  # it gets an attribute
    unknown.get_by_role("button", name="I am on it").click()
    expect(unknown).to_contain_text("olena is on it")
    page.route(re.compile("/inbox.group="), lambda route: reads.append(route))  # noqa: PLW0108
    snooze = unknown.get_by_role("button", name="Snooze…")
    snooze.click()
    expect(snooze).to_be_disabled()
    expect(page.locator("body")).to_be_focused()
    syncs[0].continue_()
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    reads[0].continue_()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(snooze).to_be_focused()

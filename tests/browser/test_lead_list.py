"""The list: what comes meanwhile does not disturb, ten thousand are as quick as ten, a file of it is harmless."""

import csv
import io
import re
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from leadbridge.domain.delivery import State
from leadbridge.domain.shards import SHARDS
from quality.testkit.browser.world import Open, World

PAGE = 25
INDEX_UNITS = 0.75 * SHARDS  # half a unit for a page of each shard, and a second page of every other one
NO_AGE = timedelta()
CALLS = re.compile(r"/(leads|stats|partners|dead-letters|sync|inbox)(/|\?|$)")


def test_new_leads_wait_on_top_until_they_are_wanted(open_console: Open, world: World) -> None:
    world.add(1, age=timedelta(hours=1))
    page = open_console(path="#/leads", clock=True)
    rows = page.locator("#rows a")
    expect(rows).to_have_count(1)
    for number in (2, 3, 4):  # of different milliseconds: their order is that of the reception
        world.add(number, age=timedelta(milliseconds=10 * (4 - number)))
    page.clock.fast_forward(6000)
    fresh = page.get_by_role("button", name="Show 3 new leads")
    expect(fresh).to_be_visible()
    assert fresh.evaluate("(button) => button.closest('[aria-live]').getAttribute('aria-live')") == "polite"
    expect(rows).to_have_count(1)
    page.keyboard.press("n")
    expect(rows).to_have_count(4)
    expect(rows.first).to_be_focused()
    expect(rows.first).to_contain_text("Ніякенко")


def test_a_state_that_changes_is_seen_in_the_lists_row(open_console: Open, world: World) -> None:
    one = world.add(1)
    page = open_console(path="#/leads", clock=True)
    row = page.locator("#rows a")
    expect(row).to_contain_text("Received")
    row.focus()
    world.bring(one, State.SUBMITTED)
    page.clock.fast_forward(6000)
    expect(row).to_contain_text("In progress")
    expect(row).to_be_focused()


def test_the_api_is_not_called_while_the_page_is_hidden(open_console: Open, world: World) -> None:
    page = open_console(path="#/leads", clock=True)
    expect(page.get_by_text("No leads found.")).to_be_visible()
    page.evaluate("Object.defineProperty(document, 'hidden', { value: true, configurable: true })")
    page.clock.run_for(6000)
    before = len(world.gateway.calls)
    page.clock.run_for(60_000)
    assert len(world.gateway.calls) == before


def test_the_list_by_state_source_partner_and_phone(open_console: Open, world: World) -> None:
    world.add(1, State.UNKNOWN)
    world.add(2, State.FAILED, source="tilda-credit")
    world.add(3, partner="matchtrade", source="web-trading")
    page = open_console(path="#/leads")
    rows = page.locator("#rows a")
    expect(rows).to_have_count(3)
    page.get_by_label("State").select_option("unknown")
    expect(rows).to_have_count(1)
    assert page.url.endswith("#/leads?status=unknown"), "an address that can be shared"
    page.get_by_label("State").select_option("")
    page.get_by_label("Partner").select_option("matchtrade")
    expect(rows).to_have_count(1)
    page.get_by_role("button", name="Clear").click()
    page.get_by_label("Source").select_option("tilda-credit")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("Failed")
    page.get_by_role("button", name="Clear").click()
    expect(rows).to_have_count(3)
    search(page, "?")
    expect(page.get_by_role("alert")).to_contain_text("Enter a phone, an e-mail, a lead ID, a deal number")


def test_one_search_and_its_filters_survive_a_reload(open_console: Open, world: World) -> None:
    one = world.add(1, State.REJECTED)
    world.add(2)
    other = world.add(4, State.CLOSED)
    page = open_console(path="#/leads")
    rows = page.locator("#rows a")
    expect(rows).to_have_count(3)
    search(page, "050 000 00 01")
    expect(rows).to_have_count(1)
    page.get_by_label("State").select_option("rejected")
    expect(rows).to_have_count(1)
    assert page.url.endswith("#/leads?status=rejected"), "no phone is in an address"
    page.reload()
    expect(rows).to_have_count(1)
    expect(page.get_by_role("searchbox")).to_have_value("050 000 00 01")
    page.get_by_label("State").select_option("closed")
    expect(page.get_by_text("Enter the last name in full.")).to_be_visible()
    page.go_back()
    expect(rows).to_have_count(1)
    page.get_by_role("button", name="Clear").click()
    expect(rows).to_have_count(3)
    search(page, other.lead_id)
    expect(rows).to_have_count(1)
    assert page.url.endswith(f"#/leads?search={other.lead_id}"), "an id can be shared"
    day = f"{one.received_at:%Y-%m-%d}"
    page.evaluate("(hash) => (location.hash = hash)", f"#/leads?until=2099-01-01&since={day}&problem=rejected")
    expect(rows).to_have_count(1)
    expect(page.get_by_label("Problem")).to_have_value("rejected")
    expect(page.get_by_label("From")).to_have_value(day)


def test_a_view_without_a_connection_says_how_old_it_is_and_heals(open_console: Open, world: World) -> None:
    world.add(1)
    page = open_console(path="#/leads", clock=True)
    rows, banner = page.locator("#rows a"), page.get_by_role("alert")
    expect(rows).to_have_count(1)
    page.route(CALLS, lambda route: route.abort())
    world.add(2, age=NO_AGE)
    for _ in range(2):
        expect(banner).to_have_count(0)
        with page.expect_event("requestfailed"):
            page.clock.fast_forward(6000)
    expect(banner).to_contain_text("No connection to the server. This data is of")
    expect(rows).to_have_count(1)
    page.unroute(CALLS)
    banner.get_by_role("button", name="Try again").click()
    expect(banner).to_have_count(0)
    expect(page.get_by_role("button", name="Show 1 new lead")).to_be_visible()


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("#/leads", "#rows a"),
        ("#/leads/{lead_id}", ".person"),
        ("#/", "#statistics-heading, #all-clear"),
        ("#/partners", "[data-partner]"),
        ("#/dead-letters", "main .empty"),
    ],
)
def test_a_view_that_could_not_be_loaded_appears_when_the_connection_returns(
    open_console: Open, world: World, path: str, content: str
) -> None:
    one = world.add(0)
    page = open_console(path="#/nowhere", clock=True)
    page.route(CALLS, lambda route: route.abort())
    page.evaluate("(hash) => (location.hash = hash)", path.format(lead_id=one.lead_id))
    expect(page.get_by_role("alert").first).to_contain_text("The server did not respond")
    page.unroute(CALLS)
    page.clock.fast_forward(6000)
    expect(page.get_by_role("alert")).to_have_count(0)
    expect(page.locator(content).first).to_be_visible()


def search(page: Page, text: str) -> None:
    """Type into the search box, and search."""
    page.get_by_role("searchbox").fill(text)
    page.get_by_role("button", name="Find").click()


def test_an_earlier_request_is_given_up_for_a_later_search(open_console: Open, world: World) -> None:
    world.add(1)
    world.add(2)
    page = open_console(path="#/partners")  # the overview lists 25 leads, too
    held: list[Route] = []
    page.route(re.compile(r"/leads\?.*limit=25"), lambda route: route.fallback() if held else held.append(route))
    page.get_by_role("navigation").get_by_role("link", name="Leads", exact=True).click()
    search(page, "+380500000002")
    expect(page.get_by_text("1 lead", exact=True)).to_be_visible()
    assert held[0].request.failure is not None, "it was given up"
    expect(page.locator("#rows a")).to_have_count(1)


def test_the_way_back_finds_the_list_as_it_was(open_console: Open, world: World) -> None:
    for number in range(30):
        world.add(number, age=timedelta(minutes=number))
    page = open_console(path="#/leads")
    page.get_by_role("button", name="Show more").click()
    rows = page.locator("#rows a")
    expect(rows).to_have_count(30)
    rows.last.click()
    expect(page.get_by_role("heading", name="Timeline")).to_be_visible()
    page.go_back()
    expect(rows).to_have_count(30)
    expect(rows.last).to_be_in_viewport()
    expect(rows.last).to_be_focused()


def test_ten_thousand_leads_are_paged_without_a_scan(open_console: Open, world: World) -> None:
    world.flood(10_000)
    page = open_console(path="#/leads")
    rows = page.locator("#rows a")
    expect(rows).to_have_count(PAGE)
    for number in range(2, 6):
        page.get_by_role("button", name="Show more").click()
        expect(rows).to_have_count(PAGE * number)
    links = rows.evaluate_all("(all) => all.map((link) => link.hash)")
    assert len(set(links)) == len(links)
    lists = [call for call in world.gateway.calls if call.path == "/leads"]
    assert len(lists) >= 5
    for call in lists:
        assert {name for name, _ in call.reads} <= {"Query", "BatchGetItem"}
        assert sum(units for name, units in call.reads if name == "Query") <= INDEX_UNITS
        assert sum(units for name, units in call.reads if name == "BatchGetItem") <= 2 * PAGE * 0.5


def exported(page: Page, tmp_path: Path, separator: str = "comma") -> tuple[bytes, list[dict[str, str]]]:
    page.get_by_role("button", name="Export CSV").click()
    page.get_by_label("Column separator").select_option(separator)
    with page.expect_download() as download:
        page.get_by_role("button", name="Export", exact=True).click()
    assert re.fullmatch(r"leads-\d{4}-\d\d-\d\d\.csv", download.value.suggested_filename)
    file = tmp_path / "leads.csv"
    download.value.save_as(file)
    raw = file.read_bytes()
    delimiter = ";" if separator == "semicolon" else ","
    return raw, list(csv.DictReader(io.StringIO(raw.decode("utf-8-sig"), newline=""), delimiter=delimiter))


def test_the_list_is_exported_whole_and_masked_in_the_chosen_format(
    open_console: Open, world: World, tmp_path: Path
) -> None:
    for number in range(130):
        ids = {"gclid": "secret", "sub1": f"a{number}"} if number == 1 else {}
        world.add(number, age=timedelta(minutes=number), ids=ids)
    page = open_console(path="#/leads")
    raw, rows = exported(page, tmp_path)
    assert raw.startswith(b"\xef\xbb\xbf")
    assert len({row["lead_id"] for row in rows}) == 130
    assert rows[1]["person.phone"] == "'+38050•••01"
    assert rows[1]["person.full_name"] == "Зразковий Андрій Петрович"
    assert (rows[1]["status"], rows[1]["loan.amount"]) == ("received", "6000.00")
    assert [(row["ids.sub1"], row["ids.gclid"]) for row in rows[:2]] == [("", ""), ("a1", "•••")]
    _, rows = exported(page, tmp_path, "semicolon")
    assert (len(rows), rows[1]["loan.amount"]) == (130, "6000,00")
    assert [name for name in rows[0] if name.startswith("received_at (")], "local times name their zone"
    page.route("**/exports/leads?*", lambda route: route.fulfill(json={"csv": "x\r\n", "leads": 5000, "cursor": "c"}))
    exported(page, tmp_path)
    expect(page.locator(".export [role=status]")).to_contain_text("first 10,000 leads")
    expect(page.locator(".export [role=status]")).to_contain_text("leadbridge leads export")

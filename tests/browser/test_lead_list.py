"""The list: what comes meanwhile does not disturb, ten thousand are as quick as ten, a file of it is harmless."""

import csv
import io
import re
from datetime import timedelta
from pathlib import Path

from playwright.sync_api import Page, Route, expect

from leadbridge.domain.delivery import State
from leadbridge.domain.shards import SHARDS
from quality.testkit.browser.world import Open, World

PAGE = 25
INDEX_UNITS = 0.75 * SHARDS  # half a unit for a page of each shard, and a second page of every other one
NO_AGE = timedelta()


def test_new_leads_wait_on_top_until_they_are_wanted(open_console: Open, world: World) -> None:
    world.add(1, age=timedelta(hours=1))
    page = open_console(path="#/leads", clock=True)
    rows = page.locator("#rows a")
    expect(rows).to_have_count(1)
    for number in (2, 3, 4):
        world.add(number, age=NO_AGE)
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
    page.get_by_label("Source").fill("tilda-credit")
    page.get_by_label("Source").press("Enter")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("Failed")
    page.get_by_role("button", name="Clear").click()
    expect(rows).to_have_count(3)
    page.get_by_role("searchbox", name="Phone").fill("not a phone")
    page.get_by_role("button", name="Find").click()
    expect(page.get_by_role("alert")).to_contain_text("This search is not valid")
    assert "phone" not in page.url, "nobody's phone stays in the browser's history"


def test_a_late_answer_does_not_replace_a_later_search(open_console: Open, world: World) -> None:
    world.add(1)
    world.add(2)
    page = open_console(path="#/partners")  # the overview lists 25 leads, too
    held: list[Route] = []
    page.route(re.compile(r"/leads\?.*limit=25"), lambda route: route.fallback() if held else held.append(route))
    page.get_by_role("navigation").get_by_role("link", name="Leads", exact=True).click()
    page.get_by_role("searchbox", name="Phone").fill("+380500000002")
    page.get_by_role("button", name="Find").click()
    expect(page.get_by_text("1 lead", exact=True)).to_be_visible()
    with page.expect_response(lambda response: response.request == held[0].request) as late:
        held[0].fallback()
    late.value.finished()
    page.evaluate("() => new Promise((resolve) => setTimeout(resolve))")
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

"""The partners: which of them get leads, and for whom the others wait; the dry run; a lead for another partner."""

import json
import re
from dataclasses import replace
from typing import Any, Literal

from playwright.sync_api import Route, expect

from leadbridge.api.routes.partners import PartnerView
from leadbridge.api.routes.stats import SubmissionTimeView
from leadbridge.domain.admission import Pause, Wait, WaitReason, wait_for_partner
from leadbridge.domain.clock import utc_now
from leadbridge.domain.delivery import State
from leadbridge.runtime import aws
from leadbridge.storage.queries.partner_state import PartnerStates
from leadbridge.storage.table import Table
from quality.testkit.browser.axe import violations
from quality.testkit.browser.world import Open, World
from quality.testkit.fixtures import TABLE

NARROW = {"width": 320, "height": 700}
STATES: dict[str, dict[str, Any]] = {
    "leadleader": {
        "state": "circuit_open",
        "circuit": {
            "failures": 5,
            "code": "reply_lost",
            "since": "2031-11-02T09:13:35.000Z",
            "opened_until": "2031-11-02T09:14:05.000Z",
        },
    },
    "matchtrade": {
        "state": "capped",
        "opens_at": "2031-11-03T09:14:05.000Z",
        "caps": [{"window": "per_hour", "count": 3, "limit": 10}, {"window": "per_day", "count": 50, "limit": 50}],
    },
}


def test_a_partner_is_paused_with_a_reason_and_resumed(open_console: Open, world: World) -> None:
    for number, state in enumerate((State.CLOSED, State.SUBMITTED, State.CLOSED, State.REJECTED, State.RECEIVED)):
        world.add(number, state)
    page = open_console(path="#/partners")
    card, dialog = page.get_by_role("region", name="Lead Leader"), page.get_by_role("dialog")
    expect(card).to_contain_text("Gets leads")
    expect(card).to_contain_text("75% (3 of 4)")
    expect(card).to_contain_text("Half within 5 seconds")
    expect(card.get_by_role("link", name="1", exact=True)).to_have_attribute(
        "href", "#/leads?status=received&partner=leadleader"
    )
    card.get_by_role("button", name="Pause…").click()
    expect(dialog).to_contain_text("Its leads wait until you resume it")
    expect(dialog.get_by_label("Reason")).to_be_focused()
    dialog.get_by_role("button", name="Pause").click()
    expect(dialog).to_be_visible()  # a reason is required
    dialog.get_by_label("Reason").fill("no budget <b>this week</b>")
    dialog.get_by_role("button", name="Pause").click()
    expect(card).to_contain_text("Paused by olena")
    expect(card).to_contain_text("no budget <b>this week</b>")
    page.get_by_role("link", name="Overview", exact=True).click()
    expect(page.locator(".group")).to_contain_text(re.compile("1 partner.*Lead Leader.*Paused"))
    page.go_back()
    card.get_by_role("button", name="Resume…").click()
    expect(dialog).to_contain_text("Within a minute the waiting leads are sent to Lead Leader")
    dialog.get_by_role("button", name="Resume").click()
    expect(card).to_contain_text("Gets leads")
    expect(card.get_by_role("button", name="Pause…")).to_be_focused()
    paths = [call.path for call in world.gateway.calls if call.method == "POST"]
    assert paths == ["/partners/leadleader/pause", "/partners/leadleader/resume"]


def test_the_reason_and_the_end_of_a_stop_are_shown(open_console: Open, world: World) -> None:
    assert PartnerView.__annotations__.keys() >= set().union(*STATES.values())

    def changed(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(json={"partners": [one | STATES[one["name"]] for one in answer.json()["partners"]]})

    def slowed(route: Route) -> None:
        times = {"leadleader": [(5, 1), (None, 2)], "matchtrade": [(5, 1), (30, 1), (None, 2)]}
        found = [
            SubmissionTimeView(partner=p, within_seconds=s, count=n) for p, every in times.items() for s, n in every
        ]
        route.fulfill(json=route.fetch().json() | {"submission_times": found})

    page = open_console(operator=None)
    page.route("**/v1/partners", changed)
    page.route("**/v1/stats?*", slowed)
    page.get_by_label("Operator token").fill("token-of-olena")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Overview")).to_be_focused()
    page.keyboard.press("g")
    page.keyboard.press("p")
    silent, capped = (page.locator(f"[data-partner={name}]") for name in STATES)
    expect(silent).to_contain_text("Does not respond")
    expect(silent).to_contain_text("The connection broke before the reply arrived.")
    expect(silent.locator("time").last).to_have_attribute("datetime", "2031-11-02T09:14:05.000Z")
    expect(silent).to_contain_text("More than half take over a day")
    expect(capped).to_contain_text("Half within 30 seconds")
    expect(capped).to_contain_text("Cap reached")
    expect(capped).to_contain_text("50 of 50")
    expect(capped.locator("time").first).to_have_attribute("datetime", "2031-11-03T09:14:05.000Z")
    schemes: tuple[tuple[Literal["light", "dark"], int], ...] = (("light", 1920), ("dark", 320))
    for scheme, width in schemes:
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert violations(page) == []


def test_the_dry_run_explains_each_rule_and_sends_nothing(open_console: Open, world: World) -> None:
    page = open_console(path="#/partners/route?source=web", viewport=NARROW)
    lead, result = page.get_by_label("Lead (JSON)"), page.locator(".result")
    expect(page.get_by_label("Source")).to_have_value("web")
    page.get_by_role("button", name="Test", exact=True).click()
    expect(result.get_by_role("heading", name="Who would get the lead")).to_be_focused()
    expect(result.locator(".chosen")).to_have_text("Lead Leader")
    expect(result.locator(".rules li")).to_have_text(["Applies: Lead Leader."])
    expect(page.locator("#dry-run-unavailable")).to_have_count(0)
    states = PartnerStates(Table(aws.dynamodb(), TABLE))
    states.pause("leadleader", Pause("no budget", "olena", utc_now()))
    page.get_by_role("button", name="Test", exact=True).click()
    expect(page.locator("#dry-run-unavailable li")).to_have_text("Lead Leader: partner paused. The lead would wait.")
    states.resume("leadleader", utc_now())
    sample = json.loads(lead.input_value())
    lead.fill(json.dumps(sample | {"person": {"phone": "123"}}))
    page.get_by_role("button", name="Test", exact=True).click()
    expect(result.get_by_role("heading", name="No partner would get the lead")).to_be_visible()
    expect(result).to_contain_text("Full name: This field is missing.")
    expect(result).to_contain_text("Phone: This is not a valid phone number.")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert violations(page) == []
    for text, said in (
        ('{"person": ', "This is not valid JSON"),
        ("[]", "Enter a JSON object with any of these parts: person, loan"),
        ('{"Телефон": "1"}', "A lead does not have these parts: Телефон."),
        ('{"form": {"Телефон": 1}}', "The value is not valid."),
    ):
        lead.fill(text)
        page.get_by_role("button", name="Test", exact=True).click()
        expect(page.get_by_role("alert")).to_contain_text(said)
    assert world.store.journey("ld_" + "a" * 26) is None
    assert {call.path for call in world.gateway.calls if call.method == "POST"} == {"/sources/web/route"}


def test_a_lead_that_waits_for_its_partner_is_sent_to_another_one(open_console: Open, world: World) -> None:
    one = world.add(1)
    world.store.apply(wait_for_partner(world.delivery(one), utc_now(), Wait(WaitReason.PAUSED)))
    page = open_console(path="#/leads", viewport=NARROW)
    row, dialog = page.locator("#rows a"), page.get_by_role("dialog")
    expect(row).to_contain_text("Waiting: partner paused")
    assert row.evaluate("(link) => link.offsetHeight") < 240, "the name keeps its place"
    row.click()
    card = page.locator("[data-partner=leadleader]")
    expect(card).to_contain_text("Waiting: partner paused")
    expect(page.get_by_role("region", name="Timeline")).to_contain_text("gets no leads at the moment – partner paused")
    page.get_by_role("button", name="Send to another partner…").click()
    expect(dialog).to_contain_text("The lead waits for Lead Leader.")
    expect(dialog).not_to_contain_text("two partners may have it")
    expect(dialog.get_by_label("Partner")).to_have_value("matchtrade")
    assert violations(page) == []
    dialog.get_by_role("button", name="Send", exact=True).click()
    expect(page.locator("[data-partner=matchtrade]")).to_contain_text("Received")
    expect(page.get_by_role("button", name="Send to another partner…")).to_have_count(0)
    states = {name: delivery.state for name, delivery in world.journey(one).deliveries.items()}
    assert states == {"leadleader": State.SKIPPED, "matchtrade": State.RECEIVED}
    card.get_by_role("button", name="Send to this partner too…").click()
    expect(dialog).to_contain_text("Another partner got this lead instead of Lead Leader.")
    dialog.get_by_role("button", name="Send to two partners").click()
    expect(card).to_contain_text("Received")


def test_a_lead_that_a_partner_may_have_is_sent_after_a_second_confirmation(open_console: Open, world: World) -> None:
    one = world.add(1)
    waits = wait_for_partner(world.delivery(one), utc_now(), Wait(WaitReason.PAUSED))
    world.store.apply(replace(waits, after=replace(waits.after, restored_at=utc_now())))
    page = open_console(path=f"#/leads/{one.lead_id}")
    page.get_by_role("button", name="Send to another partner…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Send", exact=True).click()
    expect(dialog.get_by_role("alert")).to_contain_text("A partner may already have this lead")
    assert set(world.journey(one).deliveries) == {"leadleader"}
    dialog.get_by_role("button", name="Send anyway").click()
    expect(page.locator("[data-partner=matchtrade]")).to_contain_text("Received")


def test_a_lead_without_what_the_other_partner_requires_stays_where_it_is(open_console: Open, world: World) -> None:
    one = world.add(1, State.REJECTED, email=None)
    page = open_console(path=f"#/leads/{one.lead_id}")
    page.get_by_role("button", name="Send to another partner…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).not_to_contain_text("may get it")
    dialog.get_by_role("button", name="Send", exact=True).click()
    expect(dialog.get_by_role("alert")).to_have_text(
        "The partner does not take the lead because of these fields: E-mail."
    )
    assert set(world.journey(one).deliveries) == {"leadleader"}


def test_the_overview_of_one_partner(open_console: Open, world: World) -> None:
    world.add(1, State.UNKNOWN)
    world.add(2, State.FAILED)
    world.add(3, State.SUBMITTED, partner="matchtrade", source="web-trading")
    world.add(4, State.UNKNOWN, partner="matchtrade", source="web-trading")
    page = open_console()
    needs = page.get_by_role("region", name="Needs attention")
    expect(needs.get_by_role("link", name="1 lead without a reply")).to_have_count(2)
    page.get_by_label("Partner").select_option("matchtrade")
    expect(needs.get_by_role("link", name="1 lead without a reply")).to_have_count(1)
    expect(needs.get_by_role("link", name="failed")).to_have_count(0)
    charts = page.locator(".charts .card")
    states = charts.filter(has=page.get_by_role("heading", name="Deliveries by state"))
    expect(states.get_by_role("row")).to_have_count(3)
    expect(charts.filter(has=page.get_by_role("heading", name="Leads by source")).locator("tbody tr")).to_have_count(1)
    states.get_by_role("link", name="Unknown").click()
    expect(page.get_by_label("Partner")).to_have_value("matchtrade")
    expect(page.locator("#rows a")).to_have_count(1)

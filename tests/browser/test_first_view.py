"""How soon the console is there: the requests of its first view, and the log-in over a slow network."""

import time

from playwright.sync_api import expect

from quality.testkit.browser.world import Open, World

SLOW_3G = {"offline": False, "latency": 400, "downloadThroughput": 400_000 / 8, "uploadThroughput": 400_000 / 8}
LONGEST = 3.0  # seconds until the log-in is shown
ATTEMPTS = 3  # a machine with other things to do may be late once


def test_a_slow_phone_shows_the_login_soon_after_two_requests(open_console: Open, world: World) -> None:
    page = open_console(operator=None, locale="uk-UA")
    expect(page.locator("#token")).to_be_focused()
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    network.send("Network.setCacheDisabled", {"cacheDisabled": True})
    network.send("Network.emulateNetworkConditions", SLOW_3G)
    took: list[float] = []
    while len(took) < ATTEMPTS and (not took or min(took) >= LONGEST):
        world.gateway.calls.clear()
        began = time.monotonic()
        page.reload(wait_until="commit")
        expect(page.locator("#token")).to_be_focused()
        took.append(time.monotonic() - began)
        assert [call.path for call in world.gateway.calls] == ["/console", "/console/app.uk.js"]
    print(f"the log-in was there after {min(took):.1f} s")
    assert min(took) < LONGEST


def test_the_overview_of_an_operator_is_there_after_five_requests(open_console: Open, world: World) -> None:
    page = open_console()
    expect(page.locator("[data-sync]")).to_be_visible()
    page.route("**/uplot*", lambda route: route.abort())
    page.route("**/sync", lambda route: route.abort())
    world.gateway.calls.clear()
    page.reload(wait_until="commit")
    expect(page.get_by_text("All clear")).to_be_visible()
    expect(page.locator(".charts .card").first).to_be_visible()
    paths = [call.path for call in world.gateway.calls]
    assert sorted(paths) == ["/console", "/console/app.en.js", "/inbox", "/partners", "/stats"]


def test_charts_are_loaded_when_there_is_one_to_draw(open_console: Open, world: World) -> None:
    page = open_console(path="#/leads")
    expect(page.get_by_text("No leads found.")).to_be_visible()
    assert "uPlot" not in page.evaluate("Object.keys(window)")
    page.route("**/uplot.js*", lambda route: route.abort())
    page.get_by_role("navigation").get_by_role("link", name="Overview").click()
    page.get_by_text("Show as table").click()
    expect(page.get_by_role("region", name="Leads by day")).to_be_visible()
    expect(page.locator(".plot")).to_have_count(0)
    page.unroute_all()
    page.get_by_label("Period").select_option("7")
    expect(page.locator(".plot canvas")).to_be_visible()
    assert "uPlot" in page.evaluate("Object.keys(window)")

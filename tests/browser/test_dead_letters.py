"""Dead letters from the console: explained, put back, thrown away."""

from playwright.sync_api import expect

from leadbridge.domain.delivery import State
from tests.browser.conftest import Open
from tests.browser.world import World


def test_a_queue_of_dead_letters_is_put_back_on_its_way(open_console: Open, world: World) -> None:
    leads = [world.add(number, State.FAILED) for number in range(3)]
    for one in leads:
        world.bury("submit-leadleader", world.note_of(one))
    page = open_console(path="#/dead-letters")
    queue = page.get_by_role("region", name="Leads for Lead Leader 3")
    expect(queue).to_contain_text("Our access to the partner is wrong")
    queue.get_by_role("button", name="Put all back…").click()
    expect(page.get_by_role("dialog")).to_contain_text("Deliveries that failed are sent anew")
    page.get_by_role("dialog").get_by_role("button", name="Put back").click()
    expect(page.get_by_text("3 letters put back.")).to_be_visible()
    expect(page.get_by_text("There are no dead letters.")).to_be_visible()
    assert [world.delivery(one).state for one in leads] == [State.RECEIVED] * 3
    assert world.journey(leads[0]).timeline[-1].detail == "by olena"


def test_one_letter_is_put_back_and_another_thrown_away(open_console: Open, world: World) -> None:
    for number, partner in enumerate(("leadleader", "matchtrade")):
        world.bury("checks", {"lead_id": world.add(number, partner=partner).lead_id, "partner": partner})
    page = open_console(path="#/dead-letters")
    letters = page.locator(".letters li")
    expect(letters).to_have_count(2)
    letters.filter(has_text="Match-Trade").get_by_role("button", name="Put back…").click()
    expect(page.get_by_role("dialog")).to_contain_text("It goes back to the queue that it was in")
    page.get_by_role("dialog").get_by_role("button", name="Put back").click()
    expect(letters).to_have_count(1)
    assert [note["partner"] for note in world.waiting(world.alive["checks"])] == ["matchtrade"]
    letters.get_by_role("button", name="Discard…").click()
    page.get_by_role("dialog").get_by_role("button", name="Discard").click()
    expect(page.get_by_text("1 letter discarded.")).to_be_visible()
    expect(letters).to_have_count(0)


def test_a_letter_leads_to_its_lead_and_one_that_nobody_can_read_is_shown(open_console: Open, world: World) -> None:
    one = world.add(1, State.FAILED)
    world.bury("submit-leadleader", world.note_of(one))
    world.bury("events", "<b>nonsense</b>")
    page = open_console(path="#/dead-letters")
    expect(page.get_by_role("region", name="Announcements 1")).to_contain_text("Unreadable")
    page.get_by_role("link", name="Show the lead").click()
    expect(page.get_by_role("button", name="Send again…")).to_be_visible()

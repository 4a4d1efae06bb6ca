"""Dead letters in the console: shown, redriven, discarded."""

from playwright.sync_api import expect

from leadbridge.domain.delivery import State
from quality.testkit.browser.world import Open, World


def test_all_dead_letters_of_a_queue_are_redriven(open_console: Open, world: World) -> None:
    leads = [world.add(number, State.FAILED) for number in range(3)]
    for one in leads:
        world.bury("submit-leadleader", world.note_of(one))
    page = open_console(path="#/dead-letters")
    queue = page.get_by_role("region", name="Deliveries to Lead Leader 3")
    expect(queue).to_contain_text("The partner does not accept our password")
    queue.get_by_role("button", name="Redrive all…").click()
    expect(page.get_by_role("dialog")).to_contain_text("Failed deliveries are sent again")
    page.get_by_role("dialog").get_by_role("button", name="Redrive").click()
    expect(page.get_by_text("3 dead letters redriven.")).to_be_visible()
    expect(page.get_by_text("There are no dead letters.")).to_be_visible()
    assert [world.delivery(one).state for one in leads] == [State.RECEIVED] * 3
    assert world.journey(leads[0]).timeline[-1].detail == "by olena"


def test_one_dead_letter_is_redriven_and_another_discarded(open_console: Open, world: World) -> None:
    for number, partner in enumerate(("leadleader", "matchtrade")):
        world.bury("checks", {"lead_id": world.add(number, partner=partner).lead_id, "partner": partner})
    page = open_console(path="#/dead-letters")
    letters = page.locator(".dead-letters li")
    expect(letters).to_have_count(2)
    letters.filter(has_text="Match-Trade").get_by_role("button", name="Redrive…").click()
    expect(page.get_by_role("dialog")).to_contain_text("It returns to its original queue")
    page.get_by_role("dialog").get_by_role("button", name="Redrive").click()
    expect(letters).to_have_count(1)
    assert [note["partner"] for note in world.waiting(world.alive["checks"])] == ["matchtrade"]
    letters.get_by_role("button", name="Discard…").click()
    page.get_by_role("dialog").get_by_role("button", name="Discard").click()
    expect(page.get_by_text("1 dead letter discarded.")).to_be_visible()
    expect(letters).to_have_count(0)


def test_a_dead_letter_links_to_its_lead_and_an_unreadable_one_is_shown(open_console: Open, world: World) -> None:
    one = world.add(1, State.FAILED)
    world.bury("submit-leadleader", world.note_of(one))
    world.bury("events", "<b>nonsense</b>")
    page = open_console(path="#/dead-letters")
    expect(page.get_by_role("region", name="Internal events 1")).to_contain_text("Unreadable")
    page.get_by_role("link", name="Show lead").click()
    expect(page.get_by_role("button", name="Retry…")).to_be_visible()

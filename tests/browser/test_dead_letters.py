"""Dead letters in the console: those without a lead in a view of their own, the others in the inbox."""

from playwright.sync_api import expect

from leadbridge.domain.delivery import State
from quality.testkit.browser.world import Open, World


def test_dead_letters_without_a_lead_are_redriven_and_discarded_in_the_technical_view(
    open_console: Open, world: World
) -> None:
    one = world.add(1, State.FAILED)
    world.bury("submit-leadleader", world.note_of(one))
    for number in range(3):
        world.bury("checks", {"partner": "leadleader", "lead_ids": [f"ld_{number}", "ld_9"]})
    world.bury("events", "<b>nonsense</b>")
    page = open_console(path="#/dead-letters")
    letters, dialog = page.locator(".dead-letters li"), page.get_by_role("dialog")
    expect(letters).to_have_count(4)  # the failed delivery is in the inbox
    queue = page.get_by_role("region", name="Status checks 3")
    queue.get_by_role("button", name="Redrive…").first.click()
    expect(dialog).to_contain_text("It returns to its original queue")
    dialog.get_by_role("button", name="Redrive").click()
    expect(letters).to_have_count(3)
    page.get_by_role("button", name="Redrive all…").first.click()
    dialog.get_by_role("button", name="Redrive").click()
    expect(page.get_by_text("2 dead letters redriven.")).to_be_visible()
    expect(letters).to_have_count(1)
    assert len(world.waiting(world.alive["checks"])) == 3
    expect(page.get_by_role("region", name="Internal events 1")).to_contain_text("Unreadable")
    letters.get_by_role("button", name="Discard…").click()
    dialog.get_by_role("button", name="Discard").click()
    expect(page.get_by_text("1 dead letter discarded.")).to_be_visible()
    expect(page.get_by_text("There are no dead letters.")).to_be_visible()
    assert world.delivery(one).state is State.FAILED


def test_an_error_about_a_lead_is_in_the_inbox_and_links_to_the_lead(open_console: Open, world: World) -> None:
    one = world.add(1, State.SUBMITTED)
    world.bury("checks", {"lead_id": one.lead_id, "partner": "leadleader"})
    page = open_console()
    page.get_by_role("link", name="1 error about a lead").click()
    expect(page.locator(".dead-letters li")).to_contain_text("Checking a status")
    page.get_by_role("button", name="Redrive…").click()
    expect(page.get_by_role("dialog")).to_contain_text("Зразковий Андрій Петрович · +38050•••01")
    page.keyboard.press("Escape")
    page.get_by_role("link", name="Show lead").click()
    expect(page.get_by_role("button", name="Check status…")).to_be_visible()

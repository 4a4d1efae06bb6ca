"""`partners list`, `pause` and `resume` over the real API."""

from quality.testkit.cli.terminal import Terminal


def test_a_partner_is_paused_listed_and_resumed(terminal: Terminal) -> None:
    paused = terminal.run("partners", "pause", "matchtrade", "--reason", "no budget", "--json").json
    assert (paused["state"], paused["pause"]["reason"]) == ("paused", "no budget")
    listed = terminal.run("partners", "list").out
    assert "no budget" in listed
    assert "leadleader" in listed
    assert "gets leads again" in terminal.run("partners", "resume", "matchtrade").out
    states = {one["name"]: one["state"] for one in terminal.run("partners", "list", "--json").json["partners"]}
    assert states == {"leadleader": "open", "matchtrade": "open"}


def test_an_unknown_partner_is_a_3(terminal: Terminal) -> None:
    assert terminal.run("partners", "resume", "no-partner").code == 3

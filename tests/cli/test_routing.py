"""`route` over the real API."""

import json

import pytest

from leadbridge_cli.exit_codes import Failure
from leadbridge_cli.routing import parse_lead
from quality.testkit.cli.terminal import Terminal
from quality.testkit.people import asked

LEAD = json.dumps(asked(), default=str)


def test_the_partner_and_the_rules_are_printed(terminal: Terminal) -> None:
    said = terminal.run("route", "--source", "web", "-", stdin=LEAD)
    assert (said.code, said.out.splitlines()) == (0, ["Goes to: leadleader", "Rule 1: leadleader"])
    assert terminal.run("route", "--source", "web", "-", "--json", stdin=LEAD).json["partners"] == ["leadleader"]


def test_a_partner_that_gets_no_leads_now_is_printed(terminal: Terminal) -> None:
    terminal.run("partners", "pause", "leadleader", "--reason", "no budget")
    said = terminal.run("route", "--source", "web", "-", stdin=LEAD)
    assert said.out.splitlines()[:2] == [
        "Goes to: leadleader",
        "leadleader gets no leads now (paused): the lead waits",
    ]
    terminal.run("partners", "resume", "leadleader")


def test_the_missing_fields_are_printed(terminal: Terminal) -> None:
    said = terminal.run("route", "--source", "plain-credit", "-", stdin='{"your-phone": "0500000001", "x": 5}')
    assert said.out.startswith("Goes to: no partner\n")
    assert "leadleader would not accept it: person.full_name required" in said.out


def test_a_source_that_does_not_exist_is_a_3(terminal: Terminal) -> None:
    assert terminal.run("route", "--source", "other", "-", stdin=LEAD).code == 3


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'"' + b"x" * 300_000 + b'"'])
def test_a_file_without_a_lead_is_refused(content: bytes) -> None:
    with pytest.raises(Failure):
        parse_lead(content)

"""Whatever strangers have written is shown harmlessly: in a terminal, in JSON, in a spreadsheet, in an error."""

import json
import unicodedata
from typing import Any

import pytest
from hypothesis import given

from leadbridge_cli.sanitize import as_json, for_spreadsheet, masked, sanitize
from quality.testkit.cli.gateway import problem
from quality.testkit.cli.terminal import LEAD, CommandResult, Terminal
from quality.testkit.rubbish import any_text, json_values

HOSTILE = [
    "\x1b[2J\x1b]0;title\x07\x1b[31mred",
    "\x9b31m\x85\x7f",
    "ab\u202egnp.exe\u2066\u200f\u061c",
    "[bold red]x[/bold red] [link=https://evil.example]y[/link] :boom:",
    "<script>alert(1)</script>&lt;",
    '=HYPERLINK("https://evil.example")',
    "+1+1|cmd",
    "\t=1",
    "\uff1d1+1",
    "a\r\nb\x00c\u2028d",
    "\ud800",
    "%s %(x)s {0} ${HOME} `id`",
    "я" * 5000,
]
ACTING = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def acts(text: str) -> set[str]:
    """The characters of a text, its own line ends apart, on which a terminal would act."""
    return {character for character in text if character != "\n" and unicodedata.category(character) in ACTING}


def lead(value: str) -> dict[str, Any]:
    """A lead of which every text is hostile."""
    return {
        "lead_id": LEAD.lead_id,
        "source": value,
        "received_at": value,
        "status": value,
        "person": {"full_name": value, "phone": value, "tax_number": value, "city": value},
        "utm": {value: value},
        "warnings": [{"field": value, "message": value}],
        "deliveries": {value: {"state": value, "partner_status": value, "last_error": value}},
        "timeline": [{"at": value, "what": value, "partner": value, "detail": value}],
    }


def canned(terminal: Terminal, document: object) -> None:
    terminal.gateway.canned = (200, json.dumps(document).encode(), "application/json")


@pytest.mark.parametrize("value", HOSTILE)
def test_nothing_in_a_lead_acts_in_a_terminal(terminal: Terminal, value: str) -> None:
    whole = lead(value)
    canned(terminal, {"leads": [whole], "cursor": None})
    said: list[CommandResult] = [
        terminal.run("leads", "list", "--reveal"),
        terminal.run("leads", "list", "--reveal", "--json"),
    ]
    assert said[1].json["leads"] == [whole], "a script gets it as it is"
    canned(terminal, {"dead_letters": [{"queue": value, "dead_letter_id": value, "reason": value, "sent_at": value}]})
    said.append(terminal.run("dlq", "list"))
    canned(terminal, whole)
    said += [terminal.run("leads", "show", LEAD.lead_id), terminal.run("leads", "erase", LEAD.lead_id)]
    terminal.gateway.canned = problem(409, value)
    said.append(terminal.run("leads", "list"))
    for one in said:
        assert not acts(one.out + one.err)
    if value.startswith("[bold"):
        assert {"[bold", ":boom:"} <= {*said[0].out.split()}


@given(any_text())
def test_any_text_is_harmless(text: str) -> None:
    assert not acts(sanitize(text))
    assert "\n" not in sanitize(text)
    assert not for_spreadsheet(text).lstrip().startswith(("=", "+", "-", "@"))


@given(json_values())
def test_any_document_is_one_line_of_json(document: object) -> None:
    try:
        line = as_json(document)
    except ValueError:  # numbers of more digits than Python writes
        return
    assert not acts(line)
    assert "\n" not in line


def test_what_is_masked_is_masked_everywhere() -> None:
    document = {"a": [{"phone": "+380500000001", "tax_number": 3068208400}], "phone": {"x": 1}, "b": ({"phone": ""},)}
    hidden = masked(document)
    assert hidden == {"a": [{"phone": "+38050•••01", "tax_number": "•••00"}], "phone": {"x": 1}, "b": [{"phone": ""}]}
    assert masked({"phone": "12"}) == {"phone": "12•••"}
    assert masked({"email": "olena@example.com"}) == {"email": "o•••@example.com"}
    assert masked({"telephone": "+380500000001"}) == {"telephone": "+38050•••01"}
    assert masked({"email": "no address"}) == {"email": "•••"}

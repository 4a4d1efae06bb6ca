"""`leads watch` and `leads open`: what changes is shown once, and a lead is found in the console."""

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from leadbridge.domain import delivery as steps
from leadbridge.domain.delivery import State
from leadbridge_cli.api import Api
from leadbridge_cli.exit_codes import Code, Failure
from leadbridge_cli.paging import LeadQuery
from leadbridge_cli.watching import iter_changes
from quality.testkit.cli.gateway import problem
from quality.testkit.cli.terminal import LEAD, TOKEN, Terminal
from quality.testkit.fakes.errors import some_error
from quality.testkit.people import NOW, lead


def watched(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, looks: list[Callable[[], object]]
) -> tuple[list[dict[str, Any]], list[str]]:
    """All changes of a few looks; before each look but the first, something happens. And the notes."""
    happenings = iter(looks)
    monkeypatch.setattr("leadbridge_cli.watching.sleep", lambda _: next(happenings)())
    monkeypatch.setattr("leadbridge_cli.watching.MAX_SECONDS", len(looks) + 1)
    notes: list[str] = []
    return list(iter_changes(Api(terminal.gateway.url, TOKEN), LeadQuery(), 1, note=notes.append)), notes


def test_what_is_new_or_changed_is_shown_once(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    happens: list[Callable[[], object]] = [
        lambda: None,
        lambda: terminal.store.accept(lead(2), phone_hash=None),
        lambda: terminal.bring(State.FAILED),
        lambda: None,
    ]
    shown, notes = watched(terminal, monkeypatch, happens)
    assert [(one["lead_id"], one["status"]) for one in shown] == [
        (lead(2).lead_id, "received"),
        (LEAD.lead_id, "failed"),
    ]
    assert notes == []
    assert shown[0]["person"]["phone"] == "+38050•••01", "contact data is masked"


def test_a_brief_failure_is_noted_and_no_change_is_missed(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        terminal.gateway.canned = problem(503, "x")
        terminal.bring(State.FAILED)

    def recover() -> None:
        terminal.gateway.canned = None

    shown, notes = watched(terminal, monkeypatch, [fail, recover])
    assert [one["status"] for one in shown] == ["failed"]
    assert len(notes) == 1


def test_it_ends_when_the_api_refuses_or_stays_away(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(status: int) -> None:
        terminal.gateway.canned = problem(status, "x")

    with pytest.raises(Failure) as refused:
        watched(terminal, monkeypatch, [lambda: fail(404)])
    assert refused.value.code is Code.NOT_FOUND
    terminal.gateway.canned = None
    calls = count()

    def fail_again() -> None:
        next(calls)
        fail(503)

    with pytest.raises(Failure) as away:
        watched(terminal, monkeypatch, [fail_again] * 100)
    assert (away.value.code, next(calls)) == (Code.NO_ANSWER, 21)


def test_more_changes_than_a_page_are_said(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leadbridge_cli.watching.PAGE_SIZE", 1)
    newer = lead(2, received_at=NOW.replace(year=2027))
    _, notes = watched(terminal, monkeypatch, [lambda: terminal.store.accept(newer, phone_hash=None)])
    assert "some are not shown" in notes[0]


def test_the_command_prints_a_line_for_each_change(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leadbridge_cli.watching.sleep", lambda _: terminal.bring(State.FAILED))
    monkeypatch.setattr("leadbridge_cli.watching.MAX_SECONDS", 4)
    said = terminal.run("leads", "watch", "--every", "2")
    assert said.code == 0
    [line] = said.out.splitlines()
    assert line.startswith("2026-03-01 12:00:00Z  ld_")
    assert "leadleader: failed – " in line
    assert "Ctrl-C" in said.err


def test_a_lead_is_found_in_the_console(terminal: Terminal) -> None:
    address = terminal.run("leads", "open", LEAD.lead_id).out.strip()
    assert address == f"{terminal.gateway.url}/console#/leads/{LEAD.lead_id}"
    assert terminal.run("leads", "open", "ld_" + "a" * 26).code == 3


def test_tables_fit_a_narrow_terminal_and_no_id_is_broken(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = terminal.store.apply(steps.start_attempt(terminal.delivery, NOW, NOW - NOW))
    terminal.store.apply(steps.reject(begun, NOW, some_error("no")))
    for width in (60, 80, 120):
        monkeypatch.setattr("leadbridge_cli.output.WIDTH", width)
        for arguments in (("leads", "list"), ("leads", "show", LEAD.lead_id), ("stats",), ("partners", "list")):
            out = terminal.run(*arguments).out
            assert max(map(len, out.splitlines())) <= width, (width, arguments)
            assert arguments[0] != "leads" or LEAD.lead_id in out

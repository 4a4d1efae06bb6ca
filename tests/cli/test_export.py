"""`leads export`: complete or able to go on, private, readable by spreadsheets."""

import csv
import io
import tracemalloc
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from leadbridge.domain import delivery as steps
from leadbridge.domain.acceptance.ids import IDS
from leadbridge.domain.clock import utc_now
from leadbridge_cli.api import Api
from leadbridge_cli.csv_export import Export, count_leads, export_to_file
from leadbridge_cli.output import Output
from leadbridge_cli.paging import LeadQuery
from quality.testkit.cli.gateway import problem
from quality.testkit.cli.terminal import LEAD, MINUTE, TOKEN, Terminal
from quality.testkit.fakes.errors import some_error
from quality.testkit.people import NOW, lead

ID = LEAD.lead_id


def test_an_export_is_whole_private_and_replaces_nothing_unasked(terminal: Terminal) -> None:
    terminal.store.apply(steps.fail(terminal.delivery, NOW, some_error("spent")))
    assert terminal.run("leads", "export", "leads.csv", "--json").json == {"file": "leads.csv", "leads": 1}
    file = Path("leads.csv")
    assert file.stat().st_mode & 0o777 == 0o600
    [row] = csv.DictReader(io.StringIO(file.read_text("utf-8-sig")))
    names = ("lead_id", "person.phone", "partner", "state")
    assert [row[name] for name in names] == [ID, "'+38050•••01", "leadleader", "failed"]
    again = terminal.run("leads", "export", "leads.csv")
    assert (again.code, "--overwrite" in again.failure) == (4, True)
    assert terminal.run("leads", "export", "leads.csv", "--overwrite", "--reveal").code == 0
    [row] = csv.DictReader(io.StringIO(file.read_text("utf-8-sig")))
    assert row["person.phone"] == "'+380500000001"
    assert [*Path().iterdir()] == [file]


def test_an_export_has_a_column_for_each_id(terminal: Terminal) -> None:
    ids = {"sub1": "=team", "gclid": "Cj0KCQ", "click_id": "c1"}
    terminal.store.accept(lead(2).model_copy(update={"ids": ids}), phone_hash=None)
    said = terminal.run("leads", "export", "-", "--reveal")
    rows = {row["lead_id"]: row for row in csv.DictReader(io.StringIO(said.out))}
    row = rows[lead(2).lead_id]
    assert {name: row[f"ids.{name}"] for name in IDS if row[f"ids.{name}"]} == {**ids, "sub1": "'=team"}
    said = terminal.run("leads", "export", "-")
    assert "Cj0KCQ" not in said.out
    assert terminal.run("leads", "show", lead(2).lead_id, "--json", "--reveal").json["ids"] == ids


def test_an_export_that_fails_leaves_nothing(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leadbridge_cli.paging.PAUSES", (0, 0))
    terminal.gateway.canned = problem(500, "Something failed on our side. Please try again.")
    assert terminal.run("leads", "export", "leads.csv").code == 1
    assert len(terminal.gateway.asked) == 3, "the page is requested again, though not for ever"
    assert [*Path().iterdir()] == []
    nowhere = terminal.run("leads", "export", "nowhere/leads.csv")
    assert (nowhere.code, nowhere.failure) == (3, "leadbridge: The folder nowhere does not exist.\n")


@pytest.mark.parametrize("status", [429, 500, 503])
def test_an_export_survives_a_brief_failure(terminal: Terminal, monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    for number in range(2, 4):
        terminal.store.accept(lead(number), phone_hash=None)
    monkeypatch.setattr("leadbridge_cli.paging.PAUSES", (0, 0))
    monkeypatch.setattr("leadbridge_cli.paging.PAGE_SIZE", 1)

    def fail_twice() -> None:
        is_failing = len(terminal.gateway.asked) in {2, 3}
        terminal.gateway.canned = problem(status, "x") if is_failing else None

    terminal.gateway.before = fail_twice
    assert terminal.run("leads", "export", "leads.csv", "--json").json["leads"] == 3
    rows = [*csv.DictReader(io.StringIO(Path("leads.csv").read_text("utf-8-sig"), newline=""))]
    assert len({row["lead_id"] for row in rows}) == len(rows) == 3


def test_an_export_of_many_leads_keeps_no_page() -> None:
    pages = ({"csv": "x" * 100_000, "leads": 100, "oldest": None, "cursor": None} for _ in range(1_000))
    tracemalloc.start()
    export_to_file(Output(), Path("leads.csv"), Export({}), lambda _: pages, overwrite=False, bom=None, total=None)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert Path("leads.csv").stat().st_size > 100_000_000
    assert peak < 5_000_000


def test_an_interrupted_export_says_what_is_missing_and_goes_on(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(2, 7):
        terminal.store.accept(lead(number, received_at=NOW + number * MINUTE), phone_hash=None)
    monkeypatch.setattr("leadbridge_cli.paging.PAUSES", ())
    monkeypatch.setattr("leadbridge_cli.paging.PAGE_SIZE", 2)

    def fail_after(pages: int) -> Callable[[], None]:
        asked = len(terminal.gateway.asked)

        def fail() -> None:
            is_over = len(terminal.gateway.asked) - asked > pages
            terminal.gateway.canned = problem(503, "x") if is_over else None

        return fail

    whole = terminal.run("leads", "export", "-", "--partner", "leadleader", "--separator", "semicolon").out
    terminal.gateway.before = fail_after(2)
    part, state = Path("leads.csv.part"), Path("leads.csv.part.json")
    cut = terminal.run("leads", "export", "leads.csv", "--partner", "leadleader", "--separator", "semicolon")
    assert (cut.code, not Path("leads.csv").exists()) == (5, True)
    assert "leads.csv.part has 4 leads, back to 2026-03-01 12:03:00Z; older leads are missing." in cut.failure
    assert "leadbridge leads export leads.csv --resume" in cut.failure
    assert (part.stat().st_mode | state.stat().st_mode) & 0o777 == 0o600
    assert terminal.run("leads", "export", "leads.csv").code == 4, "it replaces no interrupted export unasked"
    assert terminal.run("leads", "export", "leads.csv", "--resume", "--source", "web").code == 2
    assert terminal.run("leads", "export", "other.csv", "--resume").code == 3

    Path("other.csv.part").touch()  # as a process leaves it that was killed before its first page
    assert "Use --overwrite to begin again." in terminal.run("leads", "export", "other.csv", "--resume").failure
    Path("other.csv.part").unlink()

    part.write_bytes(part.read_bytes() + b'"half of a row')  # as a killed process leaves it
    terminal.gateway.before = fail_after(0)
    again = terminal.run("leads", "export", "leads.csv", "--resume")
    assert (again.code, "leads.csv.part has 4 leads" in again.err) == (5, True)
    terminal.gateway.before = fail_after(9)
    assert terminal.run("leads", "export", "leads.csv", "--resume", "--json").json["leads"] == 6
    assert Path("leads.csv").read_text("utf-8-sig") == whole.replace("\r\n", "\n")
    assert [*Path().iterdir()] == [Path("leads.csv")]

    terminal.gateway.before = fail_after(1)
    cut = terminal.run("leads", "export", "-")
    assert (cut.code, "stdout has 2 leads" in cut.err, len(cut.out.splitlines())) == (5, True, 3)


def test_the_progress_of_an_export_knows_the_number_of_leads_if_the_statistics_do(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leadbridge_cli.csv_export.is_terminal", lambda _: True)
    now = utc_now()
    for number in range(2, 6):
        campaign = {"source": "tilda", "campaign": "spring"} if number < 5 else {}
        terminal.store.accept(lead(number, received_at=now).model_copy(update=campaign), phone_hash=None)
    api = Api(terminal.gateway.url, TOKEN)
    first = now - timedelta(days=20)
    days: dict[str, Any] = {"since": first.date().isoformat(), "until": (now + timedelta(days=1)).date().isoformat()}
    filters: dict[str, Any]
    for filters, expected in (
        ({}, 4),
        ({"source": "tilda"}, 3),
        ({"campaign": "spring"}, 3),
        ({"status": "incomplete"}, 0),
        ({"partner": "leadleader", "status": "received"}, 4),
        ({"partner": "leadleader", "source": "web"}, 1),
        ({"status": "received"}, None),
        ({"outcome": "issued"}, None),
        ({"until": None}, 4),
        ({"since": first.isoformat()}, None),
        ({"since": None}, None),
        ({"since": "2020-01-01"}, None),  # too many days for the statistics
    ):
        assert count_leads(api, LeadQuery(**{**days, **filters})) == expected, filters


def test_an_export_for_excel_is_in_columns_and_local_times(terminal: Terminal) -> None:
    said = terminal.run("leads", "export", "leads.csv", "--separator", "semicolon", "--zone", "Europe/Kyiv")
    assert said.code == 0
    raw = Path("leads.csv").read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf")
    [row] = csv.DictReader(io.StringIO(raw.decode("utf-8-sig"), newline=""), delimiter=";")
    assert (row["received_at (Europe/Kyiv)"], row["loan.amount"]) == ("2026-03-01 14:00:00", "6000,00")
    assert terminal.run("leads", "export", "-", "--bom").out.startswith("\ufeff")
    assert not terminal.run("leads", "export", "-").out.startswith("\ufeff")
    wrong = terminal.run("leads", "export", "x.csv", "--zone", "Mars/Base")
    assert (wrong.code, "zone must be a time zone such as Europe/Kyiv" in wrong.failure) == (2, True)


def test_an_export_may_go_to_stdout_but_not_as_two_things(terminal: Terminal) -> None:
    said = terminal.run("leads", "export", "-")
    assert [row["lead_id"] for row in csv.DictReader(io.StringIO(said.out))] == [ID]
    assert terminal.run("leads", "export", "-", "--json").code == 2
    later = terminal.run("leads", "export", "-", "--since", "2026-03-02", "--campaign", "spring", "--outcome", "issued")
    assert (later.code, len(later.out.splitlines())) == (0, 1), "the names of the columns alone"

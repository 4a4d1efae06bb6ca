"""A run to which nothing happened is not taken for one that passed."""

from collections import Counter
from typing import Any

import pytest

from quality.chaos.__main__ import main
from quality.chaos.counters import Tally
from quality.chaos.deployed.coverage import lacking

PLANNED = {"kill_worker": 8, "break_partner": 12, "freeze_something": 1, "post_again": 5}
HAPPENED = {"submit-lead killed": 2, "forms posted again": 15}
MET: list[dict[str, Any]] = [{"fault": {"kind": "drop"}}] * 3 + [{"fault": None}]


def told(happened: dict[str, int], calls: list[dict[str, Any]], *, has_proc: bool = True) -> list[str]:
    return list(lacking(PLANNED, Tally(Counter(happened)), calls, has_proc=has_proc))


def test_nothing_is_lacking_where_all_that_was_planned_happened() -> None:
    assert told(HAPPENED, MET) == []


@pytest.mark.parametrize(
    ("happened", "calls", "reason"),
    [
        ({**HAPPENED, "submit-lead killed": 1}, MET, "kill_worker was planned 8 times, and happened 1 times"),
        (
            {"forms posted again": 15, "partners' front killed": 9},
            MET,
            "kill_worker was planned 8 times, and happened 0 times",
        ),
        (HAPPENED, MET[1:], "break_partner was planned 12 times, and 2 calls met a fault"),
        ({"submit-lead killed": 2}, MET, "post_again was planned 5 times, and never happened"),
    ],
)
def test_what_hardly_happened_is_told(happened: dict[str, int], calls: list[dict[str, Any]], reason: str) -> None:
    assert told(happened, calls) == [reason]


def test_where_processes_cannot_be_found_none_need_be_killed() -> None:
    assert told({"forms posted again": 15}, MET, has_proc=False) == []


def test_no_runs_at_all_are_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["chaos", "--leads", "0", "--runs", "0"])
    with pytest.raises(SystemExit) as raised:
        main()
    assert raised.value.code
    assert "nothing is to be run" in capsys.readouterr().err

"""A run without the planned faults does not pass."""

from collections import Counter
from typing import Any

import pytest

from quality.chaos.__main__ import main
from quality.chaos.deployed.run import uncovered
from quality.chaos.world import Counters

PLANNED = {"kill_worker": 8, "break_partner": 12, "freeze_process": 1, "post_again": 5}
OCCURRED = {"submit-lead killed": 2, "forms posted again": 15}
MET: list[dict[str, Any]] = [{"fault": {"kind": "drop"}}] * 3 + [{"fault": None}]


def messages(occurred: dict[str, int], calls: list[dict[str, Any]], *, has_proc: bool = True) -> list[str]:
    return list(uncovered(PLANNED, Counters(Counter(occurred)), calls, has_proc=has_proc))


def test_nothing_is_lacking_where_all_that_was_planned_occurred() -> None:
    assert messages(OCCURRED, MET) == []


@pytest.mark.parametrize(
    ("occurred", "calls", "reason"),
    [
        ({**OCCURRED, "submit-lead killed": 1}, MET, "kill_worker was planned 8 times, and occurred 1 times"),
        (
            {"forms posted again": 15, "partners' proxy killed": 9},
            MET,
            "kill_worker was planned 8 times, and occurred 0 times",
        ),
        (OCCURRED, MET[1:], "break_partner was planned 12 times, and 2 calls got a fault"),
        ({"submit-lead killed": 2}, MET, "post_again was planned 5 times, and never occurred"),
    ],
)
def test_what_hardly_occurred_is_messages(occurred: dict[str, int], calls: list[dict[str, Any]], reason: str) -> None:
    assert messages(occurred, calls) == [reason]


def test_where_processes_cannot_be_found_none_need_be_killed() -> None:
    assert messages({"forms posted again": 15}, MET, has_proc=False) == []


def test_no_runs_at_all_are_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["chaos", "--leads", "0", "--runs", "0"])
    with pytest.raises(SystemExit) as raised:
        main()
    assert raised.value.code
    assert "nothing to run" in capsys.readouterr().err

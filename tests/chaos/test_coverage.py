"""A run without the planned faults does not pass."""

from collections import Counter

import pytest

from quality.chaos.__main__ import main
from quality.chaos.deployed.run import FIRED, uncovered
from quality.chaos.world import Counters

PLANNED = {"kill_worker": 8, "break_partner": 12, "freeze_process": 1, "post_again": 5}
OCCURRED = {"killed submit-lead": 2, "forms posted again": 15, FIRED: 3}


def messages(occurred: dict[str, int], *, has_proc: bool = True) -> list[str]:
    return list(uncovered(PLANNED, Counters(Counter(occurred)), has_proc=has_proc))


def test_nothing_is_lacking_where_all_that_was_planned_occurred() -> None:
    assert messages(OCCURRED) == []


@pytest.mark.parametrize(
    ("lacks", "reason"),
    [
        ({"killed submit-lead": 1}, "kill_worker was planned 8 times, and occurred 1 times"),
        (
            {"killed submit-lead": 0, "partners' proxy closed": 9},
            "kill_worker was planned 8 times, and occurred 0 times",
        ),
        ({FIRED: 2}, "break_partner was planned 12 times, and occurred 2 times"),
        ({"forms posted again": 0}, "post_again was planned 5 times, and occurred 0 times"),
    ],
)
def test_what_hardly_occurred_is_reported(lacks: dict[str, int], reason: str) -> None:
    assert messages(OCCURRED | lacks) == [reason]


def test_where_processes_cannot_be_found_none_need_be_killed() -> None:
    assert messages(OCCURRED | {"killed submit-lead": 0}, has_proc=False) == []


def test_no_runs_at_all_are_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["chaos", "--leads", "0", "--runs", "0"])
    with pytest.raises(SystemExit) as raised:
        main()
    assert raised.value.code
    assert "nothing to run" in capsys.readouterr().err

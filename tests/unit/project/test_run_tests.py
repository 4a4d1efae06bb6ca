"""`make test` runs every tier once, and fails if one of them fails."""

import subprocess
from collections.abc import Sequence
from typing import Any

import pytest

from quality import run_tests
from quality.testkit.template import ROOT


def test_every_tier_runs_once_and_one_failure_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []

    def run(tiers: Sequence[str], **_: Any) -> tuple[int, str]:
        ran.extend(tiers)
        return int(failing in tiers), ", ".join(tiers)

    monkeypatch.setattr(run_tests, "run", run)
    folders = {file.relative_to(ROOT / "tests").parts[0] for file in (ROOT / "tests").rglob("test_*.py")}
    for failing in ["no tier", *folders]:
        ran.clear()
        assert run_tests.main() == (failing in folders)
        assert sorted(ran) == sorted(folders)


def test_more_than_two_cores_are_shared_by_workers() -> None:
    assert "--numprocesses" not in run_tests.command(("unit",), cores=2)
    assert run_tests.command(("unit",), cores=8)[-5:] == ["--numprocesses", "4", "--dist", "worksteal", "tests/unit"]
    assert run_tests.command(("contract",), cores=8)[-5:-3] == ["--numprocesses", "2"]
    assert "--numprocesses" not in run_tests.command(("stack",), cores=8)


@pytest.mark.parametrize("code", [0, 1])
def test_the_result_of_a_tier_is_its_last_line(
    code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = "....\n======== 1 failed, 2 passed in 75.00s (0:01:15) ========\n"
    ended = subprocess.CompletedProcess[str]([], code, printed)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: ended)
    found, result = run_tests.run(["unit"])
    assert found == code
    failed = "FAILED, " if code else ""
    assert result.startswith(f"unit: {failed}1 failed, 2 passed in 75.00s (0:01:15) (")
    assert capsys.readouterr().out == f"{printed}\n{result}\n\n"


def test_tests_that_run_containers_are_not_asked_for() -> None:
    commands = [run_tests.command(tiers, cores=2) for tiers in run_tests.parts()]
    assert [word for words in commands for word in words[1:] if "sam_local" in word] == []


def test_the_last_line_is_the_sum_of_all_tiers() -> None:
    lines = ["unit: 3 passed in 1.00s (2 s)", "cli: FAILED, 1 failed, 2 passed, 5 skipped in 70.00s (0:01:10) (71 s)"]
    assert run_tests.total(lines, 72.5) == " 1 failed, 5 passed, 5 skipped in 72.50s ".center(80, "=")
    assert "no tests ran" in run_tests.total(["unit: FAILED, no output (1 s)"], 1)

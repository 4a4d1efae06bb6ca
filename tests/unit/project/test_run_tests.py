"""`make test` runs every tier once, and fails if one of them fails."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from quality import run_tests
from quality.run_tests import Result, outcomes, summary
from quality.testkit.template import ROOT


def test_every_tier_runs_once_and_one_failure_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []

    def run(tiers: Sequence[str], **_: Any) -> Result:
        ran.extend(tiers)
        return Result(", ".join(tiers), int(failing in tiers), 1.0, Counter(passed=1))

    monkeypatch.setattr(run_tests, "run", run)
    folders = {file.relative_to(ROOT / "tests").parts[0] for file in (ROOT / "tests").rglob("test_*.py")}
    for failing in ["no tier", *folders]:
        ran.clear()
        assert run_tests.main() == (failing in folders)
        assert sorted(ran) == sorted(folders)


def test_more_than_two_cores_are_shared_by_workers() -> None:
    assert "--numprocesses" not in run_tests.command(("unit",), cores=2)
    assert run_tests.command(("unit",), cores=8)[-5:] == ["--numprocesses", "4", "--dist", "worksteal", "tests/unit"]
    assert "--numprocesses" not in run_tests.command(("stack",), cores=8)


@pytest.mark.parametrize(
    ("printed", "found"),
    [
        ("....\n======== 12 passed, 1 skipped in 3.20s ========\n", {"passed": 12, "skipped": 1}),
        ("== 1 failed, 2 passed, 3 errors in 75.00s (0:01:15) ==", {"failed": 1, "passed": 2, "errors": 3}),
        ("3 passed in 0.10s", {"passed": 3}),
        ("an import failed", {}),
    ],
)
def test_tests_are_counted_by_outcome(printed: str, found: dict[str, int]) -> None:
    assert outcomes(printed) == Counter(found)


def test_the_last_line_counts_all_tests() -> None:
    results = [Result("unit", 0, 5, Counter(passed=3)), Result("cli", 1, 5, Counter(passed=1, failed=2))]
    assert summary(results, 6.5).strip("= ") == "2 failed, 4 passed in 6.50s"
    assert summary([], 1).strip("= ") == "no tests ran in 1.00s"


def test_tests_that_run_containers_are_not_asked_for() -> None:
    commands = [run_tests.command(tiers, cores=2) for tiers in run_tests.parts()]
    assert [word for words in commands for word in words[1:] if "sam_local" in word] == []

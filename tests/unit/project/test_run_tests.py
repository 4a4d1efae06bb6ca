"""`make test` runs every tier once, and fails if one of them fails."""

from collections.abc import Sequence
from typing import Any

import pytest

from quality import run_tests
from quality.run_tests import Result
from quality.testkit.template import ROOT


def test_every_tier_runs_once_and_one_failure_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []

    def run(tiers: Sequence[str], **_: Any) -> Result:
        ran.extend(tiers)
        return Result(", ".join(tiers), int(failing in tiers), 1.0)

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

"""Runs over the deployed stack: they find the workers that they kill, and their faults follow from the seed."""

import subprocess
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from devstack.sandbox.remote import Remote
from devstack.workdir import wait_until
from quality.chaos.deployed.run import Run
from quality.chaos.deployed.stack import PROC, find_workers
from quality.testkit.deployed import A_STACK


@pytest.mark.skipif(not PROC.exists(), reason="processes are found in /proc")
def test_the_workers_of_a_stack_are_found_by_their_function(tmp_path: Path) -> None:
    environment = {"AWS_LAMBDA_FUNCTION_NAME": "leadbridge-local-submit-lead", "HOME": str(tmp_path / "emulator")}
    with subprocess.Popen(["/bin/cat"], env=environment, stdin=subprocess.PIPE) as worker:
        # A process that has just started has no environment yet.
        wait_until(lambda: find_workers(tmp_path) != {}, timeout=10, otherwise="The worker is not found.")
        assert find_workers(tmp_path) == {"submit-lead": [worker.pid]}
        assert find_workers(tmp_path / "another") == {}


def test_what_operators_do_meanwhile_does_not_change_the_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Run, "outputs", defaultdict(str))
    armed: list[Any] = []
    monkeypatch.setattr(Remote, "arm", lambda _, *order, **more: armed.append((order, more)))

    def faults(draws_between: int) -> list[Any]:
        armed.clear()
        run = Run(A_STACK, 7, 1)
        for _ in range(5):
            run.break_partner()
            for _ in range(draws_between):
                run.operator.random.random()
        return list(armed)

    assert faults(0) == faults(3)
    assert len(faults(0)) == 5

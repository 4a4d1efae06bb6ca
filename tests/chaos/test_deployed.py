"""Runs over the deployed stack: they find the servers that they freeze, and their faults follow from the seed."""

import os
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from devstack import services
from devstack.sandbox.remote import Remote
from devstack.workdir import Workdir, hold
from quality.chaos.deployed.processes import PROC, Processes
from quality.chaos.deployed.run import SERVERS, Run
from quality.testkit.deployed import A_STACK


@pytest.mark.skipif(not PROC.exists(), reason="processes are found in /proc")
def test_the_servers_are_found_by_their_commands(tmp_path: Path) -> None:
    with hold(Workdir(tmp_path)) as lock, services.sandbox(Workdir(tmp_path), lock=lock) as (_, child):
        partners = Processes(os.getpid()).named(SERVERS["partners"])
        assert partners not in {None, child.guard.pid}
    assert Path(services.__file__).with_name(SERVERS["AWS"]).exists()


def test_what_operators_do_meanwhile_does_not_change_the_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Run, "outputs", defaultdict(str))
    armed: list[Any] = []
    monkeypatch.setattr(Remote, "arm", lambda _, *order, **more: armed.append((order, more)))

    def faults(draws_between: int) -> list[Any]:
        armed.clear()
        run = Run(A_STACK, 7, 1, print)
        for _ in range(5):
            run.break_partner()
            for _ in range(draws_between):
                run.operator.random.random()
        return list(armed)

    assert faults(0) == faults(3)
    assert len(faults(0)) == 5

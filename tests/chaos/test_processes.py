"""A run over the deployed stack finds the servers that it freezes."""

import os
from pathlib import Path

import pytest

from devstack import services
from devstack.workdir import Workdir, hold
from quality.chaos.deployed.processes import PROC, Processes
from quality.chaos.deployed.run import SERVERS


@pytest.mark.skipif(not PROC.exists(), reason="processes are found in /proc")
def test_the_servers_are_found_by_their_commands(tmp_path: Path) -> None:
    with hold(Workdir(tmp_path)) as lock, services.sandbox(Workdir(tmp_path), lock=lock) as (_, child):
        partners = Processes(os.getpid()).named(SERVERS["partners"])
        assert partners not in {None, child.guard.pid}
    assert Path(services.__file__).with_name(SERVERS["AWS"]).exists()

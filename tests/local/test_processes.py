"""Nothing that a stack started outlives it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from textwrap import dedent

import pytest

from devstack.processes import guarded, run
from devstack.workdir import LocalError, Workdir, hold, is_alive, wait_until

# A command with a child of its own. Both say who they are, and neither minds SIGTERM if it is told not to.
FAMILY = """
    import os, pathlib, signal, subprocess, sys
    if "stubborn" in sys.argv:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    file = pathlib.Path(sys.argv[1])
    child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
    draft = file.with_suffix(".new")
    draft.write_text(f"{os.getpid()} {child.pid}")
    draft.replace(file)
    signal.pause()
    while True:
        signal.pause()
"""


@pytest.fixture
def lock(tmp_path: Path) -> Iterator[int]:
    with hold(Workdir(tmp_path)) as descriptor:
        yield descriptor


def family(tmp_path: Path, *words: str) -> list[str]:
    return [sys.executable, "-c", dedent(FAMILY), str(tmp_path / "pids"), *words]


def members(tmp_path: Path) -> list[int]:
    file = tmp_path / "pids"
    wait_until(file.exists, timeout=10, otherwise="the family did not start")
    return [int(pid) for pid in file.read_text().split()]


def must_be_gone(pids: list[int]) -> None:
    wait_until(lambda: not any(map(is_running, pids)), timeout=10, otherwise=f"{pids} outlived their asker")


def is_running(pid: int) -> bool:
    """Whether it lives; what has died and waits to be reaped does not."""
    with suppress(OSError):
        return is_alive(pid) and ") Z" not in Path(f"/proc/{pid}/stat").read_text()
    return is_alive(pid)


def test_a_guarded_command_and_its_children_end_with_the_block(tmp_path: Path, lock: int) -> None:
    with guarded("It", family(tmp_path), env=os.environ, log=tmp_path / "log", lock=lock) as child:
        pids = members(tmp_path)
        assert child.runs()
    must_be_gone(pids)


def test_a_command_whose_guard_is_killed_ends_with_the_block(tmp_path: Path, lock: int) -> None:
    with guarded("It", family(tmp_path), env=os.environ, log=tmp_path / "log", lock=lock) as child:
        pids = members(tmp_path)
        os.kill(child.guard.pid, signal.SIGKILL)
        child.guard.wait(5)
    must_be_gone(pids)


def test_a_guarded_command_ends_when_its_asker_is_killed(tmp_path: Path) -> None:
    guard = [sys.executable, str(Path("devstack/guard.py").resolve()), "0.2", *family(tmp_path, "stubborn")]
    start = f"subprocess.Popen({guard!r}, stdin=subprocess.PIPE, start_new_session=True)"
    script = f"import signal, subprocess; asked = {start}; signal.pause()"
    with subprocess.Popen([sys.executable, "-c", script]) as asker:
        pids = members(tmp_path)
        asker.kill()
    must_be_gone(pids)


def test_a_command_that_fails_is_reported_with_the_end_of_its_log(tmp_path: Path, lock: int) -> None:
    command = [sys.executable, "-c", "raise SystemExit('it cannot be done')"]
    with pytest.raises(LocalError, match=r"(?s)It failed with code 1.*it cannot be done"):
        run("It", command, env=os.environ, log=tmp_path / "log", lock=lock, timeout=10)


def test_a_command_that_takes_too_long_is_stopped(tmp_path: Path, lock: int) -> None:
    with pytest.raises(LocalError, match=r"did not end in 0\.3 s"):
        run("It", family(tmp_path), env=os.environ, log=tmp_path / "log", lock=lock, timeout=0.3)

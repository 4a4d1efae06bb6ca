"""One workdir, one stack: who holds it, and on which port."""

import json
import os
import socket
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from devstack.sandbox.partner import write_private
from devstack.stack import Stack, stop
from devstack.workdir import LocalError, Workdir, choose_port, hold, wait_until
from quality.testkit.deployed import A_STACK


@pytest.fixture
def workdir(tmp_path: Path) -> Workdir:
    return Workdir(tmp_path / "workdir")


def test_a_free_port_is_chosen_when_none_is_wanted() -> None:
    assert choose_port(None) != 0
    assert choose_port("") != 0
    assert choose_port() < 32_768, "no ephemeral port, which another process may get before it is bound"


def test_a_wanted_port_that_is_free_is_taken() -> None:
    port = choose_port()
    assert choose_port(str(port)) == port


def test_a_wanted_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        with pytest.raises(LocalError, match=f"Port {port} is taken"):
            choose_port(port)


@pytest.mark.parametrize("nonsense", ["http", "0", "65536", "-1"])
def test_what_is_not_a_port_is_refused(nonsense: str) -> None:
    with pytest.raises(LocalError, match="not a port"):
        choose_port(nonsense)


def test_a_home_has_one_holder(workdir: Workdir) -> None:
    assert workdir.holder() is None
    with hold(workdir):
        assert workdir.holder() == os.getpid()
        with pytest.raises(LocalError, match="already runs a stack"), hold(workdir):
            pass
    assert workdir.holder() is None


def test_a_home_is_not_free_while_children_of_a_dead_holder_are_left(workdir: Workdir) -> None:
    with hold(workdir) as lock:
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=(lock,))
    workdir.lock.write_text("4194305\n")  # above the largest process id
    try:
        with pytest.raises(LocalError, match="left behind"), hold(workdir, patience=0.2):
            pass
    finally:
        child.communicate()
    with hold(workdir, patience=5):
        assert workdir.holder() == os.getpid()


def test_a_stack_is_live_while_its_supervisor_holds_the_home(workdir: Workdir) -> None:
    with hold(workdir):
        write_private(workdir.stack_file, asdict(A_STACK))
        assert Stack.live(workdir) == A_STACK


def test_what_a_killed_supervisor_left_behind_is_not_a_stack(workdir: Workdir) -> None:
    write_private(workdir.stack_file, asdict(A_STACK))
    assert Stack.live(workdir) is None


def test_a_stack_file_of_an_earlier_supervisor_is_not_taken_for_the_present_one(workdir: Workdir) -> None:
    with hold(workdir):
        write_private(workdir.stack_file, {**asdict(A_STACK), "pid": os.getpid() + 1})
        assert Stack.live(workdir) is None


@pytest.mark.parametrize("rubbish", ["", "{", "[]", '{"api_url": "http://127.0.0.1:1"}'])
def test_a_stack_file_that_says_nothing_is_not_a_stack(workdir: Workdir, rubbish: str) -> None:
    with hold(workdir):
        workdir.stack_file.write_text(rubbish)
        assert Stack.live(workdir) is None


def test_stopping_what_does_not_run_clears_what_was_left(workdir: Workdir) -> None:
    write_private(workdir.stack_file, asdict(A_STACK))
    assert not stop(workdir)
    assert not workdir.stack_file.exists()
    assert not stop(workdir)


def test_what_holds_secrets_is_for_its_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "secrets.json"
    write_private(file, {"a": "b"})
    assert json.loads(file.read_text()) == {"a": "b"}
    assert file.stat().st_mode & 0o777 == 0o600


def test_waiting_is_bounded_and_says_for_what() -> None:
    with pytest.raises(LocalError, match="no answer"):
        wait_until(lambda: False, timeout=0, otherwise="no answer", interval=0.01)

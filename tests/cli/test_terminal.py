"""The command as a process: what it loads, what a terminal gets of it, how it ends when the reader has gone."""

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

import pytest

from leadbridge_cli.local_stack import LocalStack
from quality.testkit.cli.gateway import problem
from quality.testkit.cli.terminal import Terminal, run

SCRIPT = Path(sys.executable).parent / "leadbridge"
SILENCE = 5  # seconds after which what was typed is lost
PATIENCE = 60  # seconds that a command may take
HEAVY = {"boto3", "botocore", "pydantic", "rich", "urllib3", "cryptography", "leadbridge"}


def ran(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the installed script as a shell does."""
    own = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}}
    command = [str(SCRIPT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env={**own, **env}, check=False)


def in_terminal(keys: str, *arguments: str, **env: str) -> tuple[int, str]:
    """Run it in a terminal of its own, type at its question, and return its exit code and all that the terminal got.

    What is typed while it still gets ready to read may be lost: then it is typed again.
    """
    own = {"PATH": os.environ["PATH"], "TERM": "xterm-256color", "LANG": "C.UTF-8", **env}
    process, terminal = pty.fork()
    if process == 0:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # tests that run in the background inherit that it is ignored
        os.execve(str(SCRIPT), [str(SCRIPT), *arguments], own)
    got, has_typed, deadline = b"", False, time.monotonic() + PATIENCE
    with suppress(OSError):  # the other end has gone
        while time.monotonic() < deadline:
            is_silent = not select.select([terminal], [], [], SILENCE)[0]
            if not is_silent:
                got += os.read(terminal, 65_536)
            if keys and b"[y/N]" in got and (is_silent or not has_typed):
                os.write(terminal, keys.encode())
                has_typed = True
    os.close(terminal)
    if time.monotonic() >= deadline:
        os.kill(process, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), got.decode()


def at(terminal: Terminal) -> dict[str, str]:
    return {"LEADBRIDGE_API_URL": terminal.gateway.url, "LEADBRIDGE_TOKEN": "token-of-olena-0123456789"}


def test_help_loads_nothing_that_only_commands_need() -> None:
    line = "import sys, leadbridge_cli.__main__ as m; print(*{n.partition('.')[0] for n in sys.modules})"
    told = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True, check=True, timeout=60)
    assert not HEAVY & {*told.stdout.split()}


def test_the_installed_script_answers() -> None:
    helped = ran("--help")
    assert (helped.returncode, "leads" in helped.stdout, helped.stderr) == (0, True, "")
    assert ran("--version").stdout.strip() == version("leadbridge-cli")
    for arguments in (("nonsense",), ("leads", "list", "--nonsense"), ()):
        assert run(*arguments).code == 2


def test_a_terminal_that_knows_no_cyrillic_gets_numbers(terminal: Terminal) -> None:
    said = ran("leads", "list", **at(terminal), PYTHONIOENCODING="ascii", PYTHONUTF8="0", LC_ALL="C")
    assert said.returncode == 0, said.stderr
    assert said.stdout.isascii()


def test_a_reader_that_goes_away_is_no_fault(terminal: Terminal) -> None:
    line = f"'{SCRIPT}' leads list --json | true"
    said = subprocess.run(
        ["bash", "-c", line],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, **at(terminal)},
        timeout=60,
    )
    assert said.stderr == ""


@pytest.mark.parametrize(
    ("keys", "done", "calls"), [("n\n", False, []), ("y\n", True, ["DELETE"]), ("\x03", False, [])]
)
def test_an_erase_is_asked_for_in_a_terminal(terminal: Terminal, keys: str, done: bool, calls: list[str]) -> None:
    ended, shown = in_terminal(keys, "leads", "erase", terminal.accepted.lead_id, **at(terminal))
    assert (ended == 0) == done, shown
    assert "permanently" in shown
    assert [method for method, _ in terminal.gateway.asked if method != "GET"] == calls


def test_a_bar_is_for_terminals_and_colours_for_those_who_want_them(terminal: Terminal) -> None:
    _, shown = in_terminal("", "leads", "list", "--all", **at(terminal))
    assert "leads" in shown
    assert "\x1b[" in shown
    _, plain = in_terminal("", "leads", "show", terminal.accepted.lead_id, **at(terminal), NO_COLOR="1")
    assert "\x1b[3" not in plain.replace("\x1b[3m", "")
    assert ran("leads", "list", "--all", **at(terminal)).stderr == ""


def test_an_unexpected_error_is_one_line_and_debug_says_where(terminal: Terminal) -> None:
    terminal.gateway.canned = (200, b"{}", "application/json")
    assert "Unexpected error (KeyError)" in terminal.run("leads", "list").failure
    said = terminal.run("leads", "list", "--debug")
    assert "Traceback" in said.err
    assert "token-of-olena" not in said.err
    terminal.gateway.canned = problem(409, "no")
    assert "Traceback" not in terminal.run("leads", "list").err


def test_the_local_stack_is_found_only_while_it_lives(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    told = {
        "api_url": terminal.gateway.url,
        "operator_token": "token-of-olena-0123456789",
        "aws_endpoint_url": "http://127.0.0.1:9",
        "region": "eu-central-1",
        "stack_name": "leadbridge",
        "pid": os.getpid(),
    }
    file = Path(".local/stack.json")
    file.parent.mkdir()
    below = Path("a/b")
    below.mkdir(parents=True)
    file.write_text(json.dumps(told))
    assert LocalStack.found(below.absolute()) is not None
    assert run("leads", "list", "--json").code == 0
    file.write_text(json.dumps({**told, "pid": 2**22 + 1}))
    assert run("leads", "list").code == 2
    file.write_text(json.dumps(told))
    with monkeypatch.context() as another:
        another.setattr("os.getuid", lambda: 12345)
        assert run("leads", "list").code == 2, "somebody else has put it there"
    for broken in ("", "[]", "{}", json.dumps({**told, "pid": "x"})):
        file.write_text(broken)
        assert run("leads", "list").code == 2

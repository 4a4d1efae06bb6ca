"""Starting, finding and stopping a local stack from outside its supervisor."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import cached_property
from time import monotonic, sleep
from typing import Any, Self

from devstack.clients import CONFIG, Emulator, forget_credentials
from devstack.logs import LogLine, read_logs
from devstack.workdir import DEVELOPER, PROJECT, Home, LocalError, wait_until

START_TIMEOUT = 1200.0
"""Seconds a stack has to come up: the first build fetches what the layers hold."""
HOW_LONG = "Starting the local stack takes about a minute; the first build takes a few minutes."


@dataclass(frozen=True)
class Stack:
    """A stack that is up: what `.local/stack.json` says."""

    api_url: str
    console_url: str
    aws_endpoint_url: str
    region: str
    stack_name: str
    sandbox_url: str
    operator_token: str
    pid: int
    fingerprint: str

    def as_json(self) -> dict[str, str | int]:
        return asdict(self)

    @classmethod
    def live(cls, home: Home) -> Self | None:
        """The stack of a home, if its supervisor lives; what a killed one left behind does not count."""
        try:
            stack = cls(**json.loads(home.stack_file.read_text()))
        except (FileNotFoundError, json.JSONDecodeError, TypeError):
            return None
        return stack if home.holder() == stack.pid else None

    @classmethod
    def developers(cls) -> Self:
        """The developer's stack, for a command of theirs; where it is not up, the command ends with what to do."""
        forget_credentials()
        stack = cls.live(DEVELOPER)
        if stack is None:
            raise SystemExit("No local stack is up; `make up` starts one.")
        return stack

    @cached_property
    def aws(self) -> Emulator:
        return Emulator(self.aws_endpoint_url)

    @cached_property
    def resources(self) -> dict[str, dict[str, str]]:
        """Resource type to logical id to physical id."""
        return self.aws.resources(self.stack_name)

    def client(self, service: str) -> Any:
        """A boto3 client of the emulated AWS."""
        return self.aws.session.client(service, endpoint_url=self.aws_endpoint_url, config=CONFIG)  # type: ignore[call-overload]

    def output(self, name: str) -> str:
        """An output of the deployed template."""
        [found] = self.client("cloudformation").describe_stacks(StackName=self.stack_name)["Stacks"]
        return str(next(output["OutputValue"] for output in found["Outputs"] if output["OutputKey"] == name))

    def read_logs(self) -> list[LogLine]:
        """Every line every function has logged, oldest first."""
        return read_logs(self.aws)


def start(
    home: Home, *, port: str | None = None, with_lifeline: bool = False
) -> tuple[Stack, subprocess.Popen[bytes] | None]:
    """Return the live stack of a home, starting one (or waiting for one that another process starts) if need be.

    With it comes the supervisor, if this call started it. A stack started with a lifeline stops by itself when this
    process ends. Progress is shown on standard error. Raises LocalError if the stack does not come up.
    """
    home.logs.mkdir(parents=True, exist_ok=True)
    supervisor: subprocess.Popen[bytes] | None = None
    shown = _log_size(home)
    deadline = monotonic() + START_TIMEOUT
    try:
        while not (stack := Stack.live(home)):
            if supervisor is None and home.holder() is None:
                supervisor = _spawn(home, port or "", with_lifeline=with_lifeline)
            shown = _show_more(home, shown)
            _must_still_come_up(home, supervisor, deadline)
            sleep(0.2)
    except BaseException:
        if supervisor:
            _end(home, supervisor)
        raise
    finally:
        _show_more(home, shown)
    return stack, supervisor


def _must_still_come_up(home: Home, supervisor: subprocess.Popen[bytes] | None, deadline: float) -> None:
    if supervisor and supervisor.poll() is not None and home.holder() is None and not Stack.live(home):
        raise LocalError(f"The local stack did not start. Its logs are in {home.logs}.")
    if monotonic() > deadline:
        raise LocalError(f"The local stack did not come up in {START_TIMEOUT:g} s. Its logs are in {home.logs}.")


def _spawn(home: Home, port: str, *, with_lifeline: bool) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "devstack", "supervise", "--home", str(home.root), "--port", port]
    with home.log("supervisor").open("ab") as log:
        return subprocess.Popen(
            [*command, "--lifeline"] if with_lifeline else command,
            cwd=PROJECT,
            stdin=subprocess.PIPE if with_lifeline else subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _log_size(home: Home) -> int:
    log = home.log("supervisor")
    return log.stat().st_size if log.exists() else 0


def _show_more(home: Home, shown: int) -> int:
    with suppress(FileNotFoundError), home.log("supervisor").open("rb") as log:
        log.seek(shown)
        more = log.read()
        sys.stderr.write(more.decode(errors="replace"))
        sys.stderr.flush()
        return shown + len(more)
    return shown


def stop(home: Home) -> bool:
    """Stop the stack of a home and wait until nothing of it is left. Returns whether there was one."""
    if (pid := home.holder()) is None:
        home.stack_file.unlink(missing_ok=True)
        return False
    _signal(pid, signal.SIGTERM)
    try:
        _wait_until_gone(home, 45)
    except LocalError:
        _signal(pid, signal.SIGKILL)  # its children's guards see it go
        _wait_until_gone(home, 30)
    home.stack_file.unlink(missing_ok=True)
    return True


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        if pid > 0:  # 0, which means one's own group, stands for a holder that has not said who it is
            os.kill(pid, number)


def _wait_until_gone(home: Home, timeout: float) -> None:
    wait_until(
        lambda: home.holder() is None,
        timeout=timeout,
        otherwise=f"Something of the stack in {home.root} is still running {timeout:g} s after it was told to stop.",
    )


@contextmanager
def running_stack(own: Home) -> Iterator[Stack]:
    """The developer's stack if it is up, and left running; else one of this process's own, gone at the end."""
    forget_credentials()
    if developers := Stack.live(DEVELOPER):
        yield developers
        return
    with stack_of_this_process(own) as stack:
        yield stack


@contextmanager
def stack_of_this_process(home: Home) -> Iterator[Stack]:
    """The stack of a home: one that is up already is left running, one that this call starts is gone at the end."""
    stack, supervisor = start(home, with_lifeline=True)
    try:
        yield stack
    finally:
        if supervisor:
            _end(home, supervisor)


def _end(home: Home, supervisor: subprocess.Popen[bytes]) -> None:
    if supervisor.poll() is None:
        stop(home)
    if supervisor.stdin:
        supervisor.stdin.close()
    supervisor.wait()

"""Starting, finding and stopping a local stack."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from time import monotonic, sleep
from typing import Any, Self

from devstack.clients import Emulator
from devstack.workdir import DEVELOPER, PROJECT, LocalError, Workdir, wait_until

START_TIMEOUT = 1200.0  # seconds a stack has to come up: the first build fetches what the layers hold
MAX_TRIES = 5
HOW_LONG = "Starting the local stack takes about a minute; the first build takes a few minutes."


@dataclass(frozen=True)
class Stack:
    """A running stack: the content of `.local/stack.json`."""

    api_url: str
    console_url: str
    aws_endpoint_url: str
    region: str
    stack_name: str
    sandbox_url: str
    operator_token: str
    pid: int
    fingerprint: str

    @classmethod
    def live(cls, workdir: Workdir) -> Self | None:
        """The stack of a workdir, if its supervisor runs."""
        try:
            stack = cls(**json.loads(workdir.stack_file.read_text()))
        except (FileNotFoundError, json.JSONDecodeError, TypeError):
            return None
        return stack if workdir.holder() == stack.pid else None

    @classmethod
    def developers(cls) -> Self:
        """The developer's stack, for a command of theirs. Raises LocalError if it is not up."""
        if not (stack := cls.live(DEVELOPER)):
            raise LocalError("No local stack is running: `make up` starts one.")
        return stack

    @cached_property
    def aws(self) -> Emulator:
        return Emulator(self.aws_endpoint_url)

    @cached_property
    def resources(self) -> dict[str, dict[str, str]]:
        return self.aws.resources(self.stack_name)

    def client(self, service: str) -> Any:
        return self.aws.client(service)

    def output(self, name: str) -> str:
        [found] = self.client("cloudformation").describe_stacks(StackName=self.stack_name)["Stacks"]
        return str(next(output["OutputValue"] for output in found["Outputs"] if output["OutputKey"] == name))

    def read_logs(self) -> list[tuple[str, str]]:
        """The log group and the text of every line of all functions, oldest first."""
        logs = self.client("logs")
        lines = [
            (event["timestamp"], group["logGroupName"], event["message"].rstrip("\n"))
            for group in self._log_groups(logs)
            for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"])
            for event in page["events"]
        ]
        return [(group, text) for _, group, text in sorted(lines, key=lambda line: line[0])]

    @staticmethod
    def _log_groups(logs: Any) -> list[dict[str, Any]]:
        """All log groups. The emulator returns an error while a function creates one."""
        for _ in range(MAX_TRIES):
            with suppress(logs.exceptions.ClientError):
                return list(logs.get_paginator("describe_log_groups").paginate().build_full_result()["logGroups"])
        raise LocalError(f"The emulator returned an error for its log groups {MAX_TRIES} times.")


def start(workdir: Workdir, *, with_lifeline: bool = False) -> tuple[Stack, subprocess.Popen[bytes] | None]:
    """Return the running stack of a workdir, or start one, or wait for one that another process starts.

    Also returns the supervisor if this call started it. With a lifeline the stack stops when this process ends.
    Progress is printed to standard error. Raises LocalError if the stack does not start.
    """
    workdir.logs.mkdir(parents=True, exist_ok=True)
    log = workdir.log("supervisor")
    log.touch()
    supervisor: subprocess.Popen[bytes] | None = None
    deadline = monotonic() + START_TIMEOUT
    with log.open("rb") as progress:
        progress.seek(0, os.SEEK_END)
        try:
            while not (stack := Stack.live(workdir)):
                if supervisor is None and workdir.holder() is None:
                    supervisor = _spawn(workdir, with_lifeline=with_lifeline)
                sys.stderr.write(progress.read().decode(errors="replace"))
                has_ended = supervisor is not None and supervisor.poll() is not None and workdir.holder() is None
                if has_ended or monotonic() > deadline:
                    raise LocalError(f"The local stack did not start. Its logs are in {workdir.logs}.")
                sleep(0.2)
        except BaseException:
            if supervisor:
                with supervisor:
                    stop(workdir)
            raise
        finally:
            sys.stderr.write(progress.read().decode(errors="replace"))
    return stack, supervisor


def _spawn(workdir: Workdir, *, with_lifeline: bool) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "devstack", "supervise", *(["--lifeline"] if with_lifeline else [])]
    with workdir.log("supervisor").open("ab") as log:
        return subprocess.Popen(
            command,
            cwd=PROJECT,
            env={**os.environ, "LEADBRIDGE_WORKDIR": str(workdir.root)},
            stdin=subprocess.PIPE if with_lifeline else subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def stop(workdir: Workdir) -> bool:
    """Stop the stack of a workdir and wait until all its processes have ended. Returns whether there was one."""
    pid = workdir.holder()
    for number, patience in ((signal.SIGTERM, 45), (signal.SIGKILL, 30)):  # the guards of its children see it go
        with suppress(ProcessLookupError):
            if pid:  # 0 stands for a holder that has not yet written its id
                os.kill(pid, number)
        with suppress(LocalError):
            wait_until(lambda: workdir.holder() is None, timeout=patience, otherwise="It is still running.")
            workdir.stack_file.unlink(missing_ok=True)
            return pid is not None
    raise LocalError(f"Something of the stack in {workdir.root} is still running after it was killed.")


@contextmanager
def stack_of_this_process(workdir: Workdir) -> Iterator[Stack]:
    """The stack of a workdir: a running one keeps running, one that this call starts is stopped at the end."""
    stack, supervisor = start(workdir, with_lifeline=True)
    try:
        yield stack
    finally:
        if supervisor:
            with supervisor:
                stop(workdir)

"""Child processes that end with the supervisor."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from devstack.clients import answers
from devstack.workdir import PROJECT, LocalError, wait_until

ANSWER_TIMEOUT = 60.0  # seconds
GRACE = 10.0  # seconds for a command to stop after SIGTERM, at most


@dataclass
class Child:
    name: str
    guard: subprocess.Popen[bytes]
    log: Path

    def runs(self) -> bool:
        """Returns True, or raises LocalError with the end of the log."""
        if self.guard.poll() is not None:
            raise LocalError(f"{self.name} ended with code {self.guard.returncode}.\n{tail(self.log)}")
        return True

    def wait_for_answer(self, url: str) -> None:
        """Wait until a GET returns 200. Raises LocalError after ANSWER_TIMEOUT."""
        otherwise = f"{self.name} did not answer at {url} in {ANSWER_TIMEOUT:g} s. See {self.log}."
        wait_until(lambda: self.runs() and answers(url), timeout=ANSWER_TIMEOUT, otherwise=otherwise)

    def stop(self) -> None:
        assert self.guard.stdin is not None
        self.guard.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self.guard.wait(GRACE + 5)
        with suppress(ProcessLookupError):  # a guard that was itself killed leaves its group behind
            os.killpg(self.guard.pid, signal.SIGKILL)
        self.guard.wait()


@contextmanager
def guarded(
    name: str,
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    log: Path,
    lock: int,
    grace: float = GRACE,
) -> Iterator[Child]:
    """Run a command while the block runs, and stop it afterwards: SIGKILL follows `grace` seconds after SIGTERM."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as lines:
        guard = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("guard.py")), str(grace), *command],
            cwd=PROJECT,
            env=dict(env),
            stdin=subprocess.PIPE,
            stdout=lines,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=(lock,),
        )
    child = Child(name, guard, log)
    try:
        yield child
    finally:
        child.stop()


def run(name: str, command: Sequence[str], *, env: Mapping[str, str], log: Path, lock: int, timeout: float) -> None:
    """Run a command to its end. Raises LocalError with the end of the log if it fails or exceeds `timeout` seconds."""
    with guarded(name, command, env=env, log=log, lock=lock) as child:
        try:
            code = child.guard.wait(timeout)
        except subprocess.TimeoutExpired:
            raise LocalError(f"{name} did not end in {timeout:g} s.\n{tail(log)}") from None
    if code:
        raise LocalError(f"{name} failed with code {code}.\n{tail(log)}")


def tail(log: Path, lines: int = 30) -> str:
    text = log.read_text(errors="replace").splitlines()[-lines:] if log.exists() else []
    return "\n".join([f"{log}:", *(f"    {line}" for line in text)])

"""The processes of a run: those of a local stack, found below its supervisor in /proc, and a proxy of the partners.

`python -m quality.chaos.deployed.processes PORT HOST:PORT` is that proxy. The sandbox keeps its state in memory, so a
run kills the proxy instead: connections break in the middle, new ones are refused, and what was processed stays.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from devstack.relay import Relay
from devstack.workdir import PROJECT, choose_port, wait_until

PROC = Path("/proc")
FUNCTION = "AWS_LAMBDA_FUNCTION_NAME="


@dataclass(frozen=True)
class Processes:
    """The processes below a supervisor; none without /proc."""

    supervisor: int

    def workers(self) -> dict[str, list[int]]:
        """The emulator's worker processes, by function."""
        found: dict[str, list[int]] = defaultdict(list)
        for pid in self._below():
            for variable in _read(pid, "environ").split("\0"):
                if variable.startswith(FUNCTION):
                    found[variable.removeprefix(FUNCTION)].append(pid)
        return dict(found)

    def named(self, word: str) -> int | None:
        """The process, not its guard, whose command contains this word."""
        commands = ((pid, _read(pid, "cmdline")) for pid in self._below())
        return next((pid for pid, line in commands if word in line and "guard.py" not in line), None)

    def _below(self) -> Iterator[int]:
        children: dict[int, list[int]] = defaultdict(list)
        for entry in PROC.glob("[0-9]*/stat"):
            with suppress(OSError, ValueError, IndexError):
                children[int(entry.read_text().rpartition(")")[2].split()[1])].append(int(entry.parent.name))
        left = [self.supervisor]
        while left:
            below = children[left.pop()]
            yield from below
            left += below


def _read(pid: int, name: str) -> str:
    with suppress(OSError):
        return (PROC / str(pid) / name).read_bytes().decode(errors="replace")
    return ""


def kill(pid: int) -> bool:
    """Kill a process. Returns whether it existed."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
        return True
    return False


def freeze(pid: int, seconds: float) -> None:
    """Stop a process for a while."""
    os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(seconds)
    finally:
        os.kill(pid, signal.SIGCONT)


class PartnerProxy:
    """The proxy of the sandbox at `url`, as a process."""

    def __init__(self, url: str) -> None:
        self.url, self.port = url, choose_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def open(self) -> None:
        """Start it if it does not run, and wait until it accepts connections."""
        if self.process is None or self.process.poll() is not None:
            command = [sys.executable, "-m", __name__, str(self.port), urlsplit(self.url).netloc]
            self.process = subprocess.Popen(command, cwd=PROJECT, stdin=subprocess.DEVNULL)
            wait_until(self._answers, timeout=10, otherwise="The proxy of the partners does not start.", interval=0.02)

    def kill(self) -> None:
        """Kill it, and all connections with it."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def _answers(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's interrupt is for the run, which stops this process
    to_host, _, to_port = sys.argv[2].partition(":")
    Relay(("127.0.0.1", int(sys.argv[1])), (to_host, int(to_port))).serve_forever()

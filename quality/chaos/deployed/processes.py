"""The processes of a local stack, found below its supervisor in /proc: the emulator, its functions, the sandbox."""

from __future__ import annotations

import os
import signal
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

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
            with suppress(OSError):
                environment = (PROC / str(pid) / "environ").read_bytes().decode(errors="replace").split("\0")
                names = [one.removeprefix(FUNCTION) for one in environment if one.startswith(FUNCTION)]
                if names:
                    found[names[0]].append(pid)
        return dict(found)

    def named(self, *words: str) -> int | None:
        """The process, not its guard, whose command contains these consecutive words."""
        found = None
        for pid in self._below():
            with suppress(OSError):
                command = (PROC / str(pid) / "cmdline").read_bytes().decode(errors="replace")
                if "\0".join(words) in command and "guard.py" not in command:
                    found = found or pid
        return found

    def _below(self) -> Iterator[int]:
        children: dict[int, list[int]] = defaultdict(list)
        for entry in PROC.glob("[0-9]*/stat") if PROC.exists() else ():
            with suppress(OSError, ValueError, IndexError):
                children[int(entry.read_text().rpartition(")")[2].split()[1])].append(int(entry.parent.name))
        left = [self.supervisor]
        while left:
            below = children[left.pop()]
            yield from below
            left += below


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

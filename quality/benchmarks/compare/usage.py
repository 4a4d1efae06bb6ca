"""CPU time and memory of a system's processes, from /proc."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from quality.benchmarks.processes import peak_mib

TICK = os.sysconf("SC_CLK_TCK")
GONE = (FileNotFoundError, ProcessLookupError)
IDLE_SHARE, IDLE_SECONDS = 0.1, 0.4
"""A system is idle when it used less than this share of a core for so long."""


def cpu_seconds(pids: Iterable[int]) -> float:
    """User and system time of processes, including their threads and children that ended."""
    total = 0
    for pid in pids:
        with suppress(*GONE):
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
            total += sum(map(int, stat.rpartition(") ")[2].split()[11:15]))
    return total / TICK


def peak_memory(pids: Iterable[int]) -> float:
    """The sum of the processes' peaks of resident memory, in MiB."""
    total = 0.0
    for pid in pids:
        with suppress(*GONE):
            total += peak_mib(pid)
    return total


def wait_until_idle(processes: Callable[[], Iterable[int]], timeout: float = 30.0) -> float:
    """Wait until the processes have finished their work for the last lead. Returns their CPU seconds so far."""
    deadline = time.monotonic() + timeout
    used = cpu_seconds(processes())
    while time.monotonic() < deadline:
        time.sleep(IDLE_SECONDS)
        now = cpu_seconds(processes())
        if now - used < IDLE_SHARE * IDLE_SECONDS:
            return now
        used = now
    return used

"""Child processes, CPU time and memory, from /proc."""

from __future__ import annotations

import ctypes
import gc
import os
import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path
from typing import Any

TICK = os.sysconf("SC_CLK_TCK")
GONE = (FileNotFoundError, ProcessLookupError)


def in_new_process[T](work: Callable[..., T], *given: Any) -> T:
    """Call a function in a process of its own, whose output is discarded: functions print logs and metrics."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=discard_output) as pool:
        return pool.submit(work, *given).result()


def discard_output() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def under(pid: int) -> Iterator[int]:
    """All descendants of a process."""
    with suppress(*GONE):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text(encoding="ascii").split():
                yield int(child)
                yield from under(int(child))


def cpu_seconds(pids: Iterable[int]) -> float:
    """User and system time of processes, including their threads and children that ended."""
    total = 0
    for pid in pids:
        with suppress(*GONE):
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
            total += sum(map(int, stat.rpartition(") ")[2].split()[11:15]))
    return total / TICK


def peak_mib(pid: int | str = "self") -> float:
    """Peak resident memory in MiB; 0 if the process has ended."""
    with suppress(*GONE):
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
        if found := re.search(r"^VmHWM:\s+(\d+)", status, re.MULTILINE):
            return int(found[1]) / 1024
    return 0.0


def resident_kib() -> float:
    """Resident memory of this process in KiB, after free memory was returned to the system.

    Otherwise a leak first fills the gaps that the start left, and nothing grows for a long time.
    """
    gc.collect()
    with suppress(AttributeError):  # only in glibc
        ctypes.CDLL(None).malloc_trim(0)
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024

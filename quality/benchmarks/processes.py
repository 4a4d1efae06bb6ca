"""What the kernel knows of processes: who started whom, and what time and memory each has had."""

from __future__ import annotations

import ctypes
import gc
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def under(pid: int) -> Iterator[int]:
    """Every process that a process has started, and those that they have."""
    with suppress(FileNotFoundError, ProcessLookupError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text(encoding="ascii").split():
                yield int(child)
                yield from under(int(child))


def cpu_milliseconds(pid: int) -> float:
    """The processor time that all threads of a process have had, to the microsecond."""
    found = [task / "schedstat" for task in Path(f"/proc/{pid}/task").iterdir()]
    return sum(int(file.read_text(encoding="ascii").split()[0]) for file in found) / 1e6


def peak_mib(pid: int | str = "self") -> float:
    """The most resident memory that a process has had, in MiB. Raises LookupError where the kernel does not tell."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise LookupError(f"the memory of {pid}")


def kept_kib() -> float:
    """The memory that this process has resident, in KiB, once whatever is free was given back.

    Otherwise, what is kept fills the holes that a start leaves, and for a long time nothing grows.
    """
    gc.collect()
    with suppress(AttributeError):  # of glibc alone
        ctypes.CDLL(None).malloc_trim(0)
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024

"""Child processes, CPU time and memory, from /proc."""

from __future__ import annotations

import ctypes
import gc
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def under(pid: int) -> Iterator[int]:
    """All descendants of a process."""
    with suppress(FileNotFoundError, ProcessLookupError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text(encoding="ascii").split():
                yield int(child)
                yield from under(int(child))


def cpu_milliseconds(pid: int) -> float:
    """CPU time of all threads of a process, with a resolution of a microsecond."""
    found = [task / "schedstat" for task in Path(f"/proc/{pid}/task").iterdir()]
    return sum(int(file.read_text(encoding="ascii").split()[0]) for file in found) / 1e6


def peak_mib(pid: int | str = "self") -> float:
    """Peak resident memory in MiB. Raises LookupError if the kernel does not report it."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise LookupError(f"the memory of {pid}")


def resident_kib() -> float:
    """Resident memory of this process in KiB, after free memory was returned to the system.

    Otherwise a leak first fills the gaps that the start left, and nothing grows for a long time.
    """
    gc.collect()
    with suppress(AttributeError):  # only in glibc
        ctypes.CDLL(None).malloc_trim(0)
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024

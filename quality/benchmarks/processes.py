"""Child processes, CPU time and memory, from /proc."""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
GONE = (FileNotFoundError, ProcessLookupError)
# A system is idle when it used less than this share of a core for so long.
IDLE_SHARE, IDLE_SECONDS = 0.1, 0.4


def under(pid: int) -> Iterator[int]:
    """All descendants of a process."""
    with suppress(*GONE):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text(encoding="ascii").split():
                yield int(child)
                yield from under(int(child))


def runtimes(pid: int) -> list[int]:
    """The descendants that are Lambda's runtime client, without the emulator that starts them."""

    def is_client(one: int) -> bool:
        words = Path(f"/proc/{one}/cmdline").read_bytes().split(b"\0")
        return b"awslambdaric" in words and b"python" in Path(words[0].decode()).name.encode()

    return [one for one in under(pid) if is_client(one)]


def kill(pids: Iterable[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def cpu_milliseconds(pid: int) -> float:
    """CPU time of all threads of a process, with a resolution of a microsecond."""
    found = [task / "schedstat" for task in Path(f"/proc/{pid}/task").iterdir()]
    return sum(int(file.read_text(encoding="ascii").split()[0]) for file in found) / 1e6


def cpu_seconds(pids: Iterable[int]) -> float:
    """User and system time of processes, including their threads and children that ended."""
    total = 0
    for pid in pids:
        with suppress(*GONE):
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
            total += sum(map(int, stat.rpartition(") ")[2].split()[11:15]))
    return total / TICK


def wait_until_idle(processes: Callable[[], Iterable[int]], timeout: float = 30.0) -> float:
    """Wait until the processes have finished their work for the last lead. Returns their CPU seconds so far."""
    deadline = time.monotonic() + timeout
    used = cpu_seconds(processes())
    while time.monotonic() < deadline:
        time.sleep(IDLE_SECONDS)
        before, used = used, cpu_seconds(processes())
        if used - before < IDLE_SHARE * IDLE_SECONDS:
            break
    return used


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

"""The directory of a local stack, and its lock."""

import fcntl
import os
import random
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

PROJECT = Path(__file__).parents[1]
TOOLS = PROJECT / ".local" / "emulator" / "bin"
PORTS = range(20_000, 32_000)  # below the ephemeral ports of Linux and macOS


class LocalError(Exception):
    """An error that a developer can act on. It is printed without a traceback."""


@dataclass
class Workdir:
    root: Path

    def __post_init__(self) -> None:
        self.logs = self.root / "logs"
        self.lock = self.root / "lock"  # held by the supervisor, and by the guards of its children until the last ends
        self.stack_file = self.root / "stack.json"
        self.secrets_file = self.root / "secrets.json"  # generated once, so that a configured form keeps working
        self.sandbox = self.root / "sandbox"
        self.emulator = self.root / "ministack"  # deleted after each session
        self.build = self.root / "build"

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def holder(self) -> int | None:
        """The process that holds the lock, running or ending; None if there is none."""
        try:
            descriptor = os.open(self.lock, os.O_RDONLY)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return int(os.read(descriptor, 20).strip() or 0)
        finally:
            os.close(descriptor)
        return None


DEVELOPER = Workdir(Path(os.environ.get("LEADBRIDGE_WORKDIR", PROJECT / ".local")).absolute())


@contextmanager
def hold(workdir: Workdir, patience: float = 20) -> Iterator[int]:
    """Lock a workdir. Yields the lock's descriptor, for children that must end before the next owner starts.

    Raises LocalError if another process has it, or after `patience` seconds if children of a dead one still run.
    """
    workdir.root.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(workdir.lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        wait_until(
            lambda: _lock(descriptor, workdir),
            timeout=patience,
            otherwise=f"What an earlier stack in {workdir.root} left behind is still running after {patience:g} s.",
        )
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)


def _lock(descriptor: int, workdir: Workdir) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = int(os.pread(descriptor, 20, 0).strip() or 0)
        if holder and is_alive(holder):
            raise LocalError(f"Process {holder} already runs a stack in {workdir.root}.") from None
        return False
    return True


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError as error:
        return isinstance(error, PermissionError)
    return True


def wait_until(condition: Callable[[], bool], *, timeout: float, otherwise: str, interval: float = 0.1) -> None:
    """Wait for a condition. Raises LocalError with the text `otherwise` after `timeout` seconds."""
    deadline = monotonic() + timeout
    while not condition():
        if monotonic() > deadline:
            raise LocalError(otherwise)
        sleep(interval)


def choose_port(wanted: str | None = None) -> int:
    """Return the wanted port, or a free one. Raises LocalError.

    The port is bound later. Until then the system may give one of its ephemeral ports to any other process.
    """
    if wanted and not (wanted.isdecimal() and 0 < int(wanted) < 65536):
        raise LocalError(f"LEADBRIDGE_PORT is {wanted!r}, which is not a port.")
    for port in [int(wanted)] if wanted else random.SystemRandom().sample(PORTS, 100):
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port
    raise LocalError(f"Port {wanted} is taken. Give another in LEADBRIDGE_PORT, or unset it to have a free one chosen.")

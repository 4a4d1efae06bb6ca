"""Where a local stack keeps its things, and who holds it."""

import fcntl
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

PROJECT = Path(__file__).parents[1]
TOOLS = PROJECT / ".local" / "emulator" / "bin"


class LocalError(Exception):
    """Something a developer can act on. The text is the whole story: no traceback is shown."""


@dataclass(frozen=True)
class Home:
    """A directory that belongs to one local stack."""

    root: Path

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def lock(self) -> Path:
        """Held by the supervisor, and by the guards of its children until the last of them is gone."""
        return self.root / "lock"

    @property
    def stack_file(self) -> Path:
        return self.root / "stack.json"

    @property
    def secrets_file(self) -> Path:
        """What was drawn at random for this home: kept, so that a form set up once keeps working."""
        return self.root / "secrets.json"

    @property
    def sandbox(self) -> Path:
        return self.root / "sandbox"

    @property
    def emulator(self) -> Path:
        """The emulator's files. They do not outlive a session."""
        return self.root / "ministack"

    @property
    def build(self) -> Path:
        return self.root / "build"

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def holder(self) -> int | None:
        """The process that holds this home, alive or not yet wholly gone; None when nobody does."""
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


DEVELOPER = Home(Path(os.environ.get("LEADBRIDGE_HOME", PROJECT / ".local")).absolute())
"""What `make up` and all that talk to it take for theirs."""

TESTS = Home(PROJECT / ".local" / "test-stack")


@contextmanager
def hold(home: Home, patience: float = 20) -> Iterator[int]:
    """Own a home. Yields the lock's descriptor, for children that must be gone before the next owner begins.

    Raises LocalError at once if another live process owns it, or if the children of a dead one are still
    there after `patience` seconds.
    """
    home.root.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(home.lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        wait_until(
            lambda: _lock(descriptor, home),
            timeout=patience,
            otherwise=f"What an earlier stack in {home.root} left behind is still running after {patience:g} s.",
        )
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)


def _lock(descriptor: int, home: Home) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = int(os.pread(descriptor, 20, 0).strip() or 0)
        if holder and is_alive(holder):
            raise LocalError(f"Process {holder} already runs a stack in {home.root}.") from None
        return False
    return True


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def wait_until(condition: Callable[[], bool], *, timeout: float, otherwise: str, interval: float = 0.1) -> None:
    """Return as soon as the condition holds; raise LocalError with the text `otherwise` after `timeout` seconds."""
    deadline = monotonic() + timeout
    while not condition():
        if monotonic() > deadline:
            raise LocalError(otherwise)
        sleep(interval)


def choose_port(wanted: str | None = None) -> int:
    """The wanted port if it is free, any free one if none is wanted."""
    if wanted and not (wanted.isdecimal() and 0 < int(wanted) < 65536):
        raise LocalError(f"LEADBRIDGE_PORT is {wanted!r}, which is not a port.")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", int(wanted or 0)))
        except OSError:
            raise LocalError(
                f"Port {wanted} is taken. Give another in LEADBRIDGE_PORT, or unset it to have a free one chosen."
            ) from None
        port: int = probe.getsockname()[1]
        return port

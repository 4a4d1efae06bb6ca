import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devstack.sandbox.remote import Remote
from devstack.sandbox.server import Sandbox
from tests.sandbox.client import Client
from tests.sandbox.leeloo import LeelooClient, Office


class Clock:
    """Time that stands still until a test moves it, in seconds since the epoch."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="session")
def keys_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state directory shared by tests that do not change keys: they are made once."""
    return tmp_path_factory.mktemp("sandbox")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sandbox(keys_dir: Path, clock: Clock) -> Iterator[Sandbox]:
    with Sandbox(keys_dir, pace=10, clock=clock) as running:
        yield running


@pytest.fixture
def client(sandbox: Sandbox) -> Client:
    return Client.of(sandbox.secrets()["leadleader"])


@pytest.fixture
def remote(sandbox: Sandbox) -> Remote:
    return Remote(sandbox.url)


@pytest.fixture
def leeloo(sandbox: Sandbox) -> LeelooClient:
    return LeelooClient.of(sandbox.secrets()["leeloo"])


@pytest.fixture
def office(remote: Remote) -> Office:
    return Office.of(remote)


def eventually(holds: Callable[[], bool], seconds: float = 5) -> None:
    """Wait until a condition holds; fail when it does not in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)

from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack.sandbox.remote import Remote
from devstack.sandbox.server import Sandbox
from quality.testkit.sandbox.client import Client
from quality.testkit.sandbox.clock import Clock
from quality.testkit.sandbox.leeloo import LeelooClient, Office


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

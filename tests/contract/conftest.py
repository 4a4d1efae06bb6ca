"""The contract tier: the client of each partner against the sandbox, over real sockets."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from devstack.partners import further
from devstack.sandbox.remote import Remote
from devstack.sandbox.server import Sandbox
from quality.testkit.aws.recorded_flows import AllFlows, record
from quality.testkit.clients.leadleader import PARTNER, Vault, World


def pytest_configure(config: pytest.Config) -> None:
    """Load the plugin that test_openapi.py needs. The other tiers do without it: it takes long to import."""
    config.pluginmanager.import_plugin("schemathesis.pytest.plugin")


@pytest.fixture(scope="session")
def all_flows(tmp_path_factory: pytest.TempPathFactory) -> AllFlows:
    """All that a stack does, done once, with nothing wrong at AWS."""
    with Sandbox(tmp_path_factory.mktemp("all-flows"), pace=3600, further=further()) as sandbox:
        return record(sandbox)


@pytest.fixture(scope="session")
def keys_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sandboxes' keys, made once."""
    return tmp_path_factory.mktemp("sandbox")


@pytest.fixture(scope="module")
def sandbox(keys_dir: Path) -> Iterator[Sandbox]:
    """One sandbox for all tests of a module; deals stay where they are until a test moves them."""
    with Sandbox(keys_dir, pace=3600, further=further()) as running:
        yield running


@pytest.fixture
def world(sandbox: Sandbox) -> Iterator[World]:
    """A client's surroundings, with nothing wrong yet."""
    Remote(sandbox.url).reset()
    with ExitStack() as stack:
        yield world_of(sandbox, PARTNER, stack)


@pytest.fixture
def other_lender(sandbox: Sandbox, world: World) -> World:
    """A second lender of the same kind, with nothing wrong."""
    return world_of(sandbox, "lender-b", world.stack)


def world_of(sandbox: Sandbox, partner: str, stack: ExitStack) -> World:
    """A client's surroundings at one lender."""

    def secret() -> dict[str, str]:
        return sandbox.secrets()[partner]

    return World(Remote(sandbox.url), Vault(secret, secret()), secret, stack, partner)

"""The `sam local` tier: the built functions in containers, as the SAM CLI runs them. It takes minutes and needs Docker.

`make test-sam-local` runs it. Tests that were not asked for by their folder's name are skipped, and so are all where no
Docker runs; each says why.
"""

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack import services
from devstack.clients import Emulator
from devstack.partners import further
from devstack.sam_local import SamLocal, Surroundings, as_containers_see, sam_local, why_not
from devstack.sandbox.server import Sandbox
from devstack.workdir import PROJECT, Workdir, choose_port, hold
from quality.testkit.lambda_runtime.cloud import Cloud
from quality.testkit.lambda_runtime.samples import FUNCTIONS
from quality.testkit.sam_local.world import lead_of, secrets_of

HERE = Path(__file__).parent
RUN_CONTAINERS = {"sam", "stack"}
HOME = Workdir(PROJECT / ".local" / "test-sam-local")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what runs containers and was not asked for, or cannot run here."""
    here = f"tests/{HERE.name}/"
    ours = [item for item in items if item.nodeid.startswith(here) and RUN_CONTAINERS & {*fixtures_of(item)}]
    was_asked_for = any(HERE.name in str(argument) for argument in config.invocation_params.args)
    reason = why_not() if was_asked_for else "it takes minutes, and Docker: make test-sam-local"
    if reason:
        for item in ours:
            item.add_marker(pytest.mark.skip(reason=reason))


def fixtures_of(item: pytest.Item) -> list[str]:
    """The names of what a test is given."""
    return list(item.fixturenames) if isinstance(item, pytest.Function) else []


@pytest.fixture(scope="session", autouse=True)
def interrupts() -> None:
    """What is started here can be interrupted, also where the tests run in the background, which ignores it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def emulator() -> Iterator[Emulator]:
    """The emulated AWS, running and empty."""
    with hold(HOME) as lock, services.emulator(HOME, choose_port(), lock=lock) as (aws, _):
        yield aws


@pytest.fixture(scope="session")
def keys_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sandbox's keys, made once."""
    return tmp_path_factory.mktemp("sandbox")


@pytest.fixture
def sandbox(keys_dir: Path) -> Iterator[Sandbox]:
    """The partners, with no deals."""
    with Sandbox(keys_dir, pace=3600, further=further()) as running:
        yield running


@pytest.fixture
def cloud(emulator: Emulator, sandbox: Sandbox) -> Cloud:
    """The template's table, queues, bus and rule, every secret, and the two leads that the sample events are about."""
    cloud = Cloud.made(emulator)
    for name, value in secrets_of(sandbox).items():
        cloud.put_secret(name, json.loads(as_containers_see(json.dumps(value))))
    for case in ("good", "trading"):
        assert cloud.store.accept(lead_of(case), phone_hash=None) is None
    return cloud


@pytest.fixture
def sam(cloud: Cloud, sandbox: Sandbox) -> Iterator[SamLocal]:
    """`sam local`, with functions that find that cloud and the partners."""
    environments = {function: cloud.environment(function) for function in FUNCTIONS}
    surroundings = Surroundings(cloud.aws, (sandbox.url,), environments)
    with sam_local(surroundings, Workdir(HOME.root / "sam")) as ready:
        yield ready

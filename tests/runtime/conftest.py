"""The runtime tier: each function as it is shipped, under Lambda's runtime client, with nothing but its layers."""

import os
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from devstack import services
from devstack.clients import Emulator
from devstack.partners import further, stored_secrets
from devstack.sandbox.server import Sandbox
from devstack.workdir import PROJECT, Workdir, choose_port, hold
from quality.testkit.lambda_runtime.build import put_build
from quality.testkit.lambda_runtime.cloud import Cloud
from quality.testkit.lambda_runtime.runtime import cold_starts, copy_distributions
from quality.testkit.lambda_runtime.workshop import Start, Workshop


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    """The built template."""
    client = tmp_path_factory.mktemp("runtime-client")
    copy_distributions(client)
    shutil.copy(PROJECT / "quality" / "testkit" / "lambda_runtime" / "witness.py", client)
    workdir = Workdir(PROJECT / ".local" / f"test-runtime{os.environ.get('PYTEST_XDIST_WORKER', '')}")
    with hold(workdir) as lock:
        put_build(workdir)
        yield Workshop(workdir, client, lock)


@pytest.fixture(scope="session")
def emulator(workshop: Workshop) -> Iterator[Emulator]:
    """The emulated AWS, running and empty."""
    with services.emulator(workshop.workdir, choose_port(), lock=workshop.lock) as (aws, _):
        yield aws


@pytest.fixture
def cloud(emulator: Emulator) -> Cloud:
    """The template's table, queues, bus and rule, for one test."""
    return Cloud.made(emulator)


@pytest.fixture(scope="session")
def keys_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sandbox's keys, made once."""
    return tmp_path_factory.mktemp("sandbox")


@pytest.fixture
def partners(keys_dir: Path) -> Iterator[Sandbox]:
    """The partners, with no deals."""
    with Sandbox(keys_dir, pace=3600, further=further()) as running_sandbox:
        yield running_sandbox


@pytest.fixture
def sandbox(partners: Sandbox, cloud: Cloud) -> Sandbox:
    """The partners, with no deals; the cloud knows where they are and who we are to them."""
    for name, secret in stored_secrets(partners.secrets()).items():
        cloud.put_secret(name, secret)
    return partners


@pytest.fixture
def start(workshop: Workshop, cloud: Cloud, tmp_path: Path) -> Start:
    """Starts a function of the template by its logical id: `with start("ReceiveLead") as function`."""
    return partial(workshop.started, cloud=cloud, logs=tmp_path, handler="app.handler")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how long the functions took to answer their first request; nothing depends on it."""
    if cold_starts:
        by_function: dict[str, list[float]] = {}
        for name, milliseconds in cold_starts:
            by_function.setdefault(name, []).append(milliseconds)
        figures = ", ".join(f"{name} {min(all_):.0f}" for name, all_ in sorted(by_function.items()))
        terminalreporter.write_line(f"from a cold start to the first answer, best of this run, in ms: {figures}")

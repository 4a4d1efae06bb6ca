"""The stack tier: the deployed template on the local AWS, started once, driven over HTTP."""

import json
import os
from collections.abc import Iterator

import pytest

from devstack.clients import forget_credentials
from devstack.commands.api import Operator
from devstack.deployment import ALIAS
from devstack.sandbox.remote import Remote
from devstack.sandbox.server import DEFAULT_PACE
from devstack.services import INTERVALS, OFF, caller
from devstack.stack import Stack, stack_of_this_process
from devstack.workdir import DEVELOPER, Workdir
from quality.testkit.deployed import TESTS, Form, Schedule, schedules
from quality.testkit.lambda_runtime.build import put_build

PACE = 2.5
"""Seconds a deal stays in one status: about as long as the time between two checks, as many tests wait for the last."""


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """The developer's running stack, or one started in a workdir of the tests' own and stopped after the last test."""
    os.environ[OFF] = "1"
    forget_credentials()
    workdir = DEVELOPER if Stack.live(DEVELOPER) else TESTS
    if workdir is TESTS:
        put_build(TESTS)
    with stack_of_this_process(workdir) as running:
        if Stack.live(TESTS) == running:
            Remote(running.sandbox_url).post("pace", {"seconds": PACE})
            functions = running.resources["AWS::Lambda::Function"]
            for function, interval in INTERVALS.items():
                call = caller(running.aws, f"{functions[function]}:{ALIAS}")
                schedules[function] = Schedule(call, 1.5 * interval)
        yield running


@pytest.fixture(scope="session")
def pace(stack: Stack) -> float:
    """The pace of the sandbox, for tests that change it."""
    return PACE if Stack.live(TESTS) == stack else DEFAULT_PACE


@pytest.fixture(scope="session")
def workdir(stack: Stack) -> Workdir:
    """Where the stack that is up keeps its things."""
    return next(workdir for workdir in (TESTS, DEVELOPER) if Stack.live(workdir) == stack)


@pytest.fixture(scope="session")
def form(stack: Stack) -> Form:
    """The source "web", with the secret that the stack knows."""
    manager = stack.client("secretsmanager")
    sources = json.loads(manager.get_secret_value(SecretId="leadbridge/sources")["SecretString"])
    return Form(stack, sources["web"]["secrets"][0])


@pytest.fixture(scope="session")
def operator(stack: Stack) -> Operator:
    """An operator with the stack's token."""
    return Operator(stack)


@pytest.fixture
def partner(stack: Stack) -> Iterator[Remote]:
    """The partner sandbox; faults that a test arms are gone after it."""
    remote = Remote(stack.sandbox_url)
    remote.disarm()
    yield remote
    remote.disarm()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the final checks, marked `final(n)`, after all other tests and in the order of n."""

    def position(item: pytest.Item) -> int:
        mark = item.get_closest_marker("final")
        return mark.args[0] if mark else 0

    items.sort(key=position)

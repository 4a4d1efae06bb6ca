"""The commands of docs/development.md for a function in a container, as they stand there, on a developer's stack."""

import json
import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from devstack.clients import CREDENTIALS, Emulator
from devstack.stack import Stack, stack_of_this_process
from devstack.workdir import DEVELOPER, PROJECT, wait_until
from quality.testkit.documents import blocks
from quality.testkit.sam_local.containers import PATIENCE

INVOKING, API, LAMBDA = (
    block.text.strip().splitlines()
    for block in blocks()
    if block.page.name == "development.md" and "sam-local" in block.text
)


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """The developer's stack: the one that is up, or one for this module."""
    with stack_of_this_process(DEVELOPER) as running:
        yield running


@pytest.mark.usefixtures("stack")
def test_a_function_is_invoked_on_the_stack() -> None:
    printed = [said_by(line) for line in INVOKING]

    assert "already up" in printed[0]
    assert "queued" in json.loads(printed[1].splitlines()[-1])
    answer = json.loads(printed[2].splitlines()[-1])
    assert answer["statusCode"] in {200, 202}, "a developer's stack may have it already"


@pytest.mark.usefixtures("stack")
def test_all_routes_are_served() -> None:
    serve, ask = API
    with served(serve):
        assert json.loads(said_by(ask)) == {"status": "ok"}


def test_lambdas_api_is_served(stack: Stack) -> None:
    serve, invoke = LAMBDA
    (name,) = re.findall(r"--function-name (\w+)", invoke)
    (url,) = re.findall(r"--endpoint-url (\S+)", invoke)
    with served(serve):
        assert "queued" in json.load(Emulator(url).client("lambda").invoke(FunctionName=name)["Payload"])


def said_by(line: str) -> str:
    """What a line of the page prints."""
    done = subprocess.run(
        ["bash", "-c", line], cwd=PROJECT, env=surroundings(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@contextmanager
def served(line: str) -> Iterator[None]:
    """The server that a line of the page starts, listening; interrupted at the end, as by Ctrl-C."""
    port = int(re.findall(r"--port (\d+)", line)[0])
    server = subprocess.Popen(["bash", "-c", line], cwd=PROJECT, env=surroundings(), start_new_session=True)
    try:
        wait_until(
            lambda: server.poll() is None and listens(port),
            timeout=PATIENCE,
            otherwise=f"nothing listens on port {port}",
        )
        yield
    finally:
        os.killpg(server.pid, signal.SIGINT)
        server.wait(60)


def surroundings() -> dict[str, str]:
    """A developer's own environment."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))} | CREDENTIALS


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0

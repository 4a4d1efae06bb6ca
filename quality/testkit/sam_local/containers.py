"""Talking to functions through `sam local`: one invocation, or a server for as long as a block lasts."""

import json
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from devstack.sam_local import SamLocal
from devstack.workdir import PROJECT, choose_port, wait_until
from events.sign import signed
from quality.testkit.lambda_runtime.samples import sample
from quality.testkit.sam_local.world import SECRET

PATIENCE = 180  # seconds; an image is made at the first call


def event_of(function: str, case: str) -> dict[str, Any]:
    """A sample event, signed at this moment if it is a form's post."""
    event = sample(function, case)
    is_post = function == "ReceiveLead" and event["httpMethod"] == "POST"
    return signed(event, SECRET, int(time.time())) if is_post else event


def invoke(sam: SamLocal, function: str, event: Mapping[str, Any]) -> Any:
    """What `sam local invoke` prints that the function has answered."""
    done = subprocess.run(
        sam.command("invoke", function, "--event", "-"),
        input=json.dumps(event),
        env=sam.env,
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.strip().splitlines()[-1])


@contextmanager
def serving(sam: SamLocal, what: str, log: Path) -> Iterator[str]:
    """`sam local start-api` or `start-lambda`, answering; yields its address."""
    port = choose_port()
    command = sam.command(what, "--port", str(port), "--warm-containers", "LAZY")
    with log.open("wb") as lines:
        server = subprocess.Popen(command, env=sam.env, cwd=PROJECT, stdout=lines, stderr=lines)
    try:
        wait_until(
            lambda: server.poll() is None and _listens(port),
            timeout=PATIENCE,
            otherwise=f"sam local {what} does not listen. See {log}.",
        )
        yield f"http://127.0.0.1:{port}"
    finally:
        server.send_signal(signal.SIGINT)  # it takes its containers away
        with suppress(subprocess.TimeoutExpired):
            server.wait(60)
        server.kill()
        server.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0

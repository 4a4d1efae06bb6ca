"""A function under Lambda's own runtime client, in an interpreter that sees its layers and nothing else.

AWS's runtime interface emulator plays the Lambda service. It takes one request at a time and starts the function at
the first one.
"""

import json
import os
import shutil
import socket
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import files
from pathlib import Path
from typing import Any

import urllib3

from devstack.deployment import architecture
from devstack.processes import Child, guarded
from devstack.workdir import TOOLS, choose_port, wait_until

SERVICE = TOOLS.parent / "lib/python3.13/site-packages/samcli/local/rapid" / f"aws-lambda-rie-{architecture()}"
INTERPRETER = Path(sys.base_prefix) / "bin" / "python3.13"
CLIENT = ("awslambdaric", "snapshot_restore_py")
SERVICE_LINES = ("START RequestId: ", "END RequestId: ", "REPORT RequestId: ")
TIMEOUT = 30.0  # seconds

cold_starts: list[tuple[str, float]] = []
"""Function and milliseconds from the first request to its answer, of every function that was started."""


class FunctionFailed(Exception):
    """The function raised, or could not be started: `{type}: {message}` as the runtime client reports it."""


@dataclass
class Function:
    """A function that can be invoked."""

    name: str
    url: str
    child: Child
    invocations: int = field(default=0, init=False)

    def invoke(self, event: Mapping[str, Any]) -> Any:
        """What the handler returns for an event. Raises FunctionFailed."""
        began = time.monotonic()
        answer = urllib3.request("POST", self.url, body=json.dumps(event).encode(), timeout=TIMEOUT, retries=False)
        self.invocations += 1
        if self.invocations == 1:
            cold_starts.append((self.name, (time.monotonic() - began) * 1000))
        payload = json.loads(answer.data)
        if isinstance(payload, dict) and {"errorType", "errorMessage"} <= payload.keys():
            raise FunctionFailed(f"{payload['errorType']}: {payload['errorMessage']}")
        return payload

    def log_lines(self) -> list[str]:
        """What the function has written in all its invocations so far."""
        wait_until(
            lambda: self._lines_with("END RequestId: ") >= self.invocations,
            timeout=TIMEOUT,
            interval=0.01,
            otherwise=f"The end of an invocation is not in {self.child.log}.",
        )
        return [line for line in self._lines() if line and not line.startswith(SERVICE_LINES)]

    def _lines(self) -> list[str]:
        return self.child.log.read_text(encoding="utf-8").splitlines()

    def _lines_with(self, beginning: str) -> int:
        return sum(line.startswith(beginning) for line in self._lines())


@contextmanager
def running(
    name: str, *, path: Sequence[Path], handler: str, environment: Mapping[str, str], log: Path, lock: int
) -> Iterator[Function]:
    """A function in a process of its own. `path` is all that it can import from: its code, its layers, the client."""
    port, inner_port = choose_port(), choose_port()
    # -S: no site-packages; -P: nothing but `path` in front of the standard library.
    command = [str(INTERPRETER), "-S", "-P", "-m", "awslambdaric", handler]
    service = [str(SERVICE), "--log-level", "error"]
    service += ["--runtime-interface-emulator-address", f"127.0.0.1:{port}"]
    service += ["--runtime-api-address", f"127.0.0.1:{inner_port}"]
    env = {
        **environment,
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "TZ": ":UTC",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "LAMBDA_TASK_ROOT": str(path[0]),
        "PYTHONPATH": os.pathsep.join(map(str, path)),
    }
    with guarded(name, [*service, *command], env=env, log=log, lock=lock) as child:
        wait_until(
            lambda: child.runs() and _listens(port),
            timeout=TIMEOUT,
            interval=0.01,
            otherwise=f"The runtime interface emulator did not listen in {TIMEOUT:g} s. See {log}.",
        )
        yield Function(name, f"http://127.0.0.1:{port}/2015-03-31/functions/function/invocations", child)


def copy_distributions(into: Path, distributions: Sequence[str] = CLIENT) -> None:
    """Copy the runtime client without what else it depends on: where ours is missing, nothing stands in for it."""
    for distribution in distributions:
        for file in files(distribution) or ():
            if ".dist-info" not in str(file) and not {"__pycache__", ".."} & {*file.parts}:
                target = into / file
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(str(file.locate()), target)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0

"""The compared systems: leadbridge, n8n and Node-RED, with the same flow in the form of each."""

from __future__ import annotations

import json
import os
import queue
import sys
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import urllib3

from devstack.clients import NOTHING_OF_THE_USERS, answers
from devstack.processes import guarded, run
from devstack.workdir import LocalError, choose_port, wait_until
from quality.benchmarks.compare.install import node, script
from quality.benchmarks.processes import under
from quality.benchmarks.shipped import CONCURRENCY, LENDER, parameter
from quality.benchmarks.stack import WEB, RuntimeStack, accepted, post, submission
from quality.testkit.lambda_runtime.cloud import Cloud, Event
from quality.testkit.lambda_runtime.runtime import Function

HERE = Path(__file__).parent
START = 180.0  # seconds: n8n creates its database at the first start
POST = urllib3.Timeout(connect=2, read=60)


class Environments:
    """The environments of one function, each for one event at a time. As on Lambda, the last used one is next.

    Each is a process of the built function under Lambda's own runtime client.
    """

    def __init__(self, name: str, count: int, stack: ExitStack, runtime: RuntimeStack, cloud: Cloud) -> None:
        start = partial(runtime.workshop.started, name, cloud=cloud, handler="app.handler")
        self.functions = [stack.enter_context(start(logs=runtime.folder / str(number))) for number in range(count)]
        self._free: queue.LifoQueue[Function] = queue.LifoQueue()
        for function in self.functions:
            self._free.put(function)

    def invoke(self, event: Event) -> Any:
        function = self._free.get(timeout=120)
        try:
            return function.invoke(event)
        finally:
            self._free.put(function)


class Leadbridge:
    """receive_lead and submit_lead. The benchmark is the gateway, the stream and the queue between them.

    It invokes receive_lead with a post, and submit_lead with each stored lead, as many at a time as in the template.
    """

    name = "leadbridge"

    def __init__(self, stack: ExitStack, runtime: RuntimeStack, concurrency: int) -> None:
        cloud, submissions = runtime.servers.backend().cloud, parameter(CONCURRENCY[LENDER])
        cloud.put_secret("sources", WEB)
        self._receive = Environments("ReceiveLead", concurrency, stack, runtime, cloud)
        self._submit = Environments("SubmitLead", submissions, stack, runtime, cloud)
        self._workers = stack.enter_context(ThreadPoolExecutor(submissions))

    def warm_up(self, numbers: list[int]) -> None:
        """Use every environment at least once. Takes as many numbers as there are environments of receive_lead."""
        for number, receiver in zip(numbers, self._receive.functions, strict=True):
            submitter = self._submit.functions[number % len(self._submit.functions)]
            submitter.invoke(submission(accepted(receiver.invoke(post(number)))))

    def post(self, number: int) -> None:
        """Post a lead as a form does."""
        lead_id = accepted(self._receive.invoke(post(number)))
        self._workers.submit(self._submit.invoke, submission(lead_id)).add_done_callback(_print_error)

    def processes(self) -> list[int]:
        """Those of the system itself: Lambda's runtime clients, without the emulator that starts them."""
        functions = [*self._receive.functions, *self._submit.functions]
        return [pid for function in functions for pid in under(function.child.guard.pid) if _is_client(pid)]


def _is_client(pid: int) -> bool:
    words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    return b"awslambdaric" in words and b"python" in Path(words[0].decode()).name.encode()


def _print_error(submitted: Future[Any]) -> None:
    """Print why a submission failed: its lead does not reach the partner."""
    if error := submitted.exception():
        print(f"submit_lead: {error}", file=sys.stderr)


class Server:
    """A server of Node.js with its own folder and port."""

    def __init__(
        self, name: str, ready: str, webhook: str, stack: ExitStack, folder: Path, token: str, *, lock: int
    ) -> None:
        self.name, self.folder, self.lock = name, folder, lock
        self._stack, self._token, port = stack, token, choose_port()
        self._ready, self._url = (f"http://127.0.0.1:{port}/{path}" for path in (ready, webhook))
        self._pool = urllib3.PoolManager(maxsize=32, retries=False)
        folder.mkdir(parents=True)
        self.environment = {
            "PATH": os.pathsep.join([str(node().parent), "/usr/bin", "/bin"]),
            **dict.fromkeys(("HOME", "TMPDIR", "N8N_USER_FOLDER"), str(folder)),
            **dict.fromkeys(("PORT", "N8N_PORT"), str(port)),
            "LANG": "C.UTF-8",
            "TZ": "UTC",
            "NODE_ENV": "production",
            **NOTHING_OF_THE_USERS,
        }

    def start(self, *command: str) -> None:
        log = self.folder / "server.log"
        started = guarded(self.name, [str(node()), *command], env=self.environment, log=log, lock=self.lock)
        self._child = self._stack.enter_context(started)
        wait_until(
            lambda: self._child.runs() and answers(self._ready),
            timeout=START,
            otherwise=f"{self.name} was not ready in {START:g} s. See {log}.",
        )

    def post(self, number: int) -> None:
        headers = {"Content-Type": "application/json", "x-webhook-token": self._token}
        body = post(number)["body"].encode()
        answer = self._pool.request("POST", self._url, body=body, headers=headers, timeout=POST)
        if answer.status != 202:
            raise LocalError(f"{self.name} answered {answer.status} to lead {number}")

    def processes(self) -> list[int]:
        return list(under(self._child.guard.pid))


type System = Leadbridge | Server


def n8n(stack: ExitStack, folder: Path, secret: Mapping[str, Any], *, lock: int) -> Server:
    """n8n in its usual form: one process, a task runner for code, and SQLite.

    One Code node does the validation and the encryption: a second one would be a second call of the task runner.
    """
    server = Server("n8n", "healthz/readiness", "webhook/lead", stack, folder, secret["webhook_token"], lock=lock)
    lines = (HERE / "n8n.env").read_text(encoding="utf-8").splitlines()
    server.environment |= dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    server.environment["N8N_RUNNERS_BROKER_PORT"] = str(choose_port())
    (folder / "lead.json").write_text(json.dumps(flow("n8n", secret)), encoding="utf-8")
    for step in (("import:workflow", f"--input={folder / 'lead.json'}"), ("publish:workflow", "--id=lead")):
        command = [str(node()), script("n8n", "bin", "n8n"), *step]
        log = folder / f"{step[0].replace(':', '-')}.log"
        run(f"n8n {step[0]}", command, env=server.environment, log=log, lock=lock, timeout=START)
    server.start(script("n8n", "bin", "n8n"), "start")
    return server


def node_red(stack: ExitStack, folder: Path, secret: Mapping[str, Any], *, lock: int) -> Server:
    """Node-RED, with a journal of leads on disk. Without one it stores nothing of a message."""
    server = Server("Node-RED", "ready", "lead", stack, folder, secret["webhook_token"], lock=lock)
    nodes = flow("node-red", secret, journal=str(folder / "leads.jsonl"))
    (folder / "flows.json").write_text(json.dumps(nodes), encoding="utf-8")
    server.start(script("node-red", "red.js"), "--settings", str(HERE / "node-red-settings.js"))
    return server


def flow(system: str, secret: Mapping[str, Any], **more: str) -> Any:
    """The flow as a system imports it: webhook, validation and encryption by prepare.js, authorization, create."""
    create = f"{secret['base_url'].rstrip('/')}/create-short-deal/"
    values = {"prepare": prepare(secret), "auth_url": secret["auth_url"], "create_url": create, **more}
    text = (HERE / f"{system}.json").read_text(encoding="utf-8")
    for name, value in values.items():
        text = text.replace(f"<<{name.upper()}>>", json.dumps(value)[1:-1])
    return json.loads(text)


def prepare(secret: Mapping[str, Any]) -> str:
    """The code of the shared function, with the secret."""
    return f"const secret = {json.dumps(secret)};\n{(HERE / 'prepare.js').read_text(encoding='utf-8')}"

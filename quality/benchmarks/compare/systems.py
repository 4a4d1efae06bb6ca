"""The compared systems: leadbridge, n8n and Node-RED, with the same flow in the form of each.

n8n and Node-RED are installed from npm into .local/compare, in the versions of versions.toml.
"""

from __future__ import annotations

import json
import os
import platform
import queue
import shutil
import subprocess
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import urllib3

from devstack.clients import NOTHING_OF_THE_USERS, answers
from devstack.processes import guarded, run
from devstack.workdir import PROJECT, LocalError, choose_port, wait_until
from quality.benchmarks.shipped import CONCURRENCY, LENDER, data, parameter
from quality.benchmarks.stack import HOME, accepted, post, submission, under
from quality.testkit.lambda_runtime.cloud import SECRET, Cloud, Event
from quality.testkit.lambda_runtime.runtime import Function
from quality.testkit.lambda_runtime.workshop import Workshop

HERE = Path(__file__).parent
START = 180.0  # seconds: n8n creates its database at the first start
POST = urllib3.Timeout(connect=2, read=60)
FOLDER = PROJECT / ".local" / "compare"
VERSIONS: dict[str, str] = data("compare/versions.toml")
MACHINES = {"x86_64": "x64", "aarch64": "arm64", "arm64": "arm64"}
TOOLS = ("npm", "make", "g++")
TIMEOUT = 1800.0  # seconds for one package: n8n has some 2,000 dependencies
QUIET = ("--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")
DATABASE = "sqlite3"  # n8n's only dependency with a compiled part that the measured flow needs


class Environments:
    """Processes of one built function, each for one event at a time. As on Lambda, the last used one is next."""

    def __init__(self, name: str, count: int, stack: ExitStack, workshop: Workshop, cloud: Cloud) -> None:
        start = partial(workshop.started, name, cloud=cloud, handler="app.handler")
        self.functions = [stack.enter_context(start(logs=HOME.logs / str(number))) for number in range(count)]
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
    """receive_lead, and submit_lead as often at a time as in the template. The benchmark is what connects them."""

    name = "leadbridge"

    def __init__(self, stack: ExitStack, workshop: Workshop, cloud: Cloud, concurrency: int) -> None:
        submissions = parameter(CONCURRENCY[LENDER])
        cloud.put_secret("sources", {"web": {"secrets": [SECRET]}})
        self._receive = Environments("ReceiveLead", concurrency, stack, workshop, cloud)
        self._submit = Environments("SubmitLead", submissions, stack, workshop, cloud)
        self._workers = stack.enter_context(ThreadPoolExecutor(submissions))

    def post(self, number: int) -> None:
        lead_id = accepted(self._receive.invoke(post(number)))
        # A callback that raises is logged: its lead does not reach the partner.
        self._workers.submit(self._submit.invoke, submission(lead_id)).add_done_callback(Future.result)

    def processes(self) -> list[int]:
        """Those of the system itself: Lambda's runtime clients, without the emulator that starts them."""
        functions = [*self._receive.functions, *self._submit.functions]
        return [pid for function in functions for pid in under(function.child.guard.pid) if _is_client(pid)]


def _is_client(pid: int) -> bool:
    words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    return b"awslambdaric" in words and b"python" in Path(words[0].decode()).name.encode()


class Server:
    """A server of Node.js that servers.toml describes, with its own folder and port."""

    def __init__(self, package: str, stack: ExitStack, runs: Path, secret: Mapping[str, Any], *, lock: int) -> None:
        described, folder, port = data("compare/servers.toml")[package], runs / package, choose_port()
        ready, self._url = (f"http://127.0.0.1:{port}/{described[path]}" for path in ("ready", "webhook"))
        self.name, self._headers = (
            f"{described['name']} {VERSIONS[package]}",
            {"x-webhook-token": secret["webhook_token"]},
        )
        self._pool = urllib3.PoolManager(maxsize=32, retries=False)
        folder.mkdir(parents=True)
        (folder / described["flow"]).write_text(json.dumps(flow(package, secret, journal=str(folder / "leads.jsonl"))))
        env = {
            "PATH": os.pathsep.join([str(node().parent), "/usr/bin", "/bin"]),
            **dict.fromkeys(("HOME", "TMPDIR", "N8N_USER_FOLDER"), str(folder)),
            **dict.fromkeys(("PORT", "N8N_PORT"), str(port)),
            "N8N_RUNNERS_BROKER_PORT": str(choose_port()),
            "LANG": "C.UTF-8",
            "TZ": "UTC",
            "NODE_ENV": "production",
            **NOTHING_OF_THE_USERS,
            **described["env"],
        }
        *before, server = (
            [
                str(node()),
                str(FOLDER / package / "node_modules" / package / program),
                *(word.format(folder=folder, here=HERE) for word in arguments),
            ]
            for program, *arguments in described["commands"]
        )
        for number, command in enumerate(before):
            log = folder / f"{number}.log"
            run(f"{self.name} {command[2]}", command, env=env, log=log, lock=lock, timeout=START)
        log = folder / "server.log"
        self._child = stack.enter_context(guarded(self.name, server, env=env, log=log, lock=lock))
        otherwise = f"{self.name} was not ready in {START:g} s. See {log}."
        wait_until(lambda: self._child.runs() and answers(ready), timeout=START, otherwise=otherwise)

    def post(self, number: int) -> None:
        lead = json.loads(post(number)["body"])
        answer = self._pool.request("POST", self._url, json=lead, headers=self._headers, timeout=POST)
        if answer.status != 202:
            raise LocalError(f"{self.name} answered {answer.status} to lead {number}")

    def processes(self) -> list[int]:
        return list(under(self._child.guard.pid))


type System = Leadbridge | Server


def flow(package: str, secret: Mapping[str, Any], *, journal: str = "") -> Any:
    """The flow as a system imports it: webhook, validation and encryption by prepare.js, authorization, create."""
    create = f"{secret['base_url'].rstrip('/')}/create-short-deal/"
    values = {"prepare": prepare(secret), "auth_url": secret["auth_url"], "create_url": create, "journal": journal}
    text = (HERE / f"{package}.json").read_text(encoding="utf-8")
    for name, value in values.items():
        text = text.replace(f"<<{name.upper()}>>", json.dumps(value)[1:-1])
    return json.loads(text)


def prepare(secret: Mapping[str, Any]) -> str:
    return f"const secret = {json.dumps(secret)};\n{(HERE / 'prepare.js').read_text(encoding='utf-8')}"


def missing() -> str | None:
    """Return why nothing can be installed on this machine; None if it can."""
    if lacking := [tool for tool in TOOLS if shutil.which(tool) is None]:
        return f"{', '.join(lacking)} not found; npm installs both, and a C++ compiler builds n8n's database"
    if platform.system() != "Linux" or platform.machine() not in MACHINES:
        return "processes are measured by /proc, so this needs Linux on x86_64 or arm64"
    return None


def install() -> None:
    """Install the packages unless these versions are there, complete. Raises LocalError with npm's output."""
    stamp = FOLDER / "versions.json"
    if stamp.exists() and json.loads(stamp.read_text(encoding="utf-8")) == VERSIONS:
        return
    shutil.rmtree(FOLDER, ignore_errors=True)
    for name, version in VERSIONS.items():
        target = FOLDER / name
        target.mkdir(parents=True)
        package = node_package() if name == "node" else name
        node_command("npm", "install", "--prefix", str(target), *QUIET, f"{package}@{version}", cwd=target)
    # n8n's database is compiled by npm's node-gyp with the headers of our Node.js: nothing more is downloaded.
    npm, folder = Path(shutil.which("npm") or "").resolve().parents[1], FOLDER / "n8n" / "node_modules" / DATABASE
    builder = npm / "node_modules" / "node-gyp" / "bin" / "node-gyp.js"
    node_command(str(node()), str(builder), "rebuild", f"--nodedir={node().parents[1]}", cwd=folder)
    stamp.write_text(json.dumps(VERSIONS), encoding="utf-8")


def node_command(*command: str, cwd: Path) -> None:
    """Run a command of Node.js. Raises LocalError with its errors."""
    env = {**os.environ, "PATH": os.pathsep.join([str(node().parent), os.environ.get("PATH", "")])}
    done = subprocess.run(command, env=env, cwd=cwd, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    if done.returncode:
        raise LocalError(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")


def node() -> Path:
    return FOLDER / "node" / "node_modules" / node_package() / "bin" / "node"


def node_package() -> str:
    return f"node-linux-{MACHINES[platform.machine()]}"

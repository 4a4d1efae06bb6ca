"""What a compared system must be able to do, and the two that are one server process with helpers."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

import urllib3

from devstack.clients import NOTHING_OF_THE_USERS
from devstack.processes import Child, guarded, run
from devstack.workdir import choose_port, wait_until
from quality.benchmarks.compare import flows
from quality.benchmarks.compare.install import node, script
from quality.benchmarks.in_process import post
from quality.benchmarks.processes import under

START = 180.0  # seconds: n8n creates its database at the first start
POST = urllib3.Timeout(connect=2, read=60)
PATHS = {False: "lead", True: "lead-at-end"}
TOKEN_HEADER = "x-webhook-token"
UNUSED_MODULES = (
    "breaking-changes",
    "chat-hub",
    "community-packages",
    "insights",
    "instance-ai",
    "mcp",
    "mcp-registry",
    "otel",
    "quick-connect",
    "workflow-builder",
)


class System(Protocol):
    """A system under comparison. A lead has a number, and a phone with this number."""

    name: str
    answers: tuple[bool, ...]
    """Whether it can answer when the lead is stored (False), and when the partner has it (True)."""

    def post(self, number: int, *, at_end: bool = False) -> bool:
        """Post a lead as a form does. Returns whether the system confirmed it. It never raises for a killed system."""
        ...

    def processes(self) -> list[int]:
        """The system's own processes."""
        ...

    def kill(self) -> None:
        """End all its processes with SIGKILL."""
        ...

    def restart(self) -> None: ...

    def recover(self, numbers: Collection[int]) -> None:
        """Do what the system's surroundings do after a crash: deliver queued messages again, run schedules."""
        ...

    def kept(self, numbers: Collection[int]) -> set[int]:
        """Those of the leads that are still in the system's storage."""
        ...

    def unsettled(self, numbers: Collection[int]) -> int | None:
        """How many of the leads the system shows as not known to be delivered; None if it has no such list."""
        ...


def phone(number: int) -> str:
    """The phone of `in_process.post(number)`, as the partner wants it."""
    return f"050{number:07d}"


class Server(ABC):
    """A server of Node.js. Subclasses start it."""

    name: str
    answers: tuple[bool, ...] = (False, True)

    def __init__(self, stack: ExitStack, folder: Path, secret: Mapping[str, Any], *, lock: int) -> None:
        self.folder, self.secret, self.lock = folder, dict(secret), lock
        self.port = choose_port()
        self.child: Child | None = None
        self._stack = stack
        self._pool = urllib3.PoolManager(maxsize=32, retries=False)
        folder.mkdir(parents=True)
        self.prepare()
        self.restart()
        stack.callback(self._stop)

    @abstractmethod
    def prepare(self) -> None:
        """Write the configuration and the flow to the server's folder."""

    @abstractmethod
    def command(self) -> list[str]:
        """Return the command that starts the server."""

    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.pathsep.join([str(node().parent), "/usr/bin", "/bin"]),
            "HOME": str(self.folder),
            "TMPDIR": str(self.folder),
            "LANG": "C.UTF-8",
            "TZ": "UTC",
            "NODE_ENV": "production",
            **NOTHING_OF_THE_USERS,
        }

    @abstractmethod
    def is_ready(self) -> bool:
        """Return whether the server accepts posts."""

    def restart(self) -> None:
        self._stop()
        log = self.folder / "server.log"
        self._running = ExitStack()
        child = self._running.enter_context(
            guarded(self.name, self.command(), env=self.environment(), log=log, lock=self.lock)
        )
        self.child = child
        wait_until(
            lambda: child.runs() and self.is_ready(),
            timeout=START,
            otherwise=f"{self.name} was not ready in {START:g} s. See {log}.",
        )

    def _stop(self) -> None:
        if self.child is not None:
            self._running.close()
            self.child = None

    def post(self, number: int, *, at_end: bool = False) -> bool:
        event = post(number)
        headers = {"Content-Type": "application/json", TOKEN_HEADER: self.secret["webhook_token"]}
        try:
            answer = self._pool.request(
                "POST", self.url(PATHS[at_end]), body=event["body"].encode(), headers=headers, timeout=POST
            )
        except urllib3.exceptions.HTTPError:
            return False
        return bool(200 <= answer.status < 300)

    @abstractmethod
    def url(self, path: str) -> str:
        """Return the address of a path."""

    def status(self, path: str) -> int:
        """The status of a GET; 0 without an answer."""
        try:
            return int(
                self._pool.request("GET", f"http://127.0.0.1:{self.port}{path}", timeout=POST, redirect=False).status
            )
        except urllib3.exceptions.HTTPError:
            return 0

    def processes(self) -> list[int]:
        assert self.child is not None
        return list(under(self.child.guard.pid))

    def kill(self) -> None:
        for pid in self.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def recover(self, numbers: Collection[int]) -> None:  # noqa: B027 - a default, not an omission
        """Do nothing: a server has no surroundings."""


class N8n(Server):
    """n8n in its usual form: one process, a task runner for code, and SQLite."""

    name = "n8n"

    def prepare(self) -> None:
        self.broker = choose_port()
        for at_end, path in PATHS.items():
            file = self.folder / f"{path}.json"
            file.write_text(json.dumps(flows.n8n(path, self.secret, at_end=at_end), ensure_ascii=False))
            self._run("import:workflow", f"--input={file}")
            self._run("publish:workflow", f"--id={path}")

    def _run(self, *arguments: str) -> None:
        command = [str(node()), script("n8n", "bin", "n8n"), *arguments]
        log = self.folder / f"{arguments[0].replace(':', '-')}.log"
        run(f"n8n {arguments[0]}", command, env=self.environment(), log=log, lock=self.lock, timeout=START)

    def command(self) -> list[str]:
        return [str(node()), script("n8n", "bin", "n8n"), "start"]

    def environment(self) -> dict[str, str]:
        return super().environment() | {
            "N8N_USER_FOLDER": str(self.folder),
            "N8N_ENCRYPTION_KEY": "a key of the benchmark alone",
            "N8N_PORT": str(self.port),
            "N8N_LISTEN_ADDRESS": "127.0.0.1",
            "N8N_RUNNERS_BROKER_PORT": str(self.broker),
            "N8N_RUNNERS_BROKER_LISTEN_ADDRESS": "127.0.0.1",
            "NODE_FUNCTION_ALLOW_BUILTIN": "crypto",
            # What happens to each lead is stored, as for a flow that must not lose any.
            "EXECUTIONS_DATA_SAVE_ON_SUCCESS": "all",
            "EXECUTIONS_DATA_SAVE_ON_ERROR": "all",
            "N8N_LOG_LEVEL": "warn",
            # No connections to anywhere else, and nothing that the flow does not use.
            "N8N_DISABLED_MODULES": ",".join(UNUSED_MODULES),
            "N8N_DIAGNOSTICS_ENABLED": "false",
            "N8N_VERSION_NOTIFICATIONS_ENABLED": "false",
            "N8N_DYNAMIC_BANNERS_ENABLED": "false",
            "N8N_TEMPLATES_ENABLED": "false",
            "N8N_HIRING_BANNER_ENABLED": "false",
            "N8N_PERSONALIZATION_ENABLED": "false",
            "N8N_LICENSE_AUTO_RENEW_ENABLED": "false",
            "N8N_COMMUNITY_PACKAGES_ENABLED": "false",
            "N8N_PUBLIC_API_DISABLED": "true",
            "N8N_DISABLE_UI": "true",
            "EXTERNAL_FRONTEND_HOOKS_URLS": "",
            "N8N_DIAGNOSTICS_CONFIG_FRONTEND": "",
            "N8N_DIAGNOSTICS_CONFIG_BACKEND": "",
        }

    def is_ready(self) -> bool:
        return self.status("/healthz/readiness") == 200

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}/webhook/{path}"

    def kept(self, numbers: Collection[int]) -> set[int]:
        with self._database() as database:
            stored = "\n".join(row[0] for row in database.execute("SELECT data FROM execution_data"))
        return {number for number in numbers if phone(number) in stored}

    def unsettled(self, numbers: Collection[int]) -> int | None:
        """Executions of these leads without a success. n8n does not show whether the partner was called."""
        query = (
            "SELECT data FROM execution_data JOIN execution_entity ON id = executionId WHERE status NOT IN ('success')"
        )
        with self._database() as database:
            stored = [row[0] for row in database.execute(query)]
        return sum(any(phone(number) in data for number in numbers) for data in stored)

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        database = sqlite3.connect(self.folder / ".n8n" / "database.sqlite", timeout=30)
        try:
            yield database
        finally:
            database.close()


class NodeRed(Server):
    """Node-RED, with a journal of leads on disk. Without one it stores nothing of a message."""

    name = "Node-RED"

    def prepare(self) -> None:
        self.journal = self.folder / "leads.jsonl"
        nodes = [
            one
            for at_end, path in PATHS.items()
            for one in flows.node_red(path, self.secret, at_end=at_end, journal=str(self.journal))
        ]
        (self.folder / "flows.json").write_text(json.dumps(nodes, ensure_ascii=False))
        (self.folder / "settings.js").write_text(flows.node_red_settings(self.folder, self.port))

    def command(self) -> list[str]:
        return [str(node()), script("node-red", "red.js"), "--settings", str(self.folder / "settings.js")]

    def is_ready(self) -> bool:
        return self.status("/ready") == 200

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}/{path}"

    def kept(self, numbers: Collection[int]) -> set[int]:
        stored = self.journal.read_text(encoding="utf-8") if self.journal.exists() else ""
        return {number for number in numbers if phone(number) in stored}

    def unsettled(self, numbers: Collection[int]) -> int | None:  # noqa: ARG002 - one signature
        return None

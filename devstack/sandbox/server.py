"""Running the sandbox: in an event loop, or in a thread for tests."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from devstack.sandbox.application import SECRETS_FILE, SandboxApp, Settings
from devstack.sandbox.partner import Clock
from devstack.sandbox.state_dir import claimed

DEFAULT_PACE = 5.0
GRACE_SECONDS = 0.2
"""How long calls in flight may take to end at shutdown; what is delayed longer is dropped."""

BURST = 1024
"""Connections the kernel holds for us while we are busy."""

START_SECONDS = 10
STOP_SECONDS = 5


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[str]:
    """Serve while the block runs. Yields the URL when the server answers and `secrets.json` is written."""
    with claimed(settings.state_dir), _listening(settings.host, settings.port) as listener:
        frame = SandboxApp(settings)
        frame.publish(_url(listener))
        runner = web.AppRunner(frame.application(), access_log=None, shutdown_timeout=GRACE_SECONDS)
        await runner.setup()
        try:
            await web.SockSite(runner, listener).start()
            yield frame.url
        finally:
            await runner.cleanup()


class Sandbox:
    """A sandbox in a background thread with its own event loop.

        with Sandbox(state_dir=directory) as sandbox:
            sandbox.url, sandbox.secrets()["leeloo"]

    `pace` is in seconds per step of a status; `clock` gives seconds since the epoch, for tests that move time.
    `further` are partners beside the one of each kind, by name: `{"broker-b": {"kind": "…"}}`.
    """

    def __init__(
        self,
        state_dir: Path | str,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        pace: float = DEFAULT_PACE,
        clock: Clock = time.time,
        further: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self._settings = Settings(Path(state_dir), host, port, pace, clock, further or {})
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="sandbox")
        self._ready: Future[str] = Future()
        self._stop: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._run: Future[None] | None = None
        self.url = ""

    def __enter__(self) -> Self:
        self._run = self._executor.submit(lambda: asyncio.run(self._main()))
        either: list[Future[Any]] = [self._ready, self._run]
        wait(either, timeout=START_SECONDS, return_when=FIRST_COMPLETED)
        if self._run.done():
            self._executor.shutdown()
            self._run.result()
        self.url = self._ready.result(timeout=0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._loop is None or self._stop is None or self._run is None:
            return
        self._loop.call_soon_threadsafe(self._stop.set)
        try:
            self._run.result(timeout=STOP_SECONDS)
        finally:
            self._executor.shutdown(wait=False)

    def secrets(self) -> dict[str, dict[str, Any]]:
        """The present `secrets.json`: the secret of each partner's client."""
        secrets: dict[str, dict[str, Any]] = json.loads((self._settings.state_dir / SECRETS_FILE).read_bytes())
        return secrets

    async def _main(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        async with serving(self._settings) as url:
            self._ready.set_result(url)
            await self._stop.wait()


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BURST)


def _url(listener: socket.socket) -> str:
    host, port, *_ = listener.getsockname()
    match host:
        case "0.0.0.0":
            host = "127.0.0.1"
        case "::":
            host = "::1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

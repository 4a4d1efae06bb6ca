"""Running the sandbox: in an event loop, or in a thread for tests."""

import json
import socket
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Self

from aiohttp import web
from anyio.from_thread import start_blocking_portal

from devstack.sandbox.application import SECRETS_FILE, SandboxApp, Settings
from devstack.sandbox.credentials import claimed
from devstack.sandbox.partner import Clock

DEFAULT_PACE = 5.0
GRACE_SECONDS = 0.2  # how long calls in flight may take to end at shutdown; what is delayed longer is dropped
BURST = 1024  # connections the kernel holds for us while we are busy


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[str]:
    """Serve while the block runs. Yields the URL when the server answers and `secrets.json` is written."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with (
        claimed(settings.state_dir),
        socket.create_server((settings.host, settings.port), family=family, backlog=BURST) as listener,
    ):
        url, frame = _url(listener), SandboxApp(settings)
        frame.publish(url)
        runner = web.AppRunner(frame.application(), access_log=None, shutdown_timeout=GRACE_SECONDS)
        await runner.setup()
        try:
            await web.SockSite(runner, listener).start()
            yield url
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
        self._running = ExitStack()
        self.url = ""

    def __enter__(self) -> Self:
        with ExitStack() as starting:
            portal = starting.enter_context(start_blocking_portal())
            self.url = starting.enter_context(portal.wrap_async_context_manager(serving(self._settings)))
            self._running = starting.pop_all()
        return self

    def __exit__(self, *_error: object) -> None:
        self._running.close()

    def secrets(self) -> dict[str, dict[str, Any]]:
        """The present `secrets.json`: the secret of each partner's client."""
        secrets: dict[str, dict[str, Any]] = json.loads((self._settings.state_dir / SECRETS_FILE).read_bytes())
        return secrets


def _url(listener: socket.socket) -> str:
    """The listener's URL, of the loopback interface if it listens on all."""
    host, port, *_ = listener.getsockname()
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

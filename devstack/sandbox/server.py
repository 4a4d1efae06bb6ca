"""The sandbox: partners, call log, faults and control as one server, in an event loop, or in a thread for tests."""

import json
import re
import socket
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from importlib import import_module
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Any, Self

from aiohttp import web
from anyio.from_thread import start_blocking_portal
from pydantic import Field

from devstack.sandbox.calls import CallLog, Dispatcher
from devstack.sandbox.control import Control
from devstack.sandbox.credentials import claimed, write_private
from devstack.sandbox.faults import FaultOrder, Faults
from devstack.sandbox.partner import Clock, Context, Pace, Partner

MAX_BODY_BYTES = 64 * 1024
SECRETS_FILE = "secrets.json"
NAME = re.compile("[a-z0-9][a-z0-9-]{0,63}")

MAX_PACE = 10**9
HOST = "127.0.0.1"
DEFAULT_PACE = 5.0
GRACE_SECONDS = 0.2  # how long calls in flight may take to end at shutdown; what is delayed longer is dropped
BURST = 1024  # connections the kernel holds for us while we are busy

type Seconds = Annotated[float, Field(ge=0, le=MAX_PACE)]


@dataclass(frozen=True, slots=True)
class Settings:
    """`port` 0 is any free port; `pace` is in seconds.

    There is one partner of each kind with the kind's name. `further` are others by name, each with its `kind` and what
    it does differently.
    """

    state_dir: Path
    port: int
    pace: float
    clock: Clock
    further: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 <= self.pace <= MAX_PACE:
            raise ValueError(f"pace: 0 to {MAX_PACE} seconds")


def partner_classes() -> list[type[Partner]]:
    """The partners: every folder here whose `service.py` defines `SERVICE`."""
    names = sorted(module.parent.name for module in Path(__file__).parent.glob("*/service.py"))
    return [import_module(f"devstack.sandbox.{name}.service").SERVICE for name in names]


class SandboxApp:
    """One sandbox. Call `publish` with its URL before it serves."""

    def __init__(self, settings: Settings) -> None:
        self._secrets_file = settings.state_dir / SECRETS_FILE
        self._pace = Pace(settings.pace)
        self._partners = dict(self._made(settings))
        self._log = CallLog(settings.clock)
        self._faults = Faults()
        self._url = ""

    def _made(self, settings: Settings) -> Iterator[tuple[str, Partner]]:
        """Yield every partner by its name. Raises ValueError for a further partner that cannot be made."""
        kinds = {partner.kind: partner for partner in partner_classes()}
        wanted = {kind: {"kind": kind} for kind in kinds} | {name: dict(one) for name, one in settings.further.items()}
        for name, different in wanted.items():
            kind = different.pop("kind", None)
            if kind not in kinds or not NAME.fullmatch(name):
                raise ValueError(f"{name}: give it a name of letters, digits and '-', and a kind of {', '.join(kinds)}")
            file = settings.state_dir / f"{name}.json"
            yield name, kinds[kind](Context(name, file, settings.clock, self._pace, different))

    def publish(self, url: str) -> None:
        self._url = url
        self._write_secrets()

    def application(self) -> web.Application:
        application = web.Application(client_max_size=MAX_BODY_BYTES)
        router = application.router
        application.add_routes(control.route("/control") for control in self._controls())
        dispatcher = Dispatcher(self._log, self._faults)
        for name, partner in self._partners.items():
            for path, endpoints in groupby(sorted(partner.endpoints(), key=attrgetter("path")), attrgetter("path")):
                router.add_route("*", f"/{name}{path}", dispatcher.handler(partner, list(endpoints)))
            router.add_route("*", f"/{name}/{{unknown:.*}}", dispatcher.handler(partner, []))
            application.add_routes(control.route(f"/control/{name}") for control in partner.controls())
        return application

    def _controls(self) -> list[Control]:
        armed = self._faults.armed
        return [
            Control("POST", "/faults", self._arm, 201),
            Control("GET", "/faults", lambda: {"faults": [one.as_json() for one in armed.values()]}),
            Control("DELETE", "/faults", self._clear_faults),
            Control("DELETE", "/faults/{fault_id}", self._disarm),
            Control("GET", "/calls", self._calls),
            Control("GET", "/pace", lambda: {"seconds": self._pace.seconds}),
            Control("POST", "/pace", self._set_pace),
            Control("POST", "/reset", self._reset),
            Control("POST", "/{partner}/rotate", self._rotate),
        ]

    def _arm(self, **order: Any) -> dict[str, Any]:
        wanted = FaultOrder(**order)
        operations = {endpoint.operation for endpoint in self._partner(wanted.partner).endpoints()}
        if wanted.operation not in {None, *operations}:
            raise ValueError(f"operation: one of {', '.join(sorted(operations))}")
        return self._faults.arm(wanted).as_json()

    def _clear_faults(self) -> None:
        self._faults.armed.clear()

    def _disarm(self, fault_id: str) -> None:
        del self._faults.armed[fault_id]

    def _calls(self, partner: str | None = None, operation: str | None = None, since: int = 0) -> dict[str, Any]:
        return {"calls": [call.as_json() for call in self._log.select(partner, operation, since)]}

    def _set_pace(self, seconds: Seconds) -> dict[str, Any]:
        for partner in self._partners.values():
            partner.advance()
        self._pace.seconds = seconds
        return {"seconds": seconds}

    def _reset(self) -> None:
        for partner in self._partners.values():
            partner.reset()
        self._clear_faults()
        self._log.clear()

    def _rotate(self, partner: str, what: str | None = None) -> dict[str, Any]:
        found = self._partner(partner)
        if what not in {None, *found.rotations} or not found.rotations:
            raise ValueError(f"what: one of {', '.join(sorted(found.rotations))}")
        found.rotate(what or found.rotations[0])
        return self._write_secrets()[partner]

    def _partner(self, name: str) -> Partner:
        if name not in self._partners:
            raise ValueError(f"partner: one of {', '.join(sorted(self._partners))}")
        return self._partners[name]

    def _write_secrets(self) -> dict[str, dict[str, Any]]:
        secrets = {name: partner.secret(f"{self._url}/{name}") for name, partner in self._partners.items()}
        write_private(self._secrets_file, secrets)
        return secrets


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[str]:
    """Serve while the block runs. Yields the URL when the server answers and `secrets.json` is written."""
    with claimed(settings.state_dir), socket.create_server((HOST, settings.port), backlog=BURST) as listener:
        url, frame = f"http://{HOST}:{listener.getsockname()[1]}", SandboxApp(settings)
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
        port: int = 0,
        pace: float = DEFAULT_PACE,
        clock: Clock = time.time,
        further: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self._settings = Settings(Path(state_dir), port, pace, clock, further or {})
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
        secrets: dict[str, dict[str, Any]] = json.loads((self._settings.state_dir / SECRETS_FILE).read_bytes())
        return secrets

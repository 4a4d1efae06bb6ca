"""The sandbox: partners, calls, faults and control as one server in a background thread."""

import fcntl
import json
import re
import socket
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import KW_ONLY, dataclass, field
from functools import partial
from importlib import import_module
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Any, Self

from aiohttp import web
from aiohttp.typedefs import Handler
from anyio.from_thread import start_blocking_portal
from pydantic import Field, ValidationError, validate_call

from devstack.sandbox.calls import Dispatcher
from devstack.sandbox.faults import MAX_ARMED, ArmedFault, FaultOrder
from devstack.sandbox.partner import Clock, Context, Controls, Partner, dump_json, write_private

MAX_BODY_BYTES = 64 * 1024
SECRETS_FILE = "secrets.json"
NAME = re.compile("[a-z0-9][a-z0-9-]{0,63}")
HOST = "127.0.0.1"
DEFAULT_PACE = 5.0
MAX_PACE = 10**9
GRACE_SECONDS = 0.2  # how long calls in flight may take to end at shutdown; what is delayed longer is dropped
BURST = 1024  # connections the kernel holds for us while we are busy


def partner_classes() -> dict[str, type[Partner]]:
    """The partners by kind: every folder here with a `service.py`, which defines a subclass of `Partner`."""
    for file in Path(__file__).parent.glob("*/service.py"):
        import_module(f"devstack.sandbox.{file.parent.name}.service")
    found = sorted(Partner.__subclasses__(), key=attrgetter("__module__"))
    return {one.__module__.split(".")[-2]: one for one in found}


@dataclass(eq=False)
class Sandbox:
    """A sandbox in a background thread with its own event loop.

        with Sandbox(directory) as sandbox:
            sandbox.url, sandbox.secrets()["leeloo"]

    `port` 0 is any free port. `pace` is in seconds per step of a status. `clock` gives seconds since the epoch, for
    tests that move time. There is one partner of each kind with the kind's name; `further` are others by name, each
    with its `kind` and what it does differently.
    """

    state_dir: Path | str
    _: KW_ONLY
    port: int = 0
    pace: float = DEFAULT_PACE
    clock: Clock = time.time
    further: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    url: str = field(default="", init=False)

    def __post_init__(self) -> None:
        if not 0 <= self.pace <= MAX_PACE:
            raise ValueError(f"pace: 0 to {MAX_PACE} seconds")
        self._dispatcher = Dispatcher(self.clock)
        self._partners: dict[str, Partner] = {}
        self._running = ExitStack()

    def __enter__(self) -> Self:
        lock = Path(self.state_dir, "lock")
        lock.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock.touch(mode=0o600)
        with ExitStack() as starting:
            try:
                fcntl.flock(starting.enter_context(lock.open()), fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise BlockingIOError(f"another sandbox runs on {self.state_dir}") from error
            portal = starting.enter_context(start_blocking_portal())
            starting.enter_context(portal.wrap_async_context_manager(self._serving()))
            self._running = starting.pop_all()
        return self

    def __exit__(self, *_error: object) -> None:
        self._running.close()

    def secrets(self) -> dict[str, dict[str, Any]]:
        return {name: partner.secret(f"{self.url}/{name}") for name, partner in self._partners.items()}

    # In the event loop

    @asynccontextmanager
    async def _serving(self) -> AsyncIterator[None]:
        with socket.create_server((HOST, self.port), backlog=BURST) as listener:
            self.url = f"http://{HOST}:{listener.getsockname()[1]}"
            self._make_partners()
            write_private(Path(self.state_dir, SECRETS_FILE), self.secrets())
            runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=GRACE_SECONDS)
            await runner.setup()
            try:
                await web.SockSite(runner, listener).start()
                yield
            finally:
                await runner.cleanup()

    def _make_partners(self) -> None:
        """Raises ValueError for a further partner that cannot be made."""
        kinds = partner_classes()
        for name, settings in ({kind: {"kind": kind} for kind in kinds} | dict(self.further)).items():
            different = dict(settings)
            kind = different.pop("kind", "")
            if kind not in kinds or not NAME.fullmatch(name):
                raise ValueError(f"{name}: give it a name of letters, digits and '-', and a kind of {', '.join(kinds)}")
            file = Path(self.state_dir, f"{name}.json")
            self._partners[name] = kinds[kind](Context(name, file, self.clock, lambda: self.pace, different))

    def _application(self) -> web.Application:
        application = web.Application(client_max_size=MAX_BODY_BYTES)
        router = application.router
        controls = {"": self._controls()} | {f"/{name}": one.controls() for name, one in self._partners.items()}
        for prefix, calls in controls.items():
            for route, call in calls.items():
                method, path = route.split()
                router.add_route(method, f"/control{prefix}{path}", _control(validate_call(call)))
        for name, partner in self._partners.items():
            for path, endpoints in groupby(sorted(partner.endpoints(), key=attrgetter("path")), attrgetter("path")):
                router.add_route("*", f"/{name}{path}", partial(self._dispatcher.handle, partner, list(endpoints)))
            router.add_route("*", f"/{name}/{{unknown:.*}}", partial(self._dispatcher.handle, partner, []))
        return application

    def _controls(self) -> Controls:
        return {
            "POST /faults": self._arm,
            "GET /faults": lambda: {"faults": [one.model_dump() for one in self._dispatcher.faults.values()]},
            "DELETE /faults": self._disarm,
            "DELETE /faults/{fault_id}": self._disarm,
            "GET /calls": self._calls,
            "POST /pace": self._set_pace,
            "POST /reset": self._reset,
            "POST /{partner}/rotate": self._rotate,
        }

    def _arm(self, **order: Any) -> dict[str, Any]:
        armed, faults = ArmedFault(**dict(FaultOrder(**order))), self._dispatcher.faults
        _check("partner", armed.partner, self._partners)
        _check("operation", armed.operation, {one.operation for one in self._partners[armed.partner].endpoints()})
        if len(faults) >= MAX_ARMED:
            raise ValueError(f"{MAX_ARMED} faults are armed: clear some")
        faults[armed.id] = armed
        return armed.model_dump()

    def _disarm(self, fault_id: str | None = None) -> None:
        if fault_id is None:
            self._dispatcher.faults.clear()
        else:
            del self._dispatcher.faults[fault_id]

    def _calls(self, partner: str | None = None, operation: str | None = None, since: int = 0) -> dict[str, Any]:
        found = [call for call in self._dispatcher.calls if call.number > since and partner in {None, call.partner}]
        return {"calls": [call.as_json() for call in found if operation in {None, call.operation}]}

    def _set_pace(self, seconds: Annotated[float, Field(ge=0, le=MAX_PACE)]) -> None:
        for partner in self._partners.values():
            partner.advance()
        self.pace = seconds

    def _reset(self) -> None:
        for partner in self._partners.values():
            partner.reset()
        self._disarm()
        self._dispatcher.calls.clear()

    def _rotate(self, partner: str, what: str | None = None) -> dict[str, Any]:
        _check("partner", partner, [name for name, one in self._partners.items() if one.rotations])
        found = self._partners[partner]
        _check("what", what, found.rotations)
        found.rotate(what or found.rotations[0])
        write_private(Path(self.state_dir, SECRETS_FILE), self.secrets())
        return self.secrets()[partner]


def _check(field: str, value: str | None, possible: Collection[str]) -> None:
    if value not in {None, *possible}:
        raise ValueError(f"{field}: one of {', '.join(sorted(possible))}")


def _control(call: Callable[..., Any]) -> Handler:
    async def handle(request: web.Request) -> web.Response:
        try:
            body = json.loads(await request.read() or b"{}")
            if not isinstance(body, dict):
                raise ValueError("the body: a JSON object")
            answer = call(**{**request.query, **body, **request.match_info})
        except ValidationError as error:
            wrong = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors(include_url=False)]
            return web.json_response({"detail": "; ".join(wrong)}, status=400)
        except (OverflowError, ValueError) as error:
            return web.json_response({"detail": str(error)}, status=400)
        except LookupError as error:
            return web.json_response({"detail": f"not found: {error}"}, status=404)
        return web.Response(status=204) if answer is None else web.json_response(body=dump_json(answer))

    return handle

"""Partners, call log, faults and control as one aiohttp application."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from aiohttp import web

from devstack.sandbox import strict_json
from devstack.sandbox.calls import CallLog
from devstack.sandbox.control import Control
from devstack.sandbox.dispatcher import Dispatcher
from devstack.sandbox.faults import Faults
from devstack.sandbox.partner import Clock, Context, Endpoint, Pace, Partner
from devstack.sandbox.state_dir import write_private

MAX_BODY_BYTES = 64 * 1024
SECRETS_FILE = "secrets.json"
NAME = re.compile("[a-z0-9][a-z0-9-]{0,63}")


@dataclass(frozen=True, slots=True)
class Settings:
    """`port` 0 is any free port; `pace` is in seconds.

    There is one partner of each kind with the kind's name. `further` are others by name, each with its `kind` and what
    it does differently.
    """

    state_dir: Path
    host: str
    port: int
    pace: float
    clock: Clock
    further: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


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
        self.url = ""

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
        """Write the secrets that contain this URL."""
        self.url = url
        self._write_secrets()

    def application(self) -> web.Application:
        application = web.Application(client_max_size=MAX_BODY_BYTES)
        router = application.router
        application.add_routes(Control(self._partners, self._log, self._faults, self._pace, self._rotate).routes())
        dispatcher = Dispatcher(self._log, self._faults)
        for partner in self._partners.values():
            for path, endpoints in _by_path(partner.endpoints()).items():
                router.add_route("*", f"/{partner.name}{path}", dispatcher.handler(partner, endpoints))
            router.add_route("*", f"/{partner.name}/{{unknown:.*}}", dispatcher.handler(partner, {}))
            for route in partner.controls():
                if isinstance(route.handler, type):
                    raise TypeError(f"{route.path}: class-based views are not supported")
                router.add_route(route.method, f"/control/{partner.name}{route.path}", route.handler)
        return application

    def _rotate(self, name: str, what: str) -> dict[str, Any]:
        self._partners[name].rotations[what]()
        return self._write_secrets()[name]

    def _write_secrets(self) -> dict[str, dict[str, Any]]:
        secrets = {name: partner.secret(f"{self.url}/{name}") for name, partner in self._partners.items()}
        write_private(self._secrets_file, strict_json.dump(secrets))
        return secrets


def _by_path(endpoints: Iterable[Endpoint]) -> dict[str, dict[str, Endpoint]]:
    paths: dict[str, dict[str, Endpoint]] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {}).update(dict.fromkeys(endpoint.methods, endpoint))
    return paths

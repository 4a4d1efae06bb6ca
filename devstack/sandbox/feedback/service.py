"""A tracker as a partner of the sandbox: one endpoint for postbacks, and the list of those that it accepted."""

from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from devstack.sandbox.calls import rfc3339
from devstack.sandbox.orders import get
from devstack.sandbox.partner import Answer, Context, Endpoint, Incoming, Operation
from devstack.sandbox.rows import Rows

MACROS = {name: f"{{{name}}}" for name in ("click_id", "status", "event_id", "payout", "lead_id")}
TRACKER = "tracker"  # its name in the configuration


class Tracker:
    """The tracker's side. It counts how often each event came and keeps the first content."""

    kind = "feedback"
    operations = frozenset({"postback"})

    def __init__(self, context: Context) -> None:
        self.name = context.name
        self._clock = context.clock
        self._events = Rows[str, dict[str, Any]]()
        self.rotations: Mapping[str, Callable[[], None]] = {"url": lambda: None}  # the address has no secret part

    def endpoints(self) -> list[Endpoint]:
        return [Endpoint(("GET",), "/postback", Operation("postback", self._accept, _describe))]

    def controls(self) -> list[web.RouteDef]:
        return [get("/postbacks", lambda _: {"postbacks": list(self._events)})]

    def secret(self, root: str) -> dict[str, Any]:
        query = "&".join(f"{name}={macro}" for name, macro in MACROS.items())
        return {TRACKER: {"url": f"{root}/postback?{query}", "allow_loopback": True}}

    def refused(self, status: int, detail: str) -> Answer:
        return Answer(status, detail.encode(), "text/plain")

    def advance(self) -> None:
        """Nothing changes automatically."""

    def reset(self) -> None:
        self._events.clear()

    def _accept(self, incoming: Incoming) -> Answer:
        about = _describe(incoming)
        event_id = about["event_id"]
        if not event_id:
            return self.refused(400, "event_id is missing")
        known = self._events.get(event_id)
        if known is None:
            self._events.add(event_id, {**about, "at": rfc3339(self._clock()), "received": 1})
        else:
            known["received"] += 1
        return Answer(200, b"OK", "text/plain")


def _describe(incoming: Incoming) -> dict[str, Any]:
    return {name: incoming.query.get(name, "") for name in MACROS}


SERVICE = Tracker

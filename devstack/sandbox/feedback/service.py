"""A tracker as a partner of the sandbox: one endpoint for postbacks, and the list of those that it accepted."""

from typing import Any

from devstack.sandbox.partner import Answer, Context, Controls, Endpoint, Incoming, Partner, Rows, rfc3339

FIELDS = ("click_id", "status", "event_id", "payout", "lead_id")


class Tracker(Partner):
    """The tracker's side. It counts how often each event came and keeps the first content."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.reset()

    def reset(self) -> None:
        self._events = Rows[str, dict[str, Any]]()

    def endpoints(self) -> list[Endpoint]:
        return [Endpoint("postback", "GET", "/postback", self._accept, _describe)]

    def controls(self) -> Controls:
        return {"GET /postbacks": lambda: {"postbacks": list(self._events.values())}}

    def secret(self, root: str) -> dict[str, Any]:
        query = "&".join(f"{name}={{{name}}}" for name in FIELDS)
        return {"tracker": {"url": f"{root}/postback?{query}", "allow_loopback": True}}

    def refused(self, status: int, detail: str) -> Answer:
        return Answer(status, detail.encode(), "text/plain")

    def _accept(self, incoming: Incoming) -> Answer:
        about = _describe(incoming)
        event_id = about["event_id"]
        if not event_id:
            return self.refused(400, "event_id is missing")
        if event_id not in self._events:
            self._events.add(event_id, {**about, "at": rfc3339(self.clock()), "received": 0})
        self._events[event_id]["received"] += 1
        return Answer(200, b"OK", "text/plain")


def _describe(incoming: Incoming) -> dict[str, Any]:
    return {name: incoming.query.get(name, "") for name in FIELDS}

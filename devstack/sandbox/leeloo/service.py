"""Leeloo as a partner of the sandbox: its endpoints and its secret."""

from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from devstack.sandbox.credentials import StoredCredentials, same
from devstack.sandbox.leeloo.controls import Controls
from devstack.sandbox.leeloo.credentials import Credentials
from devstack.sandbox.leeloo.endpoints.messaging import Messaging, text_sha256
from devstack.sandbox.leeloo.endpoints.people import People
from devstack.sandbox.leeloo.endpoints.selling import Selling
from devstack.sandbox.leeloo.limit import OFF, RateLimit
from devstack.sandbox.leeloo.refusals import Code, Refusal, Wrong, too_many_requests
from devstack.sandbox.leeloo.requests import Route, body_of
from devstack.sandbox.leeloo.state import State
from devstack.sandbox.partner import Answer, Context, Endpoint, Incoming, Operation

BASE = "/api/v2"
TOKEN_HEADER = "X-Leeloo-AuthToken"
LOGGED_IDS = ("account_id", "person_id", "order_id", "template_id")
CODES = {404: Code.NOT_FOUND, 405: Code.METHOD_NOT_ALLOWED, 413: Code.TOO_LARGE}


class Leeloo:
    """The platform's side of the contract, for one company."""

    kind = "leeloo"

    def __init__(self, context: Context) -> None:
        self.name = context.name
        self._credentials = StoredCredentials(Credentials, context.credentials_file)
        self._state = State(context.clock)
        self._limit = RateLimit(context.clock)
        parts = (Messaging(self._state), People(self._state), Selling(self._state))
        self._routes = [route for part in parts for route in part.routes()]
        self.operations = frozenset(route.operation for route in self._routes)
        self.rotations: Mapping[str, Callable[[], None]] = {
            "token": lambda: self._credentials.rotate("token"),
            "webhook_token": lambda: self._credentials.rotate("webhook_token"),
        }

    def endpoints(self) -> list[Endpoint]:
        return [self._endpoint(route) for route in self._routes]

    def controls(self) -> list[web.RouteDef]:
        return Controls(self._state, self._limit).routes()

    def secret(self, root: str) -> dict[str, str]:
        credentials = self._credentials.values
        return {
            "base_url": f"{root}{BASE}",
            "token": credentials.token,
            "webhook_token": credentials.webhook_token,
        }

    def refused(self, status: int, detail: str) -> Answer:  # noqa: ARG002
        return too_many_requests() if status == 429 else Refusal(status, {}, CODES[status]).answer()

    def advance(self) -> None:
        """Nothing changes automatically."""

    def reset(self) -> None:
        self._state.clear()
        self._limit.set(OFF)

    def _endpoint(self, route: Route) -> Endpoint:
        operation = Operation(
            route.operation,
            lambda incoming: self._process(route, incoming),
            lambda incoming: _describe(route, incoming),
        )
        return Endpoint((route.method,), f"{BASE}{route.path}", operation)

    def _process(self, route: Route, incoming: Incoming) -> Answer:
        """Check in this order: rate limit, token, form, and whether the ids exist."""
        limited = self._limit.refusal()
        if limited is not None:
            return limited
        try:
            self._authenticate(incoming)
            return route.answer(route.asked(incoming))
        except Refusal as refusal:
            return refusal.answer()

    def _authenticate(self, incoming: Incoming) -> None:
        token = incoming.headers.get(TOKEN_HEADER, "")
        if not token:
            raise Refusal(401, {"authToken": Wrong.REQUIRED})
        if not same(token, self._credentials.values.token):
            raise Refusal(401, {"authToken": Wrong.NOT_ALLOWED}, Code.ACCESS_DENIED)


SERVICE = Leeloo


def _describe(route: Route, incoming: Incoming) -> dict[str, Any]:
    """The ids in a call, its query and its body as sent, never the token."""
    try:
        body = None if route.body is None else body_of(incoming, forms=route.forms)
    except Refusal:
        body = None
    given = {**(body or {}), **incoming.params}
    facts: dict[str, Any] = {name: given[name] for name in LOGGED_IDS if name in given}
    written = given.get("text")
    if isinstance(written, str):
        facts |= {"text": written, "text_sha256": text_sha256(written)}
    return {**facts, "query": list(incoming.query.items()), "body": body}

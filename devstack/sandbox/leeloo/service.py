"""Leeloo as a partner of the sandbox: its endpoints and its secret."""

import secrets
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from devstack.sandbox.control import Control
from devstack.sandbox.credentials import StoredCredentials, same
from devstack.sandbox.leeloo.controls import Controls, RateLimit
from devstack.sandbox.leeloo.messaging import text_sha256
from devstack.sandbox.leeloo.requests import NOT_ALLOWED, NOT_FOUND, REQUIRED, Route, refusal, too_many_requests
from devstack.sandbox.leeloo.routes import ROUTES
from devstack.sandbox.leeloo.state import State
from devstack.sandbox.partner import Answer, Context, Endpoint, Incoming, Partner, Refusal

BASE = "/api/v2"
TOKEN_HEADER = "X-Leeloo-AuthToken"
LOGGED_IDS = ("account_id", "person_id", "order_id", "template_id")
CODES = {404: NOT_FOUND, 405: "METHOD_NOT_ALLOWED", 413: "TOO_LARGE"}


@dataclass(frozen=True, slots=True)
class Credentials:
    """The token of Leeloo's one client, and the token in the address of its webhooks."""

    token: str = field(default_factory=partial(secrets.token_urlsafe, 32))
    webhook_token: str = field(default_factory=partial(secrets.token_urlsafe, 32))


class Leeloo(Partner):
    """The platform's side of the contract, for one company."""

    kind = "leeloo"
    rotations = ("token", "webhook_token")

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._credentials = StoredCredentials(Credentials, context.credentials_file)
        self._state = State(context.clock)
        self._limit = RateLimit(context.clock)

    def endpoints(self) -> list[Endpoint]:
        return [
            Endpoint(
                route.operation,
                route.method,
                BASE + route.path,
                partial(self._process, route),
                partial(_describe, route),
            )
            for route in ROUTES
        ]

    def controls(self) -> list[Control]:
        return Controls(self._state, self._limit).routes()

    def secret(self, root: str) -> dict[str, str]:
        credentials = self._credentials.values
        return {
            "base_url": f"{root}{BASE}",
            "token": credentials.token,
            "webhook_token": credentials.webhook_token,
        }

    def rotate(self, what: str) -> None:
        self._credentials.rotate(what)

    def refused(self, status: int, detail: str) -> Answer:  # noqa: ARG002
        return too_many_requests() if status == 429 else refusal(status, {}, CODES[status]).answer

    def reset(self) -> None:
        self._state.clear()
        self._limit.set(None)

    def _process(self, route: Route, incoming: Incoming) -> Answer:
        """Check in this order: rate limit, token, form, and whether the ids exist."""
        limited = self._limit.refusal()
        if limited is not None:
            return limited
        token = incoming.headers.get(TOKEN_HEADER, "")
        if not token:
            raise refusal(401, {"authToken": REQUIRED})
        if not same(token, self._credentials.values.token):
            raise refusal(401, {"authToken": NOT_ALLOWED}, "ACCESS_DENIED")
        return route.answer(self._state, route.given(incoming))


SERVICE = Leeloo


def _describe(route: Route, incoming: Incoming) -> dict[str, Any]:
    """The ids in a call, its query and its body as sent, never the token."""
    try:
        body = None if route.method == "GET" else route.fields(incoming)
    except Refusal:
        body = None
    given = {**(body or {}), **incoming.params}
    facts: dict[str, Any] = {name: given[name] for name in LOGGED_IDS if name in given}
    written = given.get("text")
    if isinstance(written, str):
        facts |= {"text": written, "text_sha256": text_sha256(written)}
    return {**facts, "query": list(incoming.query.items()), "body": body}

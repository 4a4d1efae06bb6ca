"""Leeloo as a partner of the sandbox: its endpoints and its secret."""

import secrets
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Annotated, Any

from pydantic import Field

from devstack.sandbox.leeloo.endpoints import COMPANY, Endpoints
from devstack.sandbox.leeloo.requests import ROUTES, Route, refusal
from devstack.sandbox.partner import Answer, Context, Controls, Endpoint, Incoming, Order, Partner, Refusal, same

BASE = "/api/v2"
TOO_MANY_REQUESTS = b"Too many requests, please try again later."
CODES = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED", 413: "TOO_LARGE"}


@dataclass(frozen=True, slots=True)
class Credentials:
    """The token of Leeloo's one client, and the token in the address of its webhooks."""

    token: str = field(default_factory=partial(secrets.token_urlsafe, 32))
    webhook_token: str = field(default_factory=partial(secrets.token_urlsafe, 32))


class RateLimit(Order):
    """At most so many calls per window of `seconds`, after which they are refused; None is no limit."""

    calls: Annotated[int, Field(ge=0)] | None = None
    seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 60
    status: Annotated[int, Field(ge=200, le=599)] = 429
    retry_after: Annotated[int, Field(ge=0)] | None = None


class Leeloo(Partner):
    rotations = ("token", "webhook_token")
    credentials: Credentials

    def __init__(self, context: Context) -> None:
        super().__init__(context, Credentials)
        self._state = Endpoints(context.clock)
        self._limit = RateLimit()
        self._calls, self._opened_at = 0, 0.0

    def endpoints(self) -> list[Endpoint]:
        return [
            Endpoint(one.operation, one.method, BASE + one.path, partial(self._process, one), partial(_describe, one))
            for one in ROUTES
        ]

    def controls(self) -> Controls:
        return {
            "GET /company": lambda: COMPANY,
            "GET /people": lambda: {"people": list(self._state.people.values())},
            "POST /people": self._state.add_person,
            "GET /messages": self._list_messages,
            "POST /limit": self._set_limit,
        }

    def secret(self, root: str) -> dict[str, str]:
        return {"base_url": root + BASE, **asdict(self.credentials)}

    def refused(self, status: int, detail: str) -> Answer:  # noqa: ARG002
        return _too_many_requests() if status == 429 else refusal(status, {}, CODES[status]).answer

    def reset(self) -> None:
        self._state.clear()
        self._set_limit()

    def _process(self, route: Route, incoming: Incoming) -> Answer:
        """Check in this order: rate limit, token, form, and whether the ids exist."""
        self._count_call()
        token = incoming.headers.get("X-Leeloo-AuthToken", "")
        if not token:
            raise refusal(401, {"authToken": "REQUIRED"})
        if not same(token, self.credentials.token):
            raise refusal(401, {"authToken": "NOT_ALLOWED"}, "ACCESS_DENIED")
        return route.answer(self._state, incoming)

    def _count_call(self) -> None:
        """A window begins with the first call after the end of the last one. Refused calls do not count."""
        limit, now = self._limit, self.clock()
        if self._calls == 0 or now - self._opened_at >= limit.seconds:
            self._opened_at, self._calls = now, 0
        if limit.calls is not None and self._calls >= limit.calls:
            raise Refusal(_too_many_requests(limit.status, limit.retry_after))
        self._calls += 1

    def _set_limit(self, **limit: Any) -> None:
        self._limit = RateLimit(**limit)
        self._calls, self._opened_at = 0, 0.0

    def _list_messages(self, phone: str | None = None) -> dict[str, Any]:
        messages = self._state.messages.values()
        return {"messages": [message for message in messages if phone in {None, message["phone"]}]}


def _too_many_requests(status: int = 429, retry_after: int | None = None) -> Answer:
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    facts = {"refused": "too many requests"}
    return Answer(status, TOO_MANY_REQUESTS, "text/plain; charset=utf-8", headers, facts)


def _describe(route: Route, incoming: Incoming) -> dict[str, Any]:
    """The query and the body as sent, never the token."""
    try:
        body = None if route.method == "GET" else route.fields(incoming)
    except Refusal:
        body = None
    return {"query": list(incoming.query.items()), "body": body}

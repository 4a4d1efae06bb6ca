"""Leeloo as a partner of the sandbox: its endpoints and its secret."""

import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from devstack.sandbox.credentials import StoredCredentials, same
from devstack.sandbox.leeloo import company
from devstack.sandbox.leeloo.endpoints import Endpoints, text_sha256
from devstack.sandbox.leeloo.requests import NOT_ALLOWED, NOT_FOUND, REQUIRED, Route, refusal, too_many_requests
from devstack.sandbox.leeloo.routes import ROUTES
from devstack.sandbox.partner import Answer, Clock, Context, Controls, Endpoint, Incoming, Partner, Refusal

BASE = "/api/v2"
TOKEN_HEADER = "X-Leeloo-AuthToken"
LOGGED_IDS = ("account_id", "person_id", "order_id", "template_id")
CODES = {404: NOT_FOUND, 405: "METHOD_NOT_ALLOWED", 413: "TOO_LARGE"}


type Text = Annotated[str, StringConstraints(min_length=1, max_length=200)]


@dataclass(frozen=True, slots=True)
class Credentials:
    """The token of Leeloo's one client, and the token in the address of its webhooks."""

    token: str = field(default_factory=partial(secrets.token_urlsafe, 32))
    webhook_token: str = field(default_factory=partial(secrets.token_urlsafe, 32))


class RateLimit:
    """A window begins with the first call after the end of the last one. Refused calls do not count."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._opened_at = 0.0
        self._calls = 0
        self._answer = too_many_requests()
        self.set(None)

    def set(
        self,
        calls: Annotated[int, Field(ge=0)] | None,
        seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 60,
        status: Annotated[int, Field(ge=200, le=599)] = 429,
        retry_after: Annotated[int, Field(ge=0)] | None = None,
    ) -> None:
        """Replace the limit and reset the count. `calls` None is no limit; `seconds` is the window's length."""
        self._limit, self._seconds, self._calls = calls, seconds, 0
        self._answer = too_many_requests(status, retry_after)

    def refusal(self) -> Answer | None:
        """Count a call. Returns the refusal of one above the limit."""
        if self._limit is None:
            return None
        now = self._clock()
        if self._calls == 0 or now - self._opened_at >= self._seconds:
            self._opened_at, self._calls = now, 0
        if self._calls >= self._limit:
            return self._answer
        self._calls += 1
        return None


class Leeloo(Partner):
    rotations = ("token", "webhook_token")
    stored: StoredCredentials[Credentials]

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.stored = StoredCredentials(Credentials, context.credentials_file)
        self._state = Endpoints(context.clock)
        self._limit = RateLimit(context.clock)

    def endpoints(self) -> list[Endpoint]:
        return [
            Endpoint(one.operation, one.method, BASE + one.path, partial(self._process, one), partial(_describe, one))
            for one in ROUTES
        ]

    def controls(self) -> Controls:
        return {
            "GET /company": company.as_json,
            "GET /people": self._list_people,
            "POST /people": self._add_person,
            "GET /messages": self._list_messages,
            "POST /limit": self._limit.set,
        }

    def secret(self, root: str) -> dict[str, str]:
        return {"base_url": root + BASE, **asdict(self.stored.values)}

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
        if not same(token, self.stored.values.token):
            raise refusal(401, {"authToken": NOT_ALLOWED}, "ACCESS_DENIED")
        return route.answer(self._state, route.given(incoming))

    # The control

    def _list_people(self) -> dict[str, Any]:
        people = self._state.people.values()
        return {"people": [person.as_json() | {"comments": person.comments} for person in people]}

    def _add_person(
        self,
        name: Text,
        phone: Text | None = None,
        email: Text | None = None,
        tags: Sequence[str] = (),
        accounts: Sequence[Text] = (),
    ) -> dict[str, Any]:
        """Tags are by name, channels by type (`TELEGRAM`, or any other)."""
        known = [tag.name for tag in company.TAGS.values()]
        if not set(tags) <= set(known):
            raise ValueError(f"tags: some of {', '.join(known)}")
        person = self._state.add_person(name, phone, email, accounts)
        person.tags = list(dict.fromkeys(tags))
        return person.as_json()

    def _list_messages(self, phone: str | None = None, account_id: str | None = None) -> dict[str, Any]:
        messages = [
            message.as_json()
            for message in self._state.messages.values()
            if phone in {None, message.account.person.phone} and account_id in {None, message.account.account_id}
        ]
        return {"messages": messages}


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

"""Faults on demand: what goes wrong, for which calls, and how often."""

import time
import uuid
from collections.abc import Mapping
from email.utils import formatdate
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints

from devstack.sandbox.partner import Answer, Order, dump_json

MAX_ARMED = 1000
RATE_LIMIT_SECONDS = 2  # after which a `Retry-After` that is a date ends
NGINX = "<html><head><title>{0}</title></head><body><h1>{0}</h1><hr>nginx</body></html>"

type Seconds = Annotated[float, Field(ge=0, le=3600)]
type Status = Annotated[int, Field(ge=200, le=599)]
type When = Literal["before", "after"]
type HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")]
type HeaderValue = Annotated[str, StringConstraints(pattern=r"^[\t\x20-\x7e]*$")]


class AnswerFault(Order):
    """Any answer. A string body is sent as it is, anything else as JSON; None is an empty body."""

    kind: Literal["answer", "empty"]
    status: Status = 200
    body: Any = None
    headers: dict[HeaderName, HeaderValue] = {}
    content_type: HeaderValue | None = None
    processed: bool = False

    def answer(self) -> Answer:
        if isinstance(self.body, str):
            body, content_type = self.body.encode(), "text/plain; charset=utf-8"
        else:
            body, content_type = b"" if self.body is None else dump_json(self.body), "application/json"
        return Answer(self.status, body, self.content_type or content_type, self.headers)


class HtmlFault(Order):
    """The error page of a proxy in front of the partner."""

    kind: Literal["html"]
    status: Status = 502
    headers: dict[HeaderName, HeaderValue] = {}
    processed: bool = False

    def answer(self) -> Answer:
        return Answer(self.status, NGINX.format(self.status).encode(), "text/html", self.headers)


class RateLimitFault(Order):
    """The answer to too many calls, with `Retry-After` in seconds or as a date if given. Never processed.

    `by` is who answers: the partner in its own format, or a proxy with a page.
    """

    kind: Literal["rate_limit"]
    status: Status = 429
    retry_after: Annotated[int, Field(ge=0)] | Literal["date"] | None = None
    by: Literal["partner", "proxy"] = "partner"

    @property
    def headers(self) -> dict[str, str]:
        if self.retry_after is None:
            return {}
        date = formatdate(time.time() + RATE_LIMIT_SECONDS, usegmt=True)
        return {"Retry-After": date if self.retry_after == "date" else str(self.retry_after)}


class DelayFault(Order):
    """The correct answer, late: delayed before or after the processing."""

    kind: Literal["delay"]
    seconds: Seconds
    when: When = "before"


class DropFault(Order):
    """The connection is aborted before or after the processing."""

    kind: Literal["drop"]
    when: When = "before"


class SlowBodyFault(Order):
    """The correct answer: its head immediately, its body in pieces of `chunk` bytes with `seconds` before each."""

    kind: Literal["slow_body"]
    seconds: Seconds
    chunk: Annotated[int, Field(ge=1)] = 1


type Fault = Annotated[
    AnswerFault | HtmlFault | RateLimitFault | DelayFault | DropFault | SlowBodyFault, Field(discriminator="kind")
]


class ArmedFault(Order):
    """The body of `POST /control/faults`. `operation` None is any; `times` None is until cleared.

    `passed` calls were skipped by `skip`, `fired` calls got the fault.
    """

    model_config = ConfigDict(frozen=False)

    partner: str
    operation: str | None = None
    times: Annotated[int, Field(ge=1)] | None = 1
    skip: Annotated[int, Field(ge=0)] = 0
    match: dict[str, Any] = {}
    fault: Fault
    id: str = Field(default_factory=lambda: uuid.uuid4().hex[:8])
    passed: int = 0
    fired: int = 0

    def strikes(self, partner: str, operation: str, body: Mapping[str, Any]) -> bool:
        """Count a call that matches. Returns whether it gets the fault."""
        if self.partner != partner or self.operation not in {None, operation}:
            return False
        if any(str(_at(body, path)) != str(expected) for path, expected in self.match.items()):
            return False
        if self.passed < self.skip:
            self.passed += 1
            return False
        is_due = self.times is None or self.fired < self.times
        self.fired += is_due
        return is_due


def _at(body: object, path: str) -> object:
    for key in path.split("."):
        body = body.get(key) if isinstance(body, Mapping) else None
    return body

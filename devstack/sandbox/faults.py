"""Faults on demand: what goes wrong, for which calls, and how often."""

import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from email.utils import formatdate
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from devstack.sandbox import strict_json
from devstack.sandbox.control import Order
from devstack.sandbox.partner import Answer

MAX_ARMED = 1000
RATE_LIMIT_SECONDS = 2  # after which a `Retry-After` that is a time ends
CHALLENGE = "<!DOCTYPE html><html><title>Just a moment...</title><body>Checking your browser</body></html>"
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
            body, content_type = b"" if self.body is None else strict_json.dump(self.body), "application/json"
        return Answer(self.status, body, self.content_type or content_type, self.headers)


class HtmlFault(Order):
    """The error page of a proxy in front of the partner, or the challenge of a firewall."""

    kind: Literal["html"]
    status: Status = 502
    page: Literal["nginx", "challenge"] = "nginx"
    processed: bool = False

    def answer(self) -> Answer:
        if self.page == "nginx":
            return Answer(self.status, NGINX.format(self.status).encode(), "text/html")
        return Answer(self.status, CHALLENGE.encode(), "text/html; charset=UTF-8", {"cf-mitigated": "challenge"})


class RateLimitFault(Order):
    """The answer to too many calls, with `Retry-After` in seconds if given. Never processed.

    `unix_time` and `years` are values of `Retry-After` that some servers send and that are no usable wait. `by` is who
    answers: the partner in its own format, or a proxy with a page.
    """

    kind: Literal["rate_limit"]
    status: Status = 429
    retry_after: Annotated[int, Field(ge=0)] | Literal["unix_time", "date", "years"] | None = None
    by: Literal["partner", "proxy"] = "partner"

    @property
    def headers(self) -> dict[str, str]:
        match self.retry_after:
            case None:
                return {}
            case "unix_time":
                return {"Retry-After": str(int(time.time()) + RATE_LIMIT_SECONDS)}
            case "date":
                return {"Retry-After": formatdate(time.time() + RATE_LIMIT_SECONDS, usegmt=True)}
            case "years":
                return {"Retry-After": str(10 * 365 * 86_400)}
            case seconds:
                return {"Retry-After": str(seconds)}


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


class FaultOrder(Order):
    """The body of `POST /control/faults`. `operation` None is any; `times` None is until cleared."""

    partner: str
    operation: str | None = None
    times: Annotated[int, Field(ge=1)] | None = 1
    skip: Annotated[int, Field(ge=0)] = 0
    match: dict[str, Any] = {}
    fault: Fault

    def matches(self, partner: str, operation: str, body: Mapping[str, Any]) -> bool:
        return (
            self.partner == partner
            and self.operation in {None, operation}
            and all(_same(_at(body, path), expected) for path, expected in self.match.items())
        )


@dataclass(slots=True)
class ArmedFault:
    """An order in force. `passed` calls were skipped by `skip`, `fired` calls got the fault."""

    order: FaultOrder
    id: str = field(default_factory=lambda: uuid.uuid4().hex[:8])
    passed: int = 0
    fired: int = 0

    def as_json(self) -> dict[str, Any]:
        return {"id": self.id, **self.order.model_dump(), "passed": self.passed, "fired": self.fired}

    def strikes(self) -> bool:
        """Count a call that matches. Returns whether it gets the fault."""
        if self.passed < self.order.skip:
            self.passed += 1
            return False
        is_due = self.order.times is None or self.fired < self.order.times
        self.fired += is_due
        return is_due


class Faults:
    """The faults in force by id, oldest first. A call gets the first that matches."""

    def __init__(self) -> None:
        self.armed: dict[str, ArmedFault] = {}

    def arm(self, order: FaultOrder) -> ArmedFault:
        """Raises `OverflowError` above `MAX_ARMED`."""
        if len(self.armed) >= MAX_ARMED:
            raise OverflowError(f"{MAX_ARMED} faults are armed: clear some")
        armed = ArmedFault(order)
        self.armed[armed.id] = armed
        return armed

    def next_fault(self, partner: str, operation: str, body: Mapping[str, Any]) -> ArmedFault | None:
        matching = (armed for armed in self.armed.values() if armed.order.matches(partner, operation, body))
        return next((armed for armed in matching if armed.strikes()), None)


def _at(body: object, path: str) -> object:
    for key in path.split("."):
        body = body.get(key) if isinstance(body, Mapping) else None
    return body


def _same(actual: object, expected: object) -> bool:
    if isinstance(actual, Decimal) and isinstance(expected, int | float):
        return actual == Decimal(str(expected))
    return type(actual) is type(expected) and actual == expected

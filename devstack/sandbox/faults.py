"""Faults on demand: what goes wrong, for which calls, and how often."""

import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from email.utils import formatdate
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from devstack.sandbox import strict_json
from devstack.sandbox.orders import Order
from devstack.sandbox.partner import Answer

MAX_ARMED = 1000
RATE_LIMIT_SECONDS = 2  # after which a `Retry-After` that is a time ends
CHALLENGE = b"<!DOCTYPE html><html><title>Just a moment...</title><body>Checking your browser</body></html>"

type Seconds = Annotated[float, Field(ge=0, le=3600)]
type Status = Annotated[int, Field(ge=200, le=599)]
type When = Literal["before", "after"]
type HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")]
type HeaderValue = Annotated[str, StringConstraints(pattern=r"^[\t\x20-\x7e]*$")]


class AnswerFault(Order):
    """Any answer. A string body is sent as it is, anything else as JSON; None is an empty body."""

    kind: Literal["answer"]
    status: Status = 200
    body: Any = None
    headers: dict[HeaderName, HeaderValue] = {}
    content_type: HeaderValue | None = None
    processed: bool = False

    def answer(self) -> Answer:
        match self.body:
            case None:
                body, content_type = b"", "application/json"
            case str(text):
                body, content_type = text.encode(), "text/plain; charset=utf-8"
            case value:
                body, content_type = strict_json.dump(value), "application/json"
        return Answer(self.status, body, self.content_type or content_type, self.headers)


class HtmlFault(Order):
    """The error page of a proxy in front of the partner, or the challenge of a firewall."""

    kind: Literal["html"]
    status: Status = 502
    page: Literal["nginx", "challenge"] = "nginx"
    processed: bool = False

    def answer(self) -> Answer:
        if self.page == "challenge":
            return Answer(self.status, CHALLENGE, "text/html; charset=UTF-8", {"cf-mitigated": "challenge"})
        page = f"<html><head><title>{self.status}</title></head><body><h1>{self.status}</h1><hr>nginx</body></html>"
        return Answer(self.status, page.encode(), "text/html")


class EmptyFault(Order):
    """A status and no body."""

    kind: Literal["empty"]
    status: Status = 200
    processed: bool = False

    def answer(self) -> Answer:
        return Answer(self.status)


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
                value = str(int(time.time()) + RATE_LIMIT_SECONDS)
            case "date":
                value = formatdate(time.time() + RATE_LIMIT_SECONDS, usegmt=True)
            case "years":
                value = str(10 * 365 * 86_400)
            case seconds:
                value = str(seconds)
        return {"Retry-After": value}


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


type Instead = AnswerFault | HtmlFault | EmptyFault
type Fault = Annotated[Instead | RateLimitFault | DelayFault | DropFault | SlowBodyFault, Field(discriminator="kind")]


class FaultOrder(Order):
    """The body of `POST /control/faults`. `operation` None is any; `times` None is until cleared."""

    partner: str
    operation: str | None = None
    times: Annotated[int, Field(ge=1)] | None = 1
    skip: Annotated[int, Field(ge=0)] = 0
    match: dict[str, Any] = {}
    fault: Fault

    def matches(self, partner: str, operation: str, body: object) -> bool:
        return (
            self.partner == partner
            and self.operation in {None, operation}
            and all(_same(_at(body, path), expected) for path, expected in self.match.items())
        )


@dataclass(slots=True)
class ArmedFault:
    """An order in force. `passed` calls were skipped by `skip`, `fired` calls got the fault."""

    id: str
    order: FaultOrder
    passed: int = 0
    fired: int = 0

    def as_json(self) -> dict[str, Any]:
        return {"id": self.id, **self.order.model_dump(), "passed": self.passed, "fired": self.fired}


class Faults:
    """The faults in force, oldest first. A call gets the first that matches."""

    def __init__(self) -> None:
        self._armed: dict[str, ArmedFault] = {}

    def arm(self, order: FaultOrder) -> ArmedFault:
        """Raises `OverflowError` above `MAX_ARMED`."""
        if len(self._armed) >= MAX_ARMED:
            raise OverflowError(f"{MAX_ARMED} faults are armed: clear some")
        armed = ArmedFault(uuid.uuid4().hex[:8], order)
        self._armed[armed.id] = armed
        return armed

    def next_fault(self, partner: str, operation: str, body: object) -> ArmedFault | None:
        """Return and count the fault for this call, if any."""
        for armed in self._armed.values():
            order = armed.order
            if not order.matches(partner, operation, body):
                continue
            if armed.passed < order.skip:
                armed.passed += 1
            elif order.times is None or armed.fired < order.times:
                armed.fired += 1
                return armed
        return None

    def all(self) -> list[ArmedFault]:
        return list(self._armed.values())

    def clear(self, fault_id: str | None = None) -> bool:
        """Clear one fault, or all. Returns whether it existed."""
        if fault_id is not None:
            return self._armed.pop(fault_id, None) is not None
        self._armed.clear()
        return True


def _at(body: object, path: str) -> object:
    value = body
    for key in path.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _same(actual: object, expected: object) -> bool:
    if isinstance(actual, Decimal) and isinstance(expected, int | float):
        return actual == Decimal(str(expected))
    return type(actual) is type(expected) and actual == expected

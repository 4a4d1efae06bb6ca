"""Faults on demand: what can go wrong with a call, for which calls, and how often."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from devstack.sandbox import strict_json
from devstack.sandbox.partner import Answer

ARMED_AT_MOST = 1000

type Seconds = Annotated[float, Field(ge=0, le=3600)]
type Status = Annotated[int, Field(ge=200, le=599)]
type When = Literal["before", "after"]
type HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")]
type HeaderValue = Annotated[str, StringConstraints(pattern=r"^[\t\x20-\x7e]*$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AnswerFault(_Strict):
    """Any answer at all. A string body is sent as it is, anything else as JSON, none as nothing."""

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


class HtmlFault(_Strict):
    """The page of a proxy in front of the partner."""

    kind: Literal["html"]
    status: Status = 502
    processed: bool = False

    def answer(self) -> Answer:
        page = f"<html><head><title>{self.status}</title></head><body><h1>{self.status}</h1><hr>nginx</body></html>"
        return Answer(self.status, page.encode(), "text/html")


class EmptyFault(_Strict):
    """A status and no body."""

    kind: Literal["empty"]
    status: Status = 200
    processed: bool = False

    def answer(self) -> Answer:
        return Answer(self.status)


class RateLimitFault(_Strict):
    """The partner's words for too many calls, with `Retry-After` in seconds where given. Never processed."""

    kind: Literal["rate_limit"]
    status: Status = 429
    retry_after: Annotated[int, Field(ge=0)] | None = None


class DelayFault(_Strict):
    """The true answer, late: the wait is before or after the processing."""

    kind: Literal["delay"]
    seconds: Seconds
    when: When = "before"


class DropFault(_Strict):
    """The connection is aborted before or after the processing."""

    kind: Literal["drop"]
    when: When = "before"


class SlowBodyFault(_Strict):
    """The true answer: its head at once, its body in pieces of `chunk` bytes with `seconds` before each."""

    kind: Literal["slow_body"]
    seconds: Seconds
    chunk: Annotated[int, Field(ge=1)] = 1


type Instead = AnswerFault | HtmlFault | EmptyFault
type Fault = Annotated[Instead | RateLimitFault | DelayFault | DropFault | SlowBodyFault, Field(discriminator="kind")]


class FaultOrder(_Strict):
    """The body of `POST /control/faults`. `operation` None is any; `times` None is until cleared."""

    partner: str
    operation: str | None = None
    times: Annotated[int, Field(ge=1)] | None = 1
    skip: Annotated[int, Field(ge=0)] = 0
    match: dict[str, Any] = {}
    fault: Fault

    def concerns(self, partner: str, operation: str, body: object) -> bool:
        return (
            self.partner == partner
            and self.operation in {None, operation}
            and all(_same(_at(body, path), expected) for path, expected in self.match.items())
        )


@dataclass(slots=True)
class ArmedFault:
    """An order in force, and what it has done: `passed` calls were let through by `skip`, `fired` were hit."""

    id: str
    order: FaultOrder
    passed: int = 0
    fired: int = 0

    def shown(self) -> dict[str, Any]:
        return {"id": self.id, **self.order.model_dump(), "passed": self.passed, "fired": self.fired}


class Faults:
    """The faults in force, in the order they were ordered; a call is hit by the first that is due."""

    def __init__(self) -> None:
        self._armed: dict[str, ArmedFault] = {}

    def arm(self, order: FaultOrder) -> ArmedFault:
        """Raises `OverflowError` above `ARMED_AT_MOST`."""
        if len(self._armed) >= ARMED_AT_MOST:
            raise OverflowError(f"{ARMED_AT_MOST} faults are armed: clear some")
        armed = ArmedFault(uuid.uuid4().hex[:8], order)
        self._armed[armed.id] = armed
        return armed

    def strike(self, partner: str, operation: str, body: object) -> ArmedFault | None:
        """The fault that hits this call, now counted, or None."""
        for armed in self._armed.values():
            order = armed.order
            if not order.concerns(partner, operation, body):
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
        """Whether there was something of that id to clear; without an id everything goes."""
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

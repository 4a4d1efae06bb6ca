"""Faults on demand: what goes wrong, for which calls, and how often."""

import time
import uuid
from collections.abc import Mapping
from decimal import Decimal
from email.utils import formatdate
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from devstack.sandbox.partner import Answer, Order, dump_json

MAX_ARMED = 1000
DATE_SECONDS = 2  # after which a `Retry-After` that is a date ends
PAGE = "<html><head><title>{0}</title></head><body><h1>{0}</h1><hr>nginx</body></html>"  # of a proxy
FIELDS = {
    "answer": {"status", "body", "headers", "content_type", "processed"},
    "html": {"status", "headers", "processed"},
    "empty": {"status", "processed"},
    "rate_limit": {"status", "retry_after", "by"},
    "delay": {"seconds", "when"},
    "drop": {"when"},
    "slow_body": {"seconds", "chunk"},
}
"""What a fault of each kind may have. The README describes the kinds."""
STATUSES = {"html": 502, "rate_limit": 429}

type HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")]
type HeaderValue = Annotated[str, StringConstraints(pattern=r"^[\t\x20-\x7e]*$")]


class Fault(Order):
    """What goes wrong. `processed` and `when` are about the partner's processing of the call."""

    kind: Literal["answer", "html", "empty", "rate_limit", "delay", "drop", "slow_body"]
    status: Annotated[int, Field(ge=200, le=599)] = Field(
        default_factory=lambda given: STATUSES.get(given.get("kind", ""), 200)
    )
    body: Any = None
    headers: dict[HeaderName, HeaderValue] = {}
    content_type: HeaderValue | None = None
    processed: bool = False
    retry_after: Annotated[int, Field(ge=0)] | Literal["date"] | None = None
    by: Literal["partner", "proxy"] = "partner"
    seconds: Annotated[float, Field(ge=0, le=3600)] = 0
    when: Literal["before", "after"] = "before"
    chunk: Annotated[int, Field(ge=1)] = 1

    @model_validator(mode="after")
    def _has_what_its_kind_has(self) -> Self:
        if unknown := self.model_fields_set - FIELDS[self.kind] - {"kind"}:
            raise ValueError(f"{self.kind}: no {', '.join(sorted(unknown))}")
        if "seconds" in FIELDS[self.kind] - self.model_fields_set:
            raise ValueError(f"{self.kind}: seconds are missing")
        return self

    def answer(self) -> Answer:
        """The answer in place of the partner's. A string body is sent as it is, anything else as JSON."""
        headers = dict(self.headers)
        if self.retry_after is not None:
            date = formatdate(time.time() + DATE_SECONDS, usegmt=True)
            headers["Retry-After"] = date if self.retry_after == "date" else str(self.retry_after)
        if self.kind == "html" or self.by == "proxy":
            return Answer(self.status, PAGE.format(self.status).encode(), "text/html", headers)
        if isinstance(self.body, str):
            return Answer(self.status, self.body.encode(), self.content_type or "text/plain; charset=utf-8", headers)
        body = b"" if self.body is None else dump_json(self.body)
        return Answer(self.status, body, self.content_type or "application/json", headers)


class FaultOrder(Order):
    """The body of `POST /control/faults`."""

    partner: str
    operation: str | None = None  # any
    times: Annotated[int, Field(ge=1)] | None = 1  # None: until cleared
    skip: Annotated[int, Field(ge=0)] = 0
    match: dict[str, Any] = {}
    fault: Fault


class ArmedFault(FaultOrder):
    """An order in force, and how many calls it met."""

    model_config = ConfigDict(frozen=False)
    id: str = Field(default_factory=lambda: uuid.uuid4().hex[:8])
    passed: int = 0  # because of `skip`
    fired: int = 0

    def strikes(self, partner: str, operation: str, body: Mapping[str, Any]) -> bool:
        """Count a call that matches. Returns whether it gets the fault."""
        if self.partner != partner or self.operation not in {None, operation}:
            return False
        if any(not _same(_at(body, path), expected) for path, expected in self.match.items()):
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


def _same(actual: object, expected: object) -> bool:
    """Whether two JSON values are equal: 12 and 12.0 are, 12 and "12" are not."""
    expected = Decimal(str(expected)) if isinstance(expected, float) else expected
    return isinstance(actual, bool) == isinstance(expected, bool) and actual == expected

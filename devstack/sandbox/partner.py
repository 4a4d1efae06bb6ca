"""What a partner is to the frame: the seam between `sandbox/` and each partner's folder.

A partner is a folder with a `service.py` that defines `SERVICE`, a class of the shape of `Partner`. The frame finds it,
serves it, logs it, breaks it, shows it and hands out its secret.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self

from aiohttp import web
from multidict import MultiMapping

from devstack.sandbox import strict_json

type Clock = Callable[[], float]
"""Seconds since the epoch."""


@dataclass(slots=True)
class Pace:
    """How long anything that moves by itself stays where it is, in seconds; 0 is at once."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the frame gives to a partner: a private file of its own for keys, the time, the pace of its world."""

    kept: Path
    clock: Clock
    pace: Pace


@dataclass(frozen=True, slots=True)
class Incoming:
    """One request, read to its end. `json` is None where the body is not JSON, and `json_error` says why."""

    method: str
    path: str
    params: Mapping[str, str]
    query: MultiMapping[str]
    headers: Mapping[str, str]
    content_type: str
    raw: bytes
    json: Any
    json_error: str | None

    @classmethod
    def of(cls, request: web.Request, raw: bytes) -> Self:
        try:
            value, error = strict_json.parse(raw), None
        except strict_json.MalformedJsonError as malformed:
            value, error = None, str(malformed)
        return cls(
            method=request.method,
            path=request.path,
            params=request.match_info,
            query=request.query,
            headers=request.headers,
            content_type=request.content_type,
            raw=raw,
            json=value,
            json_error=error,
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """One reply. `facts` go to the log of calls and nowhere else: never a token or a credential in clear."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, status: int, value: object, **facts: object) -> Self:
        """A JSON reply."""
        return cls(status, strict_json.dump(value), facts=facts)


def _nothing(_incoming: Incoming) -> Mapping[str, Any]:
    return {}


@dataclass(frozen=True, slots=True)
class Operation:
    """Something a partner does. `describe` tells the log what was asked, whether or not it is then processed."""

    name: str
    process: Callable[[Incoming], Answer]
    describe: Callable[[Incoming], Mapping[str, Any]] = _nothing


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A path below `/{partner}` (aiohttp's `{param}` patterns are fine); `choose` names the operation that is meant."""

    methods: tuple[str, ...]
    path: str
    choose: Callable[[Incoming], Operation]


@dataclass(frozen=True, slots=True)
class Panel:
    """A partner's table on the page, newest first, already bounded; plain text, escaped by the page."""

    caption: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Bubble:
    """One message of a chat, and a small line below it."""

    text: str
    note: str


@dataclass(frozen=True, slots=True)
class Chat:
    """A conversation as one person sees it, newest last."""

    title: str
    bubbles: Sequence[Bubble]


@dataclass(frozen=True, slots=True)
class Chats:
    """A partner's conversations on the page, already bounded; plain text, escaped by the page."""

    caption: str
    chats: Sequence[Chat]


class Partner(Protocol):
    """A partner's whole side. All methods run in the server's event loop and must not block."""

    name: str
    title: str
    operations: frozenset[str]
    rotations: Mapping[str, Callable[[], None]]
    """What can be replaced in its secret, and how, the usual thing first; the new values must be kept before it
    returns."""

    def __init__(self, surroundings: Surroundings) -> None: ...

    def endpoints(self) -> Sequence[Endpoint]: ...

    def controls(self) -> Sequence[web.RouteDef]:
        """Routes of its own, mounted below `/control/{name}`."""
        ...

    def secret(self, root: str) -> dict[str, Any]:
        """The secret an application needs to be its client; `root` is this partner's URL, without a slash."""
        ...

    def refused(self, status: int, detail: str) -> Answer:
        """What the frame refuses (404, 405, 413, and 429 on demand) in this partner's own words."""
        ...

    def panels(self) -> Sequence[Panel | Chats]: ...

    def advance(self) -> None:
        """Bring everything that moves with time up to now; called before the pace changes."""
        ...

    def reset(self) -> None:
        """Forget everything but keys and credentials."""
        ...

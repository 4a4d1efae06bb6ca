"""The interface between the sandbox and each partner's folder.

A partner is a folder with a `service.py` that defines `SERVICE`, a class with the interface of `Partner`.
"""

import hashlib
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
    """Seconds between two status changes that happen automatically; 0 is immediately."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Context:
    """What the sandbox gives a partner: its name, a private file for its credentials, the clock, the pace.

    `settings` are what this partner does differently from others of its kind.
    """

    name: str
    credentials_file: Path
    clock: Clock
    pace: Pace
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Incoming:
    """One request with its whole body. `json` is None if the body is not JSON; `json_error` says why."""

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

    @property
    def fields(self) -> Mapping[str, Any]:
        """The members of the JSON object; empty if the body is not one."""
        return self.json if isinstance(self.json, dict) else {}

    @property
    def bearer(self) -> str | None:
        """The token of the `Authorization` header."""
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        return token if scheme == "Bearer" and token else None


@dataclass(frozen=True, slots=True)
class Answer:
    """One reply. `facts` go to the call log only; they never contain a token or a credential."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, status: int, value: object, **facts: object) -> Self:
        """A JSON reply."""
        return cls(status, strict_json.dump(value), facts=facts)


@dataclass(frozen=True, slots=True)
class Operation:
    """`describe` returns facts about the request for the call log, whether or not it is processed."""

    name: str
    process: Callable[[Incoming], Answer]
    describe: Callable[[Incoming], Mapping[str, Any]] = lambda _incoming: {}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A path below `/{partner}` (an aiohttp pattern) with its operation, or a function that selects one."""

    methods: tuple[str, ...]
    path: str
    operation: Operation | Callable[[Incoming], Operation]


class Partner(Protocol):
    """A partner's side. All methods run in the server's event loop and must not block.

    `kind` is the name of its folder. Several partners of one kind have names of their own.
    """

    kind: str
    name: str
    operations: frozenset[str]
    rotations: Mapping[str, Callable[[], None]]
    """What can be replaced in its secret, the default first. The new values are stored before it returns."""

    def __init__(self, context: Context) -> None:
        """Raises ValueError for settings that its kind does not have."""
        ...

    def endpoints(self) -> Sequence[Endpoint]: ...

    def controls(self) -> Sequence[web.RouteDef]:
        """Its own routes, mounted below `/control/{name}`."""
        ...

    def secret(self, root: str) -> dict[str, Any]:
        """The secret that a client needs. `root` is this partner's URL without a trailing slash."""
        ...

    def refused(self, status: int, detail: str) -> Answer:
        """404, 405, 413 and, by a fault, 429, in this partner's format."""
        ...

    def advance(self) -> None:
        """Make all status changes that are due. Called before the pace changes."""
        ...

    def reset(self) -> None:
        """Delete everything but keys and credentials."""
        ...


def digest(token: str | None) -> str | None:
    """Sixteen hex digits of SHA-256, by which a log distinguishes tokens."""
    return None if token is None else hashlib.sha256(token.encode(errors="surrogateescape")).hexdigest()[:16]

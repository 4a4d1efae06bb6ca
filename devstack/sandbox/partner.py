"""What a partner of the sandbox is made of.

A partner kind is a folder with a `service.py` that defines a subclass of `Partner`.
"""

import hashlib
import hmac
import json
import os
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self
from urllib.parse import parse_qsl

from multidict import MultiMapping
from pydantic import BaseModel, ConfigDict, StringConstraints

from leadbridge.forms.parsing.json_body import read_value

MAX_STORED = 100_000
MAX_FORM_FIELDS = 100

type Clock = Callable[[], float]
"""Seconds since the epoch."""
type Pace = Callable[[], float]
"""Seconds between two status changes that happen automatically; 0 is immediately."""
type Controls = Mapping[str, Callable[..., Any]]
"""Routes of the control, such as `GET /deals/{deal_id}`, and what they call.

A function gets the parameters of the path and of the query, and the members of the body, validated. It returns the
answer's JSON, or None for a 204. ValueError and OverflowError become a 400, LookupError a 404.
"""


class Order(BaseModel):
    """A JSON object without unknown members."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True)
class Context:
    """What the sandbox gives a partner. `settings` are what it does differently from others of its kind."""

    name: str
    credentials_file: Path
    clock: Clock
    pace: Pace
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Incoming:
    method: str
    params: Mapping[str, str]
    query: MultiMapping[str]
    headers: Mapping[str, str]
    content_type: str
    raw: bytes

    @cached_property
    def json(self) -> Any:
        """Raises ValueError."""
        return parse_json(self.raw)

    @cached_property
    def is_object(self) -> bool:
        with suppress(ValueError):
            return isinstance(self.json, dict)
        return False

    @property
    def fields(self) -> dict[str, Any]:
        """The members of the JSON object; empty if the body is not one."""
        return self.json if self.is_object else {}

    @property
    def form(self) -> list[tuple[str, str]]:
        """The fields of an urlencoded body. Raises ValueError."""
        text = self.raw.decode()
        return parse_qsl(text, True, bool(text), errors="strict", max_num_fields=MAX_FORM_FIELDS)

    @property
    def bearer(self) -> str | None:
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
        return cls(status, dump_json(value), facts=facts)


@dataclass(eq=False)
class Refusal(Exception):
    """An answer that ends the processing of a call."""

    answer: Answer


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An operation at a path below `/{partner}` (an aiohttp pattern). The first of those that match is used.

    `process` may raise `Refusal`. `describe` returns facts for the call log, whether or not the call is processed.
    """

    operation: str
    method: str
    path: str
    process: Callable[[Incoming], Answer]
    describe: Callable[[Incoming], Mapping[str, Any]] = lambda _incoming: {}
    matches: Callable[[Incoming], bool] = lambda _incoming: True


class Partner:
    """A partner's side. All methods run in the server's event loop and must not block.

    `rotations` are the parts of its secret that can be replaced, the default first.
    """

    rotations: ClassVar[Sequence[str]] = ()
    credentials: Any = None

    def __init__(self, context: Context, credentials: type[Any] | None = None) -> None:
        """Raises ValueError for settings that its kind does not have.

        `credentials` is a frozen dataclass; the default factory of each field generates a value that is not stored yet.
        """
        self.name, self.clock, self._file = context.name, context.clock, context.credentials_file
        if credentials is not None:
            stored = json.loads(self._file.read_bytes()) if self._file.exists() else {}
            known = {each.name for each in fields(credentials)}  # an earlier version had other values
            self.store(credentials(**{name: value for name, value in stored.items() if name in known}))

    def endpoints(self) -> list[Endpoint]:
        raise NotImplementedError

    def controls(self) -> Controls:
        """Its own routes, below `/control/{name}`."""
        return {}

    def secret(self, root: str) -> dict[str, Any]:
        """The secret that a client needs. `root` is this partner's URL without a trailing slash."""
        raise NotImplementedError

    def rotate(self, what: str) -> None:
        """Replace a part of the secret, and store the new value."""
        factory: Any = next(each.default_factory for each in fields(self.credentials) if each.name == what)
        self.store(replace(self.credentials, **{what: factory()}))

    def store(self, credentials: Any) -> None:
        write_private(self._file, asdict(credentials))
        self.credentials = credentials

    def refused(self, status: int, detail: str) -> Answer:
        """404, 405, 413 and, by a fault, 429, in this partner's format."""
        raise NotImplementedError

    def finish(self, answer: Answer) -> Answer:
        """What every processed call is answered."""
        return answer

    def advance(self) -> None:
        """Make all status changes that are due. Called before the pace changes."""

    def reset(self) -> None:
        """Delete everything but keys and credentials."""


@dataclass(slots=True)
class Progress:
    """The statuses of a record, with the time of each. `ahead` are those that it still passes through."""

    history: list[tuple[str, float]]
    ahead: tuple[str, ...] = ()

    @property
    def status(self) -> str:
        return self.history[-1][0]

    @property
    def updated(self) -> float:
        return self.history[-1][1]

    def advance(self, now: float, pace: Pace) -> None:
        seconds = pace()
        while self.ahead and now - self.updated >= seconds:
            self.history.append((self.ahead[0], self.updated + seconds))
            self.ahead = self.ahead[1:]

    def put(self, status: str, now: float) -> bool:
        """Set a status, which then no longer changes. Returns whether it was a different one."""
        self.ahead = ()
        if status == self.status:
            return False
        self.history.append((status, now))
        return True

    def as_json(self) -> list[dict[str, str]]:
        return [{"status": status, "at": rfc3339(at)} for status, at in self.history]


class Rows[Key, Row](OrderedDict[Key, Row]):
    """The last `limit` rows by key, oldest first."""

    def __init__(self, limit: int = MAX_STORED) -> None:
        super().__init__()
        self._limit = limit

    def add(self, key: Key, row: Row) -> Row | None:
        """Store a new row. Returns the row that was dropped for it, if any."""
        self[key] = row
        return self.popitem(last=False)[1] if len(self) > self._limit else None


def written_as(pattern: str, problem: str = "a wrong format") -> Callable[[str], str]:
    """A validator of texts that match the whole pattern."""

    def check(text: str) -> str:
        if not isinstance(text, str) or not re.fullmatch(pattern, text):
            raise ValueError(problem)
        return text

    return check


Filled = Annotated[str, StringConstraints(pattern=r"\S")]
"""A text that is not blank."""


def parse_json(raw: bytes) -> Any:
    """Parse as strictly as the product does, without lone surrogates too. Raises ValueError."""
    value = read_value(raw)
    if b"\\u" in raw:
        dump_json(value)  # a lone surrogate has no encoding
    return value


def dump_json(value: object) -> bytes:
    """UTF-8 JSON. A `Decimal` becomes a string with all its digits."""
    return json.dumps(value, ensure_ascii=False, default=str).encode()


def same(given: str, expected: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(given.encode(errors="surrogateescape"), expected.encode())


def write_private(path: Path, value: object) -> None:
    """Replace a file atomically by JSON with mode 0600."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".new")
    with open(draft, "w", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        json.dump(value, file, indent=2)
    draft.replace(path)


def digest(token: str | None) -> str | None:
    """Sixteen hex digits of SHA-256, by which a log distinguishes tokens."""
    return None if token is None else hashlib.sha256(token.encode(errors="surrogateescape")).hexdigest()[:16]


def rfc3339(seconds: float) -> str:
    """`2026-01-31T09:30:00.123Z` of seconds since the epoch."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

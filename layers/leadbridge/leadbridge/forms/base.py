"""What an adapter is: how one kind of form builder proves itself, and how its posts are read.

An adapter is a module of this package with the functions of `Adapter`; a source's configuration names it. A new one
needs no change anywhere else.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib import import_module
from typing import Any, Protocol, cast, runtime_checkable

from leadbridge.settings import Source

MAX_BYTES = 262_144


class Unreadable(ValueError):
    """The body is not what the form's content type says. The message quotes nothing of it."""


class TooLarge(ValueError):
    """The body is longer than a form's post may be."""


class UnsupportedType(ValueError):
    """A content type that this form never sends."""


@dataclass(frozen=True)
class Request:
    """A post as it came: lower-case header names, decoded query, the body's raw bytes."""

    headers: dict[str, str]
    query: dict[str, str]
    body: bytes

    @classmethod
    def of(cls, event: dict[str, Any], max_body_bytes: int = MAX_BYTES) -> Request:
        """Read the gateway's proxy event. Raises TooLarge, Unreadable."""
        body = event.get("body") or ""
        if event.get("isBase64Encoded"):
            if len(body) > max_body_bytes * 4 // 3 + 4:
                raise TooLarge
            try:
                raw = base64.b64decode(body, validate=True)
            except (binascii.Error, ValueError):
                raise Unreadable("the gateway's base64 is broken") from None
        else:
            # Lone surrogates can stand in the gateway's JSON; they make a body that no signature fits, not a crash.
            raw = body.encode(errors="surrogatepass")
        if len(raw) > max_body_bytes:
            raise TooLarge
        headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
        return cls(headers, event.get("queryStringParameters") or {}, raw)

    @property
    def content_type(self) -> str:
        """The media type without its parameters, in lower case; empty where none is given."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


@dataclass(frozen=True)
class Submission:
    """What a post says of one lead.

    `values` are the lead's sections as they came, `delivery_id` the form's own id of this delivery, if it has one,
    `answers` the form's fields under their own names. `content` is what two posts of the same submission have in
    common, where that is not just `answers`. Where the post only names the lead, `to_fetch` says where the builder
    keeps it.
    """

    values: dict[str, Any]
    delivery_id: str | None
    is_test: bool = False
    answers: dict[str, str] = field(default_factory=dict)
    to_fetch: dict[str, str] | None = None
    content: Mapping[str, str] | None = None


class Adapter(Protocol):
    """One kind of form builder."""

    content_types: Sequence[str]

    def verify(self, request: Request, secrets: Sequence[str], now: datetime) -> None:
        """Raise SignatureInvalid unless one of the secrets proves the raw body. Malformed secrets prove nothing."""
        ...

    def parse(self, request: Request, source: Source) -> tuple[Submission, ...]:
        """Read a verified post: one lead as a rule, none where it tells of something else. Raises Unreadable.

        Where there are several, each has a `delivery_id`, and no two have the same.
        """
        ...


@runtime_checkable
class ChallengeAdapter(Protocol):
    """An adapter whose builder asks by GET whether the address is ours before it posts to it."""

    def answer_challenge(self, query: Mapping[str, str], credentials: Mapping[str, Any]) -> str:
        """Return the answer to a challenge. `credentials` is the source's secret entry. Raises SignatureInvalid."""
        ...


@runtime_checkable
class FetchByIdAdapter(Protocol):
    """An adapter whose posts only name leads (`Submission.to_fetch`); each is fetched in a flow of its own."""

    def read(self, lead: Mapping[str, Any], keys: Mapping[str, str], source: Source) -> Submission:
        """Read a lead as it was fetched; `keys` are what the post said of it. Raises nothing."""
        ...


def max_bytes_of(adapter: Adapter) -> int:
    """Return the maximum size of a post in bytes: the adapter's own `max_body_bytes`, or the default."""
    return int(getattr(adapter, "max_body_bytes", MAX_BYTES))


def adapter_named(name: str) -> Adapter:
    """The adapter that a source's configuration names, imported at its first use."""
    return cast("Adapter", import_module(f"leadbridge.forms.adapters.{name}"))

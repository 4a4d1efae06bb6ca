"""What an adapter is: how one kind of form builder proves itself, and how its posts are read.

An adapter is a module of this package with the functions of `Adapter`; a source's configuration names it. A new one
needs no change anywhere else.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib import import_module
from typing import Any, Protocol, cast

from leadbridge.settings import Source

MOST_BYTES = 262_144


class Forged(Exception):
    """The proof of origin is missing, malformed, stale or wrong. The message tells which, and no secret."""


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
    def of(cls, event: dict[str, Any]) -> Request:
        """Read the gateway's proxy event. Raises TooLarge, Unreadable."""
        body = event.get("body") or ""
        if event.get("isBase64Encoded"):
            if len(body) > MOST_BYTES * 4 // 3 + 4:
                raise TooLarge
            try:
                raw = base64.b64decode(body, validate=True)
            except (binascii.Error, ValueError):
                raise Unreadable("the gateway's base64 is broken") from None
        else:
            # Lone surrogates can stand in the gateway's JSON; they make a body that no signature fits, not a crash.
            raw = body.encode(errors="surrogatepass")
        if len(raw) > MOST_BYTES:
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
    `answers` the form's fields under their own names. Where the post only names the lead, `to_fetch` says where the
    builder keeps it.
    """

    values: dict[str, Any]
    delivery_id: str | None
    is_test: bool = False
    answers: dict[str, str] = field(default_factory=dict)
    to_fetch: dict[str, str] | None = None


class Adapter(Protocol):
    """One kind of form builder."""

    content_types: Sequence[str]

    def verify(self, request: Request, secrets: Sequence[str], now: datetime) -> None:
        """Raise Forged unless one of the secrets proves the raw body. Secrets that are no secrets prove nothing."""
        ...

    def parse(self, request: Request, source: Source) -> tuple[Submission, ...]:
        """Read a verified post: one lead as a rule, none where it tells of something else. Raises Unreadable."""
        ...


def adapter_named(name: str) -> Adapter:
    """The adapter that a source's configuration names, imported at its first use."""
    return cast("Adapter", import_module(f"leadbridge.forms.{name}"))

"""The interface of an adapter: it verifies and parses the posts of one form builder.

An adapter is a module in `adapters/` with the functions of `Adapter`. A source's configuration names it.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from importlib import import_module
from typing import Any, Protocol, cast, runtime_checkable

from leadbridge.settings import Source

MAX_BYTES = 262_144  # of a post, the default of an adapter


class Unreadable(ValueError):
    """The body does not match the content type. The message contains nothing of the body."""


class TooLarge(ValueError):
    """The body is longer than the limit."""


class UnsupportedType(ValueError):
    """The form builder does not send this content type."""


@dataclass(frozen=True)
class Request:
    """A post: lower-case header names, decoded query, raw body."""

    headers: dict[str, str]
    query: dict[str, str]
    body: bytes

    @classmethod
    def of(cls, event: dict[str, Any], max_body_bytes: int = MAX_BYTES) -> Request:
        """Parse a gateway proxy event. Raises TooLarge, Unreadable."""
        body = event.get("body") or ""
        if event.get("isBase64Encoded"):
            if len(body) > max_body_bytes * 4 // 3 + 4:
                raise TooLarge
            try:
                raw = base64.b64decode(body, validate=True)
            except (binascii.Error, ValueError):
                raise Unreadable("the gateway's base64 is invalid") from None
        else:
            # The gateway's JSON may contain lone surrogates. Such a body fails verification instead of raising.
            raw = body.encode(errors="surrogatepass")
        if len(raw) > max_body_bytes:
            raise TooLarge
        headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
        return cls(headers, event.get("queryStringParameters") or {}, raw)

    @property
    def content_type(self) -> str:
        """The media type without parameters, in lower case; empty if there is none."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


@dataclass(frozen=True)
class Submission:
    """One lead of a post.

    `values` are the sections of the lead, unchecked. `delivery_id` is the form builder's id of the delivery, if any.
    `answers` are the form's fields under their own names. `content` is what repeated posts of one submission have in
    common, if that is not `answers`. `to_fetch` are the builder's ids of a lead that must be fetched.
    """

    values: dict[str, Any]
    delivery_id: str | None
    is_test: bool = False
    answers: Mapping[str, str] = field(default_factory=dict)
    to_fetch: dict[str, str] | None = None
    content: Mapping[str, str] | None = None


class Adapter(Protocol):
    """Verifies and parses the posts of one form builder."""

    content_types: Sequence[str]

    def verify(self, request: Request, secrets: Sequence[str], now: datetime) -> None:
        """Raise SignatureInvalid unless the raw body matches one of the secrets. A malformed secret never matches."""
        ...

    def parse(self, request: Request, source: Source) -> tuple[Submission, ...]:
        """Parse a verified post: one lead usually, none for other events. Raises Unreadable.

        If there are several leads, each has a `delivery_id` of its own.
        """
        ...

    def sign_request(self, request: Request, secret: str, now: datetime) -> Request:
        """Return the request with the sender's proof, for tests and samples."""
        ...


@runtime_checkable
class ChallengeAdapter(Protocol):
    """An adapter whose builder verifies the address with a GET request before it posts."""

    def answer_challenge(self, query: Mapping[str, str], credentials: Mapping[str, Any]) -> str:
        """Return the answer to a challenge. `credentials` is the source's secret entry. Raises SignatureInvalid."""
        ...


@runtime_checkable
class FetchByIdAdapter(Protocol):
    """An adapter whose posts contain only ids of leads (`Submission.to_fetch`). fetch_lead fetches them."""

    def read(self, lead: Mapping[str, Any], keys: Mapping[str, str], source: Source) -> Submission:
        """Parse a fetched lead. `keys` are the `to_fetch` of its post. Raises nothing."""
        ...


def max_bytes_of(adapter: Adapter) -> int:
    """Return the limit of a post in bytes. An adapter may have its own, `max_body_bytes`."""
    return int(getattr(adapter, "max_body_bytes", MAX_BYTES))


def keeps_id_of_edits(adapter: Adapter) -> bool:
    """Return whether the builder posts an edited submission again under its id (`edits_keep_id` of the adapter)."""
    return bool(getattr(adapter, "edits_keep_id", False))


@lru_cache
def adapter_named(name: str) -> Adapter:
    """Return a configured adapter by name. It is imported on first use."""
    return cast("Adapter", import_module(f"leadbridge.forms.adapters.{name}"))

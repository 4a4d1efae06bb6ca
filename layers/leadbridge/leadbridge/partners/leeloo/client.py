"""HTTP client for Leeloo: token, address, encoding of the body, parsing of the answer."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote, urlencode

from leadbridge.auth.secrets import MIN_REFRESH_SECONDS
from leadbridge.domain.errors.error_codes import ErrorCode
from leadbridge.domain.errors.partner_errors import (
    Misconfigured,
    Rejected,
    Unauthorized,
    Unavailable,
    Unknown,
    secret_incomplete,
)
from leadbridge.partners.http import Transport
from leadbridge.partners.kind import SecretSource
from leadbridge.partners.leeloo.answers import PARTNER, NotFound, Reply, reply_in
from leadbridge.runtime.budget import Budget

type Query = Sequence[tuple[str, str]]

EITHER_ENCODING = frozenset({"call_create", "manual_subscribe", "order_update", "add_tag", "remove_tag"})
"""Operations for which the partner's document says form-data in one place and JSON in another."""


@dataclass(frozen=True)
class LeelooCredentials:
    """The part of the secret `{prefix}/leeloo` that the client uses."""

    base_url: str
    token: str

    @classmethod
    def of(cls, secret: dict[str, Any]) -> LeelooCredentials:
        """Read the secret. Raises Misconfigured with the names of the wrong keys, without values."""
        base_url, token = (_text(secret, name) for name in ("base_url", "token"))
        usable = {"base_url": bool(base_url), "token": bool(token) and token.isascii() and token.isprintable()}
        if wrong := [name for name, is_usable in usable.items() if not is_usable]:
            raise secret_incomplete(PARTNER, "authorize", wrong)
        return cls(base_url, token)

    def __repr__(self) -> str:
        return "LeelooCredentials(…)"


class Client:
    """One call at a time. A caller may repeat a read; a send only if the error allows it.

    `form_data` names the operations (of EITHER_ENCODING) that send multipart/form-data instead of JSON.
    """

    def __init__(self, transport: Transport, secret: SecretSource, *, form_data: Collection[str] = ()) -> None:
        if wrong := set(form_data) - EITHER_ENCODING:
            raise ValueError(f"form_data does not apply to {', '.join(sorted(wrong))}")
        self._transport = transport
        self._secret = secret
        self._form_data = frozenset(form_data)

    @property
    def seconds_per_call(self) -> float:
        """Seconds that a call can take, including a second attempt with a rotated token."""
        return 2 * self._transport.max_seconds

    def read(self, operation: str, path: Sequence[str], budget: Budget, query: Query = ()) -> Reply:
        """GET. Raises PartnerError; Unavailable for a lost reply."""
        try:
            return self._call(_Request(operation, "GET", path, query), budget)
        except Unknown as error:
            raise Unavailable.of(error) from None

    def send(
        self,
        operation: str,
        method: Literal["POST", "PUT"],
        path: Sequence[str],
        fields: Mapping[str, Any],
        budget: Budget,
    ) -> Reply:
        """POST or PUT the fields that are not None. Raises PartnerError; Unknown for a lost reply."""
        return self._call(_Request(operation, method, path, fields=fields), budget)

    def _call(self, request: _Request, budget: Budget) -> Reply:
        secret = self._secret.get()
        try:
            return self._attempt(request, secret, budget)
        except (Unauthorized, Misconfigured) as error:
            refreshed = self._refreshed(secret, error)
            if not budget.allows(self._transport.max_seconds):
                raise
        return self._attempt(request, refreshed, budget)

    def _refreshed(self, secret: dict[str, Any], error: Unauthorized | Misconfigured) -> dict[str, Any]:
        """Read the secret again: it may have been corrected or rotated. Raises `error` if it is unchanged."""
        refreshed = self._secret.refresh()
        if refreshed is None:
            error.retry_after = MIN_REFRESH_SECONDS
            if isinstance(error, Misconfigured):
                error.certain = False
        if refreshed is None or refreshed == secret:
            raise error
        return refreshed

    def _attempt(self, request: _Request, secret: dict[str, Any], budget: Budget) -> Reply:
        credentials = LeelooCredentials.of(secret)
        operation, method = request.operation, request.method
        headers = {"X-Leeloo-AuthToken": credentials.token}
        json, body = request.body(), None
        try:
            url = f"{credentials.base_url.rstrip('/')}/{_path(operation, request.path)}{_query(request.query)}"
            if json is not None and operation in self._form_data:
                body, headers["Content-Type"] = _form_data(json)
                json = None
            answer = self._transport.call(operation, method, url, json=json, body=body, headers=headers, budget=budget)
        except UnicodeEncodeError:  # raised before anything is sent
            text = "the request contains characters that cannot be encoded"
            raise Rejected(PARTNER, operation, text, code=ErrorCode.TEXT_INVALID) from None
        return reply_in(answer, operation, Unavailable if method == "GET" else Unknown, request.known_fields)


@dataclass(frozen=True)
class _Request:
    operation: str
    method: str
    path: Sequence[str]
    query: Query = ()
    fields: Mapping[str, Any] | None = None

    @property
    def known_fields(self) -> set[str]:
        """The names of all fields of such a request, present or not."""
        return {*(self.fields or ()), *(name for name, _ in self.query)}

    def body(self) -> dict[str, Any] | None:
        """Return the fields that are not None; None for a request without a body."""
        if self.fields is None:
            return None
        return {name: value for name, value in self.fields.items() if value is not None}


def _text(secret: dict[str, Any], name: str) -> str:
    value = secret.get(name)
    return value if isinstance(value, str) else ""


def _path(operation: str, segments: Sequence[str]) -> str:
    """Encode each segment. Raises NotFound for an id that would change the route (empty, `.`, `..`)."""
    if any(segment.strip(".") == "" for segment in segments):
        raise NotFound(PARTNER, operation, "no resource can have this id")
    return "/".join(quote(segment, safe="") for segment in segments)


def _query(query: Query) -> str:
    return f"?{urlencode(query, quote_via=quote)}" if query else ""


def _form_data(fields: dict[str, Any]) -> tuple[bytes, str]:
    """Return the body and its Content-Type."""
    from urllib3 import encode_multipart_formdata

    return encode_multipart_formdata({name: str(value) for name, value in fields.items()})

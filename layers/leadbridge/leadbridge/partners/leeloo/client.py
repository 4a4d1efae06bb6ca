"""How Leeloo is called: the token, the address, the body's encoding, and what comes of the answer."""

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
"""The operations for which the partner's document says form-data in one place and JSON in another."""


@dataclass(frozen=True)
class LeelooCredentials:
    """What the client needs of the secret `{prefix}/leeloo`."""

    base_url: str
    token: str

    @classmethod
    def of(cls, secret: dict[str, Any]) -> LeelooCredentials:
        """Read the secret. Raises Misconfigured, which names the keys that are wrong and no value."""
        base_url, token = (_text(secret, name) for name in ("base_url", "token"))
        usable = {"base_url": bool(base_url), "token": bool(token) and token.isascii() and token.isprintable()}
        if wrong := [name for name, is_usable in usable.items() if not is_usable]:
            raise secret_incomplete(PARTNER, "authorize", wrong)
        return cls(base_url, token)

    def __repr__(self) -> str:
        return "LeelooCredentials(…)"


class Client:
    """One call at a time. A read may be repeated by the caller at will, a send only if its error says so.

    `form_data` names the operations (of EITHER_ENCODING) whose body goes out as multipart/form-data instead of JSON.
    """

    def __init__(self, transport: Transport, secret: SecretSource, *, form_data: Collection[str] = ()) -> None:
        if wrong := set(form_data) - EITHER_ENCODING:
            raise ValueError(f"form data is not for {', '.join(sorted(wrong))}")
        self._transport = transport
        self._secret = secret
        self._form_data = frozenset(form_data)

    @property
    def seconds_per_call(self) -> float:
        """Seconds that a call can take, a second try with a renewed token included."""
        return 2 * self._transport.longest

    def read(self, operation: str, path: Sequence[str], budget: Budget, query: Query = ()) -> Reply:
        """GET. Raises PartnerError, Unavailable for a lost reply too."""
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
        """POST or PUT the fields that are not None. Raises PartnerError, Unknown for a lost reply."""
        return self._call(_Request(operation, method, path, fields=fields), budget)

    def _call(self, request: _Request, budget: Budget) -> Reply:
        used = self._secret.get()
        try:
            return self._try(request, used, budget)
        except (Unauthorized, Misconfigured) as refused:
            renewed = self._renewed(used, refused)
            if not budget.allows(self._transport.longest):
                raise
        return self._try(request, renewed, budget)

    def _renewed(self, used: dict[str, Any], refused: Unauthorized | Misconfigured) -> dict[str, Any]:
        """The secret as it stands now, for it may just have been mended or rotated. Raises `refused` if it was not."""
        renewed = self._secret.refresh()
        if renewed is None:
            refused.retry_after = MIN_REFRESH_SECONDS
            if isinstance(refused, Misconfigured):
                refused.certain = False
        if renewed is None or renewed == used:
            raise refused
        return renewed

    def _try(self, request: _Request, secret: dict[str, Any], budget: Budget) -> Reply:
        credentials = LeelooCredentials.of(secret)
        operation, method = request.operation, request.method
        headers = {"X-Leeloo-AuthToken": credentials.token}
        json, body = request.given(), None
        try:
            url = f"{credentials.base_url.rstrip('/')}/{_path(operation, request.path)}{_query(request.query)}"
            if json is not None and operation in self._form_data:
                body, headers["Content-Type"] = _form_data(json)
                json = None
            answer = self._transport.call(operation, method, url, json=json, body=body, headers=headers, budget=budget)
        except UnicodeEncodeError:  # raised before anything is sent
            text = "it holds characters that are not text"
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
        """The names of what can be said in such a request, said or not."""
        return {*(self.fields or ()), *(name for name, _ in self.query)}

    def given(self) -> dict[str, Any] | None:
        """The fields that are said; None for a request without a body."""
        if self.fields is None:
            return None
        return {name: value for name, value in self.fields.items() if value is not None}


def _text(secret: dict[str, Any], name: str) -> str:
    value = secret.get(name)
    return value if isinstance(value, str) else ""


def _path(operation: str, segments: Sequence[str]) -> str:
    """The path, each segment encoded. Raises NotFound for an id that would name another address."""
    if any(segment.strip(".") == "" for segment in segments):
        raise NotFound(PARTNER, operation, "nothing can have such an id")
    return "/".join(quote(segment, safe="") for segment in segments)


def _query(query: Query) -> str:
    return f"?{urlencode(query, quote_via=quote)}" if query else ""


def _form_data(fields: dict[str, Any]) -> tuple[bytes, str]:
    """The body and its Content-Type."""
    from urllib3 import encode_multipart_formdata

    return encode_multipart_formdata({name: str(value) for name, value in fields.items()})

"""Interpret Match-Trade's answers.

Errors are `{"status", "timestamp", "message", "printableMessage"}`; errors of the token endpoint are OAuth's
`{"error", "error_description"}`. One 500 is a permanent rejection, and one 400 leaks SQL, so no text of the partner's
is copied into our errors. An answer of another shape comes from a proxy or a firewall, whatever its status: it is
unknown whether the partner processed the request.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from leadbridge.domain.errors.error_codes import ErrorCode
from leadbridge.domain.errors.partner_errors import (
    Duplicate,
    Misconfigured,
    PartnerError,
    Rejected,
    Unavailable,
    Unknown,
)
from leadbridge.domain.fields import text
from leadbridge.partners.http import (
    TIMEOUT_STATUSES,
    Answer,
    interception_error,
    rate_limit_error,
    rejection_error,
    unclear_error,
)

UNKNOWN_ENTITY = "Entity not found"
INVALID_ACCOUNT = "Register Account Model is not valid"
MAX_TOKEN_LIFETIME = 86_400.0  # seconds; limits `expires_in`

_CREDENTIAL_ERRORS = frozenset({"unauthorized", "invalid_client", "invalid_grant", "unauthorized_client"})


@dataclass(frozen=True)
class Grant:
    """A token, its refresh token, and its lifetime in seconds."""

    access_token: str
    refresh_token: str | None
    expires_in: float

    def __repr__(self) -> str:
        return "Grant(…)"


@dataclass(frozen=True)
class RawPage:
    """One page with unparsed rows. The totals are None if the partner does not send them."""

    rows: list[Any]
    total_pages: int | None
    total_rows: int | None


def grant_in(answer: Answer) -> Grant:
    """Return the token. Raises the PartnerError that the answer means."""
    operation, data = "token", {"http_status": answer.status}
    if wait := rate_limit_error(answer.partner, operation, answer):
        raise wait
    content = _object(answer)
    if _rejects_credentials(answer.status, content):
        text = f"the partner rejected the OAuth client or the login (HTTP {answer.status})"
        raise Misconfigured(answer.partner, operation, text, code=ErrorCode.CREDENTIALS_REFUSED, data=data)
    token = content.get("access_token")
    if 200 <= answer.status < 300 and isinstance(token, str) and _is_header_text(token):
        refresh_token = content.get("refresh_token")
        return Grant(
            token, refresh_token if isinstance(refresh_token, str) else None, _seconds(content.get("expires_in"))
        )
    if 400 <= answer.status < 500:
        raise interception_error(answer.partner, operation, answer)
    missing = f"the answer contains no token (HTTP {answer.status})"
    raise Unavailable(answer.partner, operation, missing, code=ErrorCode.RESPONSE_INVALID, data=data)


def account_uuid_in(answer: Answer) -> str | None:
    """Return the uuid of a created account, None if the answer does not contain it.

    Raises the PartnerError that the answer means. The caller handles a 401.
    """
    operation, status = "create", answer.status
    if wait := rate_limit_error(answer.partner, operation, answer):
        raise wait
    content = _object(answer)
    if _is_html(answer):
        raise unclear_error(
            Unknown, answer.partner, operation, answer, "the answer is an HTML page", ErrorCode.PROXY_PAGE
        )
    if 200 <= status < 300:
        return _account_uuid(content)
    if 400 <= status < 500 and is_own(answer):
        if status == 409:
            exists = "the partner already has an account with this e-mail (HTTP 409)"
            raise Duplicate(
                answer.partner, operation, exists, code=ErrorCode.ACCOUNT_EXISTS, data={"http_status": status}
            )
        raise _client_error(operation, answer, content)
    if INVALID_ACCOUNT in _message(content):
        invalid = f"the partner rejected the account as not valid (HTTP {status})"
        raise Rejected(answer.partner, operation, invalid, data={"http_status": status})
    raise unclear_error(
        Unknown, answer.partner, operation, answer, "the answer does not show whether an account was created"
    )


def page_in(answer: Answer) -> RawPage:
    """Return a page of accounts. Raises the PartnerError that the answer means. The caller handles a 401."""
    operation, status = "list", answer.status
    if wait := rate_limit_error(answer.partner, operation, answer):
        raise wait
    content = answer.json()
    if 400 <= status < 500 and is_own(answer):
        raise _client_error(operation, answer, _object(answer))
    if status == 200 and isinstance(content, list):
        return RawPage(content, None, None)
    if status == 200 and isinstance(content, dict) and isinstance(content.get("content"), list):
        return RawPage(content["content"], _count(content.get("totalPages")), _count(content.get("totalElements")))
    if 400 <= status < 500:
        raise interception_error(answer.partner, operation, answer)
    missing, data = f"the answer contains no accounts (HTTP {status})", {"http_status": status}
    raise Unavailable(answer.partner, operation, missing, code=ErrorCode.RESPONSE_INVALID, data=data)


def _client_error(operation: str, answer: Answer, content: dict[str, Any]) -> PartnerError:
    """Return the error for the partner's own 4xx."""
    data = {"http_status": answer.status}
    match answer.status:
        case 404 if _message(content).startswith(UNKNOWN_ENTITY):
            text = "the partner does not have our offer or partner id (HTTP 404)"
            return Misconfigured(answer.partner, operation, text, code=ErrorCode.OFFER_REFUSED, data=data)
        case 403 | 404:
            text = f"the partner forbids this call (HTTP {answer.status})"
            return Misconfigured(answer.partner, operation, text, code=ErrorCode.FORBIDDEN, data=data)
        case 400:
            return Rejected(answer.partner, operation, "the partner rejected one of the values (HTTP 400)", data=data)
        case _:
            return rejection_error(answer.partner, operation, answer)


def _rejects_credentials(status: int, content: dict[str, Any]) -> bool:
    """Return whether it is the documented 401, or a 4xx with OAuth's code for it."""
    error = content.get("error")
    if status == 401:
        return isinstance(error, str) or _has_message(content)
    return 400 <= status < 500 and isinstance(error, str) and error in _CREDENTIAL_ERRORS


def is_own(answer: Answer) -> bool:
    """Return whether a 4xx is from the partner: it has the shape of its errors, or of OAuth's."""
    content = _object(answer)
    has_shape = _has_message(content) or isinstance(content.get("error"), str)
    return has_shape and answer.status not in TIMEOUT_STATUSES and not _is_html(answer)


def _has_message(content: dict[str, Any]) -> bool:
    """Return whether it has the shape of the partner's errors. Gateways send a `message` alone."""
    return bool(_message(content)) and bool(content.keys() & {"status", "timestamp", "printableMessage"})


def _object(answer: Answer) -> dict[str, Any]:
    content = answer.json()
    return content if isinstance(content, dict) else {}


def _message(content: dict[str, Any]) -> str:
    message = content.get("message")
    return message.strip() if isinstance(message, str) else ""


def _is_html(answer: Answer) -> bool:
    return "html" in answer.headers.get("content-type", "").lower() or answer.body.lstrip().startswith(b"<")


def _is_header_text(token: str) -> bool:
    return bool(token) and token.isascii() and token.isprintable() and " " not in token


def _seconds(value: object) -> float:
    """Return a token's lifetime; 0, enough for one call, if it is missing."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or not value > 0:
        return 0.0
    return float(min(value, Decimal(MAX_TOKEN_LIFETIME)))


def _account_uuid(content: dict[str, Any]) -> str | None:
    account = content.get("account")
    for place in (content, account if isinstance(account, dict) else {}):
        value = place.get("uuid")
        try:
            if isinstance(value, str) and (found := text(value)):
                return found
        except ValueError:
            continue
    return None


def _count(value: object) -> int | None:
    return value if type(value) is int and value >= 0 else None

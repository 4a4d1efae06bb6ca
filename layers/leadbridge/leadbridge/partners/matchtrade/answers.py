"""What Match-Trade's answers mean, call by call.

Its errors are `{"status", "timestamp", "message", "printableMessage"}`, those of its token endpoint OAuth's
`{"error", "error_description"}`. One 500 is a refusal for good, one 400 leaks SQL: no word of the partner's goes into
an error of ours. An answer of another shape is not the partner's own, whatever its status says: a proxy or a firewall
wrote it, and it is not known whether the partner processed the request.
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
from leadbridge.partners.http import TIMED_OUT, Answer, asked_to_wait, intercepted, refused
from leadbridge.partners.matchtrade.credentials import PARTNER

UNKNOWN_ENTITY = "Entity not found"
INVALID_ACCOUNT = "Register Account Model is not valid"
MAX_TOKEN_LIFE = 86_400.0  # seconds that a token is believed, whatever it says of itself

_CREDENTIALS_REFUSED = frozenset({"unauthorized", "invalid_client", "invalid_grant", "unauthorized_client"})


@dataclass(frozen=True)
class Grant:
    """A token, the one that renews it, and the seconds that it lives."""

    access_token: str
    refresh_token: str | None
    expires_in: float

    def __repr__(self) -> str:
        return "Grant(…)"


@dataclass(frozen=True)
class Listed:
    """One page as it came; the totals are None where the partner does not give them."""

    rows: list[Any]
    total_pages: int | None
    total_rows: int | None


def grant_in(answer: Answer) -> Grant:
    """The token in an answer; raises the PartnerError that it amounts to instead."""
    operation, data = "token", {"http_status": answer.status}
    if wait := asked_to_wait(PARTNER, operation, answer):
        raise wait
    content = _object(answer)
    if _refuses_credentials(answer.status, content):
        refusal = f"the partner refused the client or the login (HTTP {answer.status})"
        raise Misconfigured(PARTNER, operation, refusal, code=ErrorCode.CREDENTIALS_REFUSED, data=data)
    token = content.get("access_token")
    if 200 <= answer.status < 300 and isinstance(token, str) and _is_header_text(token):
        renewal = content.get("refresh_token")
        return Grant(token, renewal if isinstance(renewal, str) else None, _seconds(content.get("expires_in")))
    if 400 <= answer.status < 500:
        raise intercepted(PARTNER, operation, answer)
    missing = f"the answer holds no token (HTTP {answer.status})"
    raise Unavailable(PARTNER, operation, missing, code=ErrorCode.RESPONSE_INVALID, data=data)


def account_uuid_in(answer: Answer) -> str | None:
    """What a create's answer says: the account's uuid, None where it was made and its uuid is not told.

    Raises the PartnerError that it amounts to instead. A 401 is the caller's.
    """
    operation, status = "create", answer.status
    if wait := asked_to_wait(PARTNER, operation, answer):
        raise wait
    content = _object(answer)
    if _is_html(answer):
        page = f"a page came back instead of an answer (HTTP {status})"
        raise _lost(operation, answer, page, ErrorCode.PROXY_PAGE)
    if 200 <= status < 300:
        return _account_uuid(content)
    if 400 <= status < 500 and is_own(answer):
        if status == 409:
            exists = "the partner already has an account with this e-mail (HTTP 409)"
            raise Duplicate(PARTNER, operation, exists, code=ErrorCode.ACCOUNT_EXISTS, data={"http_status": status})
        raise _refusal(operation, answer, content)
    if INVALID_ACCOUNT in _message(content):
        invalid = f"the partner says that the account is not valid (HTTP {status})"
        raise Rejected(PARTNER, operation, invalid, data={"http_status": status})
    raise _lost(operation, answer, f"the answer does not tell whether an account was made (HTTP {status})")


def _lost(operation: str, answer: Answer, text: str, code: ErrorCode = ErrorCode.RESPONSE_AMBIGUOUS) -> Unknown:
    error = Unknown(PARTNER, operation, text, code=code, data={"http_status": answer.status})
    error.is_intercepted = 400 <= answer.status < 500
    return error


def page_in(answer: Answer) -> Listed:
    """The page in an answer; raises the PartnerError that it amounts to instead. A 401 is the caller's."""
    operation, status = "list", answer.status
    if wait := asked_to_wait(PARTNER, operation, answer):
        raise wait
    content = answer.json()
    if 400 <= status < 500 and is_own(answer):
        raise _refusal(operation, answer, _object(answer))
    if status == 200 and isinstance(content, list):
        return Listed(content, None, None)
    if status == 200 and isinstance(content, dict) and isinstance(content.get("content"), list):
        return Listed(content["content"], _count(content.get("totalPages")), _count(content.get("totalElements")))
    if 400 <= status < 500:
        raise intercepted(PARTNER, operation, answer)
    missing, data = f"the answer holds no accounts (HTTP {status})", {"http_status": status}
    raise Unavailable(PARTNER, operation, missing, code=ErrorCode.RESPONSE_INVALID, data=data)


def _refusal(operation: str, answer: Answer, content: dict[str, Any]) -> PartnerError:
    """Return the error for a 4xx of the partner's own."""
    data = {"http_status": answer.status}
    match answer.status:
        case 404 if _message(content).startswith(UNKNOWN_ENTITY):
            text = "the partner does not know our offer or partner id (HTTP 404)"
            return Misconfigured(PARTNER, operation, text, code=ErrorCode.OFFER_UNKNOWN, data=data)
        case 403 | 404:
            text = f"the partner does not let us do this (HTTP {answer.status})"
            return Misconfigured(PARTNER, operation, text, code=ErrorCode.FORBIDDEN, data=data)
        case 400:
            return Rejected(PARTNER, operation, "the partner cannot take one of the values (HTTP 400)", data=data)
        case _:
            return refused(PARTNER, operation, answer)


def _refuses_credentials(status: int, content: dict[str, Any]) -> bool:
    """The documented 401, or any 4xx by which OAuth says the same."""
    error = content.get("error")
    if status == 401:
        return isinstance(error, str) or _has_message(content)
    return 400 <= status < 500 and isinstance(error, str) and error in _CREDENTIALS_REFUSED


def is_own(answer: Answer) -> bool:
    """Whether the partner itself wrote this 4xx: it has the shape of its errors, or of OAuth's."""
    content = _object(answer)
    has_shape = _has_message(content) or isinstance(content.get("error"), str)
    return has_shape and answer.status not in TIMED_OUT and not _is_html(answer)


def _has_message(content: dict[str, Any]) -> bool:
    """Whether it is `{"status", "timestamp", "message", "printableMessage"}`; gateways send a `message` alone."""
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
    """How long a token lives; 0, which is good for one call, where it is not said."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or not value > 0:
        return 0.0
    return float(min(value, Decimal(MAX_TOKEN_LIFE)))


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

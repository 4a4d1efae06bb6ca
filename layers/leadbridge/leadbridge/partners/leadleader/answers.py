"""Interpret Lead Leader's answers. Its document gives no HTTP statuses, so the body has priority.

Expect other shapes than the documented `{"error": text}`: `{"detail", "code"}` (the tokens look like Django
simplejwt's), a map of fields (`{"clientInfo": {"stateCode": ["…"]}}`), HTML, an empty body.

Only the partner's own JSON is a rejection. A 4xx without it comes from a proxy or a firewall, and the partner did not
process the request.
"""

from __future__ import annotations

from dataclasses import dataclass
from http.client import responses
from typing import Any

from leadbridge.domain.errors.error_codes import ErrorCode
from leadbridge.domain.errors.partner_errors import (
    Misconfigured,
    PartnerError,
    Rejected,
    Unauthorized,
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

GATEWAY_STATUSES = frozenset({502, 503, 504, *range(520, 531)})  # statuses of a proxy that cannot reach the partner
VALIDATION_STATUSES = frozenset({400, 409, 422})  # Django REST framework sends them with a `detail` alone
MAX_DEAL_ID = 10**18  # the table stores it without loss

AUTHORIZATION_ERRORS: dict[str, tuple[ErrorCode, str, tuple[str, ...]]] = {  # code, text, the secret's keys
    "Виникла помилка під час дешифрування": (
        ErrorCode.KEY_REFUSED,
        "the partner cannot decrypt the credentials: check the public key",
        ("partner_public_key",),
    ),
    "Виникла помилка під час перевірки підпису": (
        ErrorCode.KEY_REFUSED,
        "the partner cannot verify the signature: check the private key",
        ("private_key",),
    ),
    "Зашифровані та/або підписані дані надано невірно. Перевірте правильність наданих даних": (
        ErrorCode.KEY_REFUSED,
        "the signature does not match the encrypted credentials: check the private key",
        ("private_key",),
    ),
    "Такого користувача не існує": (
        ErrorCode.LOGIN_UNKNOWN,
        "the partner does not have a user with this e-mail",
        ("email",),
    ),
    "Пароль невірний": (ErrorCode.PASSWORD_WRONG, "the password is wrong", ("password",)),
}
_FIELDS = {
    "PIB": "full_name",
    "telephone": "phone",
    "stateCode": "tax_number",
    "activity": "activity",
    "email": "email",
    "city": "city",
    "region": "region",
    "termin": "term",
    "summa": "amount",
}


@dataclass(frozen=True)
class Tokens:
    """A pair of one-time tokens, valid for one create or one status call."""

    access: str
    security: str

    def __repr__(self) -> str:
        return "Tokens(…)"


def tokens_in(answer: Answer) -> Tokens:
    """Return the tokens of an authorization. Raises the PartnerError that the answer means."""
    operation, data = "authorize", {"http_status": answer.status}
    content = _object(answer)
    if wait := rate_limit_error(answer.partner, operation, answer):
        raise wait
    if "error" in content and not _is_reason_phrase(answer, content):
        words = " ".join(str(content["error"]).split())
        if words in AUTHORIZATION_ERRORS:
            code, meaning, keys = AUTHORIZATION_ERRORS[words]
            raise Misconfigured(answer.partner, operation, meaning, code=code, data={"fields": list(keys)})
        raise Unavailable(answer.partner, operation, f"authorization failed (HTTP {answer.status})", data=data)
    if 400 <= answer.status < 500:
        raise interception_error(answer.partner, operation, answer)
    access, security = content.get("access_token"), content.get("security_token")
    if answer.status == 200 and isinstance(access, str) and isinstance(security, str) and access and security:
        return Tokens(access, security)
    missing = f"the answer contains no tokens (HTTP {answer.status})"
    raise Unavailable(answer.partner, operation, missing, code=ErrorCode.RESPONSE_INVALID, data=data)


def deal_id_in(answer: Answer) -> int:
    """Return the id of a created deal. Raises the PartnerError that the answer means."""
    operation = "create"
    content = _object(answer)
    if error := _not_processed(operation, answer, content):
        raise error
    is_rejection, deal_id = _is_rejection(answer, content), content.get("deal_id")
    if not is_rejection and 200 <= answer.status < 300 and type(deal_id) is int and 0 < deal_id < MAX_DEAL_ID:
        return deal_id
    if "deal_id" not in content:
        if is_rejection:
            raise _rejection(operation, answer, content)
        if _is_intercepted(answer, content):
            raise interception_error(answer.partner, operation, answer)
    raise unclear_error(
        Unknown, answer.partner, operation, answer, "the answer does not show whether a deal was created"
    )


def status_in(answer: Answer) -> str:
    """Return the status of a deal. Raises the PartnerError that the answer means."""
    operation = "status"
    content = _object(answer)
    if error := _not_processed(operation, answer, content):
        raise error
    if _is_rejection(answer, content):
        raise _rejection(operation, answer, content)
    if _is_intercepted(answer, content):
        raise interception_error(answer.partner, operation, answer)
    status = content.get("status")
    try:
        clean = text(status) if isinstance(status, str) else None
    except ValueError:
        clean = None
    if answer.status == 200 and clean is not None:
        return clean
    missing = "the answer contains no status"
    raise unclear_error(Unavailable, answer.partner, operation, answer, missing, ErrorCode.RESPONSE_INVALID)


def is_own(answer: Answer) -> bool:
    """Return whether the answer is from the partner: JSON in one of the shapes of its rejections."""
    return _is_rejection(answer, content := _object(answer)) or _is_token_refused(content)


def _is_rejection(answer: Answer, content: dict[str, Any]) -> bool:
    if answer.status in TIMEOUT_STATUSES or answer.status in GATEWAY_STATUSES:
        return False
    if "error" in content:
        return not _is_reason_phrase(answer, content)
    return 400 <= answer.status < 500 and (_has_reason(answer, content) or bool(_rejected_fields(content)))


def _is_reason_phrase(answer: Answer, content: dict[str, Any]) -> bool:
    """Return whether the error is HTTP's own name of the status, as gateways write it: `{"error": "Forbidden"}`."""
    return str(content["error"]).strip().casefold() == responses.get(answer.status, "").casefold() != ""


def _has_reason(answer: Answer, content: dict[str, Any]) -> bool:
    """Return whether it is `{"detail", "code"}`, or a `detail` alone with a status of failed validation."""
    return "detail" in content and ("code" in content or answer.status in VALIDATION_STATUSES)


def _is_intercepted(answer: Answer, content: dict[str, Any]) -> bool:
    is_client_error = 400 <= answer.status < 500 and answer.status not in TIMEOUT_STATUSES
    return is_client_error and not _is_rejection(answer, content)


def _object(answer: Answer) -> dict[str, Any]:
    content = answer.json()
    return content if isinstance(content, dict) else {}


def _not_processed(operation: str, answer: Answer, content: dict[str, Any]) -> PartnerError | None:
    if answer.status == 401 or (400 <= answer.status < 500 and _is_token_refused(content)):
        refused = f"the one-time token was refused (HTTP {answer.status})"
        error = Unauthorized(answer.partner, operation, refused, data={"http_status": answer.status})
        error.is_intercepted = not content.keys() & {"code", "detail", "error"}
        return error
    return rate_limit_error(answer.partner, operation, answer)


def _rejection(operation: str, answer: Answer, content: dict[str, Any]) -> Rejected:
    """Return the error for a rejection. It names the known fields, and contains no text of the partner's."""
    return rejection_error(
        answer.partner,
        operation,
        answer,
        [ours for theirs, ours in _FIELDS.items() if theirs in _rejected_fields(content)],
    )


def _is_token_refused(content: dict[str, Any]) -> bool:
    return content.get("code") == "token_not_valid"


def _rejected_fields(content: dict[str, Any]) -> set[str]:
    """Return the rejected fields: fields of a request, and Django REST framework's `non_field_errors`."""
    inner = content.get("clientInfo")
    named = {**content, **(inner if isinstance(inner, dict) else {})}
    known = {"clientInfo", "non_field_errors", *_FIELDS}
    return {name for name, reasons in named.items() if name in known and isinstance(reasons, list | dict | str)}

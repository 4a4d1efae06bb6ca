"""What Lead Leader's answers mean. Its document names no HTTP statuses, so the body decides first.

Other shapes than the documented `{"error": text}` are to be expected: `{"detail", "code"}` (the tokens look like Django
simplejwt's), a map of fields (`{"clientInfo": {"stateCode": ["…"]}}`), HTML, nothing at all.

Only the partner's own JSON is a refusal. A 4xx without it comes from a proxy or a firewall, and the partner did not
process the request.
"""

from __future__ import annotations

from dataclasses import dataclass
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
from leadbridge.partners.http import TIMED_OUT, Answer, asked_to_wait, intercepted, refused

PARTNER = "leadleader"
GATEWAY = frozenset({502, 503, 504, *range(520, 531)})  # statuses of a proxy that cannot reach the partner
REFUSED_DATA = frozenset({400, 409, 422})  # statuses with which Django REST framework sends a `detail` alone
LARGEST_ID = 10**18  # what the table can surely keep

AUTHORIZATION_ERRORS: dict[str, tuple[ErrorCode, str, tuple[str, ...]]] = {  # code, text, the secret's keys
    "Виникла помилка під час дешифрування": (
        ErrorCode.KEY_REFUSED,
        "the encrypted credentials cannot be decrypted: wrong public key?",
        ("partner_public_key",),
    ),
    "Виникла помилка під час перевірки підпису": (
        ErrorCode.KEY_REFUSED,
        "the signature is malformed: wrong private key?",
        ("private_key",),
    ),
    "Зашифровані та/або підписані дані надано невірно. Перевірте правильність наданих даних": (
        ErrorCode.KEY_REFUSED,
        "the signed credentials are not the encrypted ones: wrong private key?",
        ("private_key",),
    ),
    "Такого користувача не існує": (ErrorCode.LOGIN_UNKNOWN, "the e-mail is unknown to the partner", ("email",)),
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
    """A pair of one-time tokens: good for one create or one status call."""

    access: str
    security: str

    def __repr__(self) -> str:
        return "Tokens(…)"


def tokens_in(answer: Answer) -> Tokens:
    """The tokens in an authorization's answer; raises the PartnerError that it amounts to instead."""
    operation, data = "authorize", {"http_status": answer.status}
    content = _object(answer)
    if wait := asked_to_wait(PARTNER, operation, answer):
        raise wait
    if "error" in content:
        words = " ".join(str(content["error"]).split())
        if words in AUTHORIZATION_ERRORS:
            code, meaning, keys = AUTHORIZATION_ERRORS[words]
            raise Misconfigured(PARTNER, operation, meaning, code=code, data={"fields": list(keys)})
        raise Unavailable(PARTNER, operation, f"authorization failed (HTTP {answer.status})", data=data)
    if 400 <= answer.status < 500 and answer.status not in TIMED_OUT:
        raise intercepted(PARTNER, operation, answer)
    access, security = content.get("access_token"), content.get("security_token")
    if answer.status == 200 and isinstance(access, str) and isinstance(security, str) and access and security:
        return Tokens(access, security)
    missing = f"authorization brought no tokens (HTTP {answer.status})"
    raise Unavailable(PARTNER, operation, missing, code=ErrorCode.RESPONSE_INVALID, data=data)


def deal_id_in(answer: Answer) -> int:
    """The id in a create's answer; raises the PartnerError that it amounts to instead."""
    operation = "create"
    content = _object(answer)
    if error := _not_processed(operation, answer, content):
        raise error
    refused, deal_id = _is_refusal(answer, content), content.get("deal_id")
    if not refused and 200 <= answer.status < 300 and type(deal_id) is int and 0 < deal_id < LARGEST_ID:
        return deal_id
    if "deal_id" not in content:
        if refused:
            raise _refusal(operation, answer, content)
        if _is_intercepted(answer, content):
            raise intercepted(PARTNER, operation, answer)
    unclear = f"the answer does not tell whether a deal was made (HTTP {answer.status})"
    raise Unknown(PARTNER, operation, unclear, data={"http_status": answer.status})


def status_in(answer: Answer) -> str:
    """The status in a check's answer; raises the PartnerError that it amounts to instead."""
    operation = "status"
    content = _object(answer)
    if error := _not_processed(operation, answer, content):
        raise error
    if _is_refusal(answer, content):
        raise _refusal(operation, answer, content)
    if _is_intercepted(answer, content):
        raise intercepted(PARTNER, operation, answer)
    status = content.get("status")
    try:
        clean = text(status) if isinstance(status, str) else None
    except ValueError:
        clean = None
    if answer.status == 200 and clean is not None:
        return clean
    missing, data = f"the answer holds no status (HTTP {answer.status})", {"http_status": answer.status}
    raise Unavailable(PARTNER, operation, missing, code=ErrorCode.RESPONSE_INVALID, data=data)


def is_own(answer: Answer) -> bool:
    """Whether the partner itself wrote this answer: it is JSON in one of the shapes that its refusals have."""
    return _is_refusal(answer, content := _object(answer)) or _is_token_refused(content)


def _is_refusal(answer: Answer, content: dict[str, Any]) -> bool:
    if answer.status in TIMED_OUT or answer.status in GATEWAY:
        return False
    if "error" in content:
        return True
    return 400 <= answer.status < 500 and (_has_reason(answer, content) or bool(_refused_fields(content)))


def _has_reason(answer: Answer, content: dict[str, Any]) -> bool:
    """Whether it is `{"detail", "code"}`; a `detail` alone is about the request's data with a few statuses only."""
    return "detail" in content and ("code" in content or answer.status in REFUSED_DATA)


def _is_intercepted(answer: Answer, content: dict[str, Any]) -> bool:
    is_refused = 400 <= answer.status < 500 and answer.status not in TIMED_OUT
    return is_refused and not _is_refusal(answer, content)


def _object(answer: Answer) -> dict[str, Any]:
    content = answer.json()
    return content if isinstance(content, dict) else {}


def _not_processed(operation: str, answer: Answer, content: dict[str, Any]) -> PartnerError | None:
    if answer.status == 401 or (400 <= answer.status < 500 and _is_token_refused(content)):
        refused = f"the one-time token was refused (HTTP {answer.status})"
        return Unauthorized(PARTNER, operation, refused, data={"http_status": answer.status})
    return asked_to_wait(PARTNER, operation, answer)


def _refusal(operation: str, answer: Answer, content: dict[str, Any]) -> Rejected:
    """Return the error for a refusal. It names the fields that we know, and none of the partner's text."""
    return refused(
        PARTNER, operation, answer, [ours for theirs, ours in _FIELDS.items() if theirs in _refused_fields(content)]
    )


def _is_token_refused(content: dict[str, Any]) -> bool:
    return content.get("code") == "token_not_valid"


def _refused_fields(content: dict[str, Any]) -> set[str]:
    """The names in a map of refused fields: those of a request, and Django REST framework's `non_field_errors`."""
    inner = content.get("clientInfo")
    named = {**content, **(inner if isinstance(inner, dict) else {})}
    known = {"clientInfo", "non_field_errors", *_FIELDS}
    return {name for name, reasons in named.items() if name in known and isinstance(reasons, list | dict | str)}

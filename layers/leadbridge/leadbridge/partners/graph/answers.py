"""Interpret Graph's answers. Most errors have HTTP 400 and differ in `error.code`.

The codes are from Meta's pages "Handling Errors" and "Rate Limiting". The messages are not parsed.
"""

from __future__ import annotations

from typing import Any

from leadbridge.domain.errors.error_codes import ErrorCode
from leadbridge.domain.errors.partner_errors import Misconfigured, PartnerError, RateLimited, Unavailable
from leadbridge.partners.http import Answer, interception_error, rate_limit_error

PARTNER, OPERATION = "graph", "lead"

TEMPORARY_CODES = frozenset({1, 2})
RATE_LIMIT_CODES = frozenset({4, 17, 32, 341, 368, 613, *range(80_000, 80_015)})
TOKEN_CODES = frozenset({102, 104, 190})
PERMISSION_CODES = frozenset({3, 10, *range(200, 300)})


def lead_in(answer: Answer, leadgen_id: str) -> dict[str, Any]:
    """Return the lead. Raises the PartnerError that the answer means."""
    found = answer.json()
    content: dict[str, Any] = found if isinstance(found, dict) else {}
    if wait := rate_limit_error(PARTNER, OPERATION, answer):
        raise wait
    if 400 <= answer.status < 500 and not is_own(answer):
        raise interception_error(PARTNER, OPERATION, answer)
    if answer.status != 200 or "error" in content:
        raise _error(answer, content.get("error"))
    if str(content.get("id")) == leadgen_id and isinstance(content.get("field_data"), list):
        return content
    raise Unavailable(PARTNER, OPERATION, "the answer contains no lead", code=ErrorCode.RESPONSE_INVALID)


def is_own(answer: Answer) -> bool:
    """Return whether a 4xx is from Graph, whose errors are JSON objects."""
    return isinstance(answer.json(), dict)


def _error(answer: Answer, error: object) -> PartnerError:
    fields = error if isinstance(error, dict) else {}
    code, subcode = _number(fields.get("code")), _number(fields.get("error_subcode"))
    details = f"HTTP {answer.status}" + ("" if code is None else f", code {code}")
    details += "" if subcode is None else f", subcode {subcode}"
    numbers = {"http_status": answer.status, "graph_code": code, "graph_subcode": subcode}
    data = {name: number for name, number in numbers.items() if number is not None}
    if code in RATE_LIMIT_CODES:
        return RateLimited(PARTNER, OPERATION, f"too many calls ({details})", data=data, retry_after=answer.retry_after)
    is_client_error = 400 <= answer.status < 500 and answer.status not in {408, 425}
    if code in TEMPORARY_CODES or (code is None and not is_client_error) or answer.status >= 500:
        return Unavailable(PARTNER, OPERATION, f"Graph could not answer ({details})", data=data)
    if code in TOKEN_CODES or answer.status == 401:
        error_code, text = ErrorCode.CREDENTIALS_REFUSED, "Graph rejected the access token"
    elif code in PERMISSION_CODES or answer.status == 403:
        error_code, text = ErrorCode.FORBIDDEN, "the access token has no permission to read leads"
    elif (code, subcode) == (100, 33):
        error_code, text = ErrorCode.LEAD_NOT_VISIBLE, "the lead does not exist or is not visible to us"
    else:
        error_code, text = ErrorCode.REQUEST_REFUSED, "Graph rejected the request"
    return Misconfigured(PARTNER, OPERATION, f"{text} ({details})", code=error_code, data=data)


def _number(value: object) -> int | None:
    return value if type(value) is int and abs(value) < 10**9 else None

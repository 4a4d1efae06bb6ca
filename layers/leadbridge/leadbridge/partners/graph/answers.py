"""What Graph's answers mean. It answers most errors with HTTP 400 and tells them apart by `error.code`.

The codes are those of Meta's "Handling Errors" and "Rate Limiting"; its words are never looked at.
"""

from __future__ import annotations

from typing import Any

from leadbridge.domain.errors.error_codes import ErrorCode
from leadbridge.domain.errors.partner_errors import Misconfigured, PartnerError, RateLimited, Unavailable
from leadbridge.partners.http import Answer, asked_to_wait, intercepted

PARTNER, OPERATION = "graph", "lead"

PASSING = frozenset({1, 2})  # Meta's own trouble
TOO_MANY_CALLS = frozenset({4, 17, 32, 341, 368, 613, *range(80_000, 80_015)})
TOKEN = frozenset({102, 104, 190})
PERMISSION = frozenset({3, 10, *range(200, 300)})


def lead_in(answer: Answer, leadgen_id: str) -> dict[str, Any]:
    """The lead in an answer; raises the PartnerError that it amounts to instead."""
    found = answer.json()
    content: dict[str, Any] = found if isinstance(found, dict) else {}
    if wait := asked_to_wait(PARTNER, OPERATION, answer):
        raise wait
    if 400 <= answer.status < 500 and not is_own(answer):
        raise intercepted(PARTNER, OPERATION, answer)
    if answer.status != 200 or "error" in content:
        raise _refusal(answer, content.get("error"))
    if str(content.get("id")) == leadgen_id and isinstance(content.get("field_data"), list):
        return content
    raise Unavailable(PARTNER, OPERATION, "the answer holds no lead", code=ErrorCode.RESPONSE_INVALID)


def is_own(answer: Answer) -> bool:
    """Whether Graph itself wrote this 4xx: each of its refusals is a JSON object."""
    return isinstance(answer.json(), dict)


def _refusal(answer: Answer, error: object) -> PartnerError:
    told = error if isinstance(error, dict) else {}
    code, subcode = _number(told.get("code")), _number(told.get("error_subcode"))
    which = f"HTTP {answer.status}" + ("" if code is None else f", code {code}")
    which += "" if subcode is None else f", subcode {subcode}"
    numbers = {"http_status": answer.status, "graph_code": code, "graph_subcode": subcode}
    data = {name: number for name, number in numbers.items() if number is not None}
    if code in TOO_MANY_CALLS:
        return RateLimited(PARTNER, OPERATION, f"too many calls ({which})", data=data, retry_after=answer.retry_after)
    is_refusal = 400 <= answer.status < 500 and answer.status not in {408, 425}
    if code in PASSING or (code is None and not is_refusal) or answer.status >= 500:
        return Unavailable(PARTNER, OPERATION, f"Graph could not answer ({which})", data=data)
    if code in TOKEN or answer.status == 401:
        wrong, meaning = ErrorCode.CREDENTIALS_REFUSED, "the access token is not taken"
    elif code in PERMISSION or answer.status == 403:
        wrong, meaning = ErrorCode.FORBIDDEN, "the access token may not read leads"
    elif (code, subcode) == (100, 33):
        wrong, meaning = ErrorCode.LEAD_NOT_VISIBLE, "the lead is not there, or is not shown to us"
    else:
        wrong, meaning = ErrorCode.REQUEST_REFUSED, "Graph does not take the request"
    return Misconfigured(PARTNER, OPERATION, f"{meaning} ({which})", code=wrong, data=data)


def _number(value: object) -> int | None:
    return value if type(value) is int and abs(value) < 10**9 else None

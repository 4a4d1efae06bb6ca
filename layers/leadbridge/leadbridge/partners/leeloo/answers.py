"""What Leeloo's answers mean: success is 2xx and JSON and `status == 1`, and nothing else is.

A refusal is `{"status": 0, "error": {"fields": {name: word}, "code": word}}` at an HTTP status that nobody documents,
and rate limiting is a line of plain text. A 4xx without that envelope comes from a proxy or a firewall, and Leeloo did
not process the call.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from leadbridge.domain.errors.error_codes import ErrorCode
from leadbridge.domain.errors.partner_errors import (
    PartnerError,
    RateLimited,
    Rejected,
    Unauthorized,
    Unavailable,
    Unknown,
)
from leadbridge.partners.http import TIMED_OUT, Answer, asked_to_wait, intercepted, refused

PARTNER = "leeloo"

_AUTHORIZATION = "authToken"
_RATE_LIMIT = b"too many requests"


class NotFound(Rejected):
    """There is no such person, account, order or whatever the address names."""

    default_code = ErrorCode.NOT_FOUND


@dataclass(frozen=True)
class Reply:
    """A success. `lost` is what it means to the call if the reply cannot be read after all."""

    operation: str
    data: Any
    meta: dict[str, Any]
    included: dict[str, Any]
    lost: type[Unavailable | Unknown]

    def one[M: BaseModel](self, model: type[M], **more: object) -> M:
        """`data` as this model, `more` fields laid over it. Raises `lost` where it lacks its id."""
        if isinstance(self.data, dict):
            try:
                return model.model_validate({**self.data, **more})
            except ValidationError:
                pass
        raise self._lacking("the answer lacks what was asked for")

    def many[M: BaseModel](self, model: type[M], name: str | None = None) -> tuple[M, ...]:
        """The rows of `data`, or of its list `name`; a row without its id is left out."""
        return readable(model, self.rows(name))

    def rows(self, name: str | None = None) -> list[Any]:
        """`data`, or its list `name`, as it came. Raises `lost` where there is none."""
        data = self.data.get(name) if isinstance(self.data, dict) and name is not None else self.data
        if not isinstance(data, list):
            raise self._lacking("the answer lacks the list that was asked for")
        return data

    def _lacking(self, text: str) -> Unavailable | Unknown:
        return self.lost(PARTNER, self.operation, text, code=ErrorCode.RESPONSE_INVALID)


def readable[M: BaseModel](model: type[M], rows: object) -> tuple[M, ...]:
    """Those of the rows that can be read as the model; none where it is no list."""
    found = []
    for row in rows if isinstance(rows, list) else ():
        try:
            found.append(model.model_validate(row))
        except ValidationError:
            continue
    return tuple(found)


def reply_in(
    answer: Answer, operation: str, lost: type[Unavailable | Unknown], known_fields: Collection[str] = ()
) -> Reply:
    """The reply in an answer; raises the PartnerError that it amounts to instead, `lost` where nobody can tell.

    Of the fields that a refusal is about, the error's text names those of `known_fields`.
    """
    content = answer.json()
    envelope = content if isinstance(content, dict) else {}
    if error := _not_processed(answer, envelope, operation):
        raise error
    status = envelope.get("status")
    fine = 200 <= answer.status < 300
    if fine and _is(1, status):
        return Reply(operation, envelope.get("data"), _object(envelope, "meta"), _included(envelope), lost)
    is_refused = 400 <= answer.status < 500 and answer.status not in TIMED_OUT
    data = {"http_status": answer.status}
    if is_refused and not is_own(answer):
        raise intercepted(PARTNER, operation, answer)
    if answer.status == 404:
        raise NotFound(PARTNER, operation, "the partner knows no such thing (HTTP 404)", data={"http_status": 404})
    if is_refused or (fine and _is(0, status)):
        raise refused(PARTNER, operation, answer, _refused_fields(envelope).intersection(known_fields))
    unclear = f"the answer does not tell what became of the call (HTTP {answer.status})"
    raise lost(PARTNER, operation, unclear, code=ErrorCode.RESPONSE_AMBIGUOUS, data=data)


def is_own(answer: Answer) -> bool:
    """Whether the partner itself wrote this answer: it is the envelope that all of its answers have."""
    content = answer.json()
    return isinstance(content, dict) and (_is(0, content.get("status")) or isinstance(content.get("error"), dict))


def _not_processed(answer: Answer, envelope: dict[str, Any], operation: str) -> PartnerError | None:
    if not envelope and answer.body.lstrip(b'" \r\n\t').lower().startswith(_RATE_LIMIT):
        text = f"the partner asked us to slow down (HTTP {answer.status})"
        data = {"http_status": answer.status}
        return RateLimited(PARTNER, operation, text, data=data, retry_after=answer.retry_after)
    if wait := asked_to_wait(PARTNER, operation, answer):
        return wait
    if answer.status == 401 or (_is(0, envelope.get("status")) and _AUTHORIZATION in _refused_fields(envelope)):
        text = f"the token was refused (HTTP {answer.status})"
        return Unauthorized(PARTNER, operation, text, data={"http_status": answer.status})
    return None


def _is(number: int, status: object) -> bool:
    return not isinstance(status, bool) and status == number


def _object(envelope: dict[str, Any], name: str) -> dict[str, Any]:
    value = envelope.get(name)
    return value if isinstance(value, dict) else {}


def _included(envelope: dict[str, Any]) -> dict[str, Any]:
    """What else the reply holds: `included` everywhere but in a tunnel's, where it is `linked`."""
    return _object(envelope, "included") or _object(envelope, "linked")


def _refused_fields(envelope: dict[str, Any]) -> set[str]:
    fields = _object(envelope, "error").get("fields")
    return {name for name in fields if isinstance(name, str)} if isinstance(fields, dict | list) else set()

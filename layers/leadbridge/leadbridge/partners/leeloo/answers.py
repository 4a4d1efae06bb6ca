"""Interpret Leeloo's answers. Only a 2xx with a JSON body and `status == 1` is a success.

A rejection is `{"status": 0, "error": {"fields": {name: word}, "code": word}}` with an undocumented HTTP status. A rate
limit is a line of plain text. A 4xx without the envelope comes from a proxy or a firewall: Leeloo did not process the
call.
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
from leadbridge.partners.http import (
    TIMEOUT_STATUSES,
    Answer,
    interception_error,
    rate_limit_error,
    rejection_error,
    unclear_error,
)

PARTNER = "leeloo"

_AUTHORIZATION = "authToken"
_RATE_LIMIT = b"too many requests"


class NotFound(Rejected):
    """The resource that the route names does not exist."""

    default_code = ErrorCode.NOT_FOUND


@dataclass(frozen=True)
class Reply:
    """A success. `lost` is the error to raise if its data cannot be parsed."""

    operation: str
    data: Any
    meta: dict[str, Any]
    included: dict[str, Any]
    lost: type[Unavailable | Unknown]

    def one[M: BaseModel](self, model: type[M], **overrides: object) -> M:
        """Parse `data`, with `overrides`, as the model. Raises `lost` if the id is missing."""
        if isinstance(self.data, dict):
            try:
                return model.model_validate({**self.data, **overrides})
            except ValidationError:
                pass
        raise self._incomplete("the answer does not contain the requested resource")

    def many[M: BaseModel](self, model: type[M], name: str | None = None) -> tuple[M, ...]:
        """Parse the rows of `data`, or of its list `name`. Rows without an id are omitted."""
        return readable(model, self.rows(name))

    def rows(self, name: str | None = None) -> list[Any]:
        """Return the unparsed rows of `data`, or of its list `name`. Raises `lost` if there is no list."""
        data = self.data.get(name) if isinstance(self.data, dict) and name is not None else self.data
        if not isinstance(data, list):
            raise self._incomplete("the answer does not contain the requested list")
        return data

    def _incomplete(self, text: str) -> Unavailable | Unknown:
        return self.lost(PARTNER, self.operation, text, code=ErrorCode.RESPONSE_INVALID)


def readable[M: BaseModel](model: type[M], rows: object) -> tuple[M, ...]:
    """Parse rows as the model. Rows that cannot be parsed are omitted; not a list means no rows."""
    parsed = []
    for row in rows if isinstance(rows, list) else ():
        try:
            parsed.append(model.model_validate(row))
        except ValidationError:
            continue
    return tuple(parsed)


def reply_in(
    answer: Answer, operation: str, lost: type[Unavailable | Unknown], known_fields: Collection[str] = ()
) -> Reply:
    """Return the reply. Raises the PartnerError that the answer means, `lost` if the outcome is unclear.

    The error text names only those rejected fields that are in `known_fields`.
    """
    content = answer.json()
    envelope = content if isinstance(content, dict) else {}
    if error := _not_processed(answer, envelope, operation):
        raise error
    status = envelope.get("status")
    fine = 200 <= answer.status < 300
    if fine and _is(1, status):
        return Reply(operation, envelope.get("data"), _object(envelope, "meta"), _included(envelope), lost)
    is_client_error = 400 <= answer.status < 500 and answer.status not in TIMEOUT_STATUSES
    if is_client_error and not is_own(answer):
        raise interception_error(PARTNER, operation, answer)
    if answer.status == 404:
        raise NotFound(
            PARTNER, operation, "the partner does not have this resource (HTTP 404)", data={"http_status": 404}
        )
    if is_client_error or (fine and _is(0, status)):
        raise rejection_error(PARTNER, operation, answer, _rejected_fields(envelope).intersection(known_fields))
    unclear = "the answer does not show whether the call was processed"
    raise unclear_error(lost, PARTNER, operation, answer, unclear, ErrorCode.RESPONSE_AMBIGUOUS)


def is_own(answer: Answer) -> bool:
    """Return whether the answer is from the partner: it has the envelope of the partner's errors."""
    content = answer.json()
    return isinstance(content, dict) and (_is(0, content.get("status")) or isinstance(content.get("error"), dict))


def _not_processed(answer: Answer, envelope: dict[str, Any], operation: str) -> PartnerError | None:
    if not envelope and answer.body.lstrip(b'" \r\n\t').lower().startswith(_RATE_LIMIT):
        text = f"the partner limits the rate of calls (HTTP {answer.status})"
        data = {"http_status": answer.status}
        return RateLimited(PARTNER, operation, text, data=data, retry_after=answer.retry_after)
    if wait := rate_limit_error(PARTNER, operation, answer):
        return wait
    if answer.status == 401 or (_is(0, envelope.get("status")) and _AUTHORIZATION in _rejected_fields(envelope)):
        text = f"the partner rejected the token (HTTP {answer.status})"
        error = Unauthorized(PARTNER, operation, text, data={"http_status": answer.status})
        error.is_intercepted = not is_own(answer)
        return error
    return None


def _is(number: int, status: object) -> bool:
    return not isinstance(status, bool) and status == number


def _object(envelope: dict[str, Any], name: str) -> dict[str, Any]:
    value = envelope.get(name)
    return value if isinstance(value, dict) else {}


def _included(envelope: dict[str, Any]) -> dict[str, Any]:
    """Return the included resources. A tunnel's reply calls them `linked`."""
    return _object(envelope, "included") or _object(envelope, "linked")


def _rejected_fields(envelope: dict[str, Any]) -> set[str]:
    fields = _object(envelope, "error").get("fields")
    return {name for name in fields if isinstance(name, str)} if isinstance(fields, dict | list) else set()

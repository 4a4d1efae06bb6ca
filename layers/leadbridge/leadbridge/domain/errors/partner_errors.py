"""The errors of calls to partners, by what a flow does about them.

PartnerError
├── Rejected        the partner processed the request and rejected it permanently
├── Duplicate       the partner has this already; nothing was created
├── Misconfigured   our credentials or settings are wrong; a person must correct them
├── Unauthorized    a token was refused; the request was not processed
├── RateLimited     too many requests; the request was not processed
├── Unavailable     the request was definitely not processed; it can be repeated
└── Unknown         the request was sent, and it is not known whether it was processed
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Self

from leadbridge.domain.errors.error_codes import ErrorCode, ErrorInfo


class PartnerError(Exception):
    """A call to a partner that did not succeed.

    `text` can be stored, shown and logged: it never contains the partner's raw text or personal data. `code` is the
    error for programs, and `data` holds the facts: `http_status`, `fields`, `retry_after`. `retry_after` is the wait in
    seconds that the partner requires. `is_intercepted`: a proxy or a firewall replied instead of the partner.
    """

    kind: ClassVar[str] = "partner_error"
    default_code: ClassVar[ErrorCode] = ErrorCode.UNAVAILABLE
    is_intercepted: bool = False

    def __init__(
        self,
        partner: str,
        operation: str,
        text: str,
        *,
        code: ErrorCode | None = None,
        data: Mapping[str, Any] | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(f"{partner} {operation}: {text}")
        self.partner = partner
        self.operation = operation
        self.text = text
        self.code = self.default_code if code is None else code
        self.data = dict(data or {})
        self.retry_after = retry_after
        if retry_after is not None:
            self.data["retry_after"] = math.ceil(retry_after)

    @classmethod
    def of(cls, error: PartnerError) -> Self:
        """Return the same error as an instance of this class."""
        same = cls(
            error.partner, error.operation, error.text, code=error.code, data=error.data, retry_after=error.retry_after
        )
        same.is_intercepted = error.is_intercepted
        return same

    @property
    def info(self) -> ErrorInfo:
        """The error as it is stored."""
        return ErrorInfo(self.code, self.text, self.data)


class Rejected(PartnerError):
    """The partner rejected the request. A retry would be rejected again."""

    kind = "rejected"
    default_code = ErrorCode.REJECTED


class Duplicate(PartnerError):
    """The partner has this already, from us or from another source. A retry would create nothing."""

    kind = "duplicate"
    default_code = ErrorCode.DUPLICATE


class Misconfigured(PartnerError):
    """Credentials, keys or settings are wrong; a retry is useless until a person corrects them.

    `certain` is False if the credentials may have changed in the last few seconds.
    """

    kind = "misconfigured"
    default_code = ErrorCode.MISCONFIGURED

    def __init__(
        self,
        partner: str,
        operation: str,
        text: str,
        *,
        code: ErrorCode | None = None,
        data: Mapping[str, Any] | None = None,
        retry_after: float | None = None,
        certain: bool = True,
    ) -> None:
        super().__init__(partner, operation, text, code=code, data=data, retry_after=retry_after)
        self.certain = certain


class Unauthorized(PartnerError):
    """A token was refused before the request was processed."""

    kind = "unauthorized"
    default_code = ErrorCode.TOKEN_REFUSED


class RateLimited(PartnerError):
    """The partner limits the rate of requests; the request was not processed."""

    kind = "rate_limited"
    default_code = ErrorCode.RATE_LIMITED


class Unavailable(PartnerError):
    """The request was definitely not processed: it was not sent, or the partner's reply says so."""

    kind = "unavailable"


class Unknown(PartnerError):
    """The request was sent, and no reply shows whether it was processed."""

    kind = "unknown"
    default_code = ErrorCode.RESPONSE_AMBIGUOUS


# The codes of errors that show that a partner is away, overloaded or broken. Others are about one lead, or about us.
OUTAGE_CODES = frozenset(
    {
        ErrorCode.UNREACHABLE,
        ErrorCode.REPLY_LOST,
        ErrorCode.RESPONSE_AMBIGUOUS,
        ErrorCode.RESPONSE_INVALID,
        ErrorCode.PROXY_PAGE,
        ErrorCode.UNAVAILABLE,
        ErrorCode.RATE_LIMITED,
    }
)


def shows_outage(error: PartnerError) -> bool:
    """Return whether an error shows that the partner cannot process requests at the moment."""
    return isinstance(error, (RateLimited, Unavailable, Unknown)) and error.code in OUTAGE_CODES


def secret_incomplete(partner: str, operation: str, fields: list[str], *, of: str = "the secret") -> Misconfigured:
    """Return the error for a secret that lacks usable values for these keys."""
    text = f"{of} lacks a usable {', '.join(fields)}"
    return Misconfigured(partner, operation, text, code=ErrorCode.SECRET_INCOMPLETE, data={"fields": fields})

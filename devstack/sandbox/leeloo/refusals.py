"""Leeloo's errors: `{"status": 0, "error": {"fields": {"name": "REQUIRED"}, "code": "FORMAT_ERROR"}}`."""

from collections.abc import Mapping
from enum import StrEnum

from devstack.sandbox.partner import Answer

TOO_MANY_REQUESTS = "Too many requests, please try again later."


class Wrong(StrEnum):
    """The error of one field."""

    REQUIRED = "REQUIRED"
    WRONG_FORMAT = "WRONG_FORMAT"
    UNKNOWN_FIELD = "UNKNOWN_FIELD"
    NOT_FOUND = "NOT_FOUND"
    NOT_ALLOWED = "NOT_ALLOWED"


class Code(StrEnum):
    """The error of the call."""

    FORMAT_ERROR = "FORMAT_ERROR"
    ACCESS_DENIED = "ACCESS_DENIED"
    NOT_FOUND = "NOT_FOUND"
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    TOO_LARGE = "TOO_LARGE"


class Refusal(Exception):
    def __init__(self, status: int, fields: Mapping[str, Wrong], code: Code = Code.FORMAT_ERROR) -> None:
        super().__init__(code)
        self.status = status
        self.fields = dict(fields)
        self.code = code

    def answer(self) -> Answer:
        error = {"fields": self.fields, "code": self.code}
        return Answer.of(self.status, {"status": 0, "error": error}, refused=error)


def malformed(**fields: Wrong) -> Refusal:
    return Refusal(400, fields)


def not_found(field: str) -> Refusal:
    """No thing has the id in this field."""
    return Refusal(404, {field: Wrong.NOT_FOUND}, Code.NOT_FOUND)


def too_many_requests(status: int = 429, retry_after: int | None = None) -> Answer:
    """Plain text with any status. `retry_after` is in seconds."""
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return Answer(
        status, TOO_MANY_REQUESTS.encode(), "text/plain; charset=utf-8", headers, {"refused": "too many requests"}
    )

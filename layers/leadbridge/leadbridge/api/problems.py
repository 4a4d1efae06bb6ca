"""Responses of the API: JSON, and RFC 9457 problem details for errors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypedDict

from leadbridge.domain.errors.field_codes import FieldError

Response = dict[str, Any]


class FieldErrorView(TypedDict):
    """A problem or a warning about one field. `message` is for people; compare `code`."""

    field: str
    code: str
    message: str


def field_error_view(error: FieldError) -> FieldErrorView:
    """Return a field error as the API shows it."""
    return {"field": error.field, "code": error.code.value, "message": error.message}


class Problem(Exception):
    """An error response. Title and detail must be safe to display.

    `retry_after` is in seconds. `members` are further members of the problem.
    """

    def __init__(
        self,
        status: int,
        slug: str,
        title: str,
        detail: str,
        errors: tuple[FieldError, ...] = (),
        *,
        retry_after: int | None = None,
        members: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{status} {slug}")
        self.status = status
        self.slug = slug
        self.title = title
        self.detail = detail
        self.errors = errors
        self.retry_after = retry_after
        self.members = dict(members or {})

    def response(self) -> Response:
        """Return a gateway proxy response, `application/problem+json`."""
        body: dict[str, Any] = {
            "type": f"urn:leadbridge:problem:{self.slug}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            **self.members,
        }
        if self.errors:
            body["errors"] = [field_error_view(error) for error in self.errors]
        response = _response(self.status, body, "application/problem+json")
        if self.retry_after is not None:
            response["headers"]["Retry-After"] = str(self.retry_after)
        return response


def answer(status: int, body: dict[str, Any]) -> Response:
    """Return a gateway proxy response for a success."""
    return _response(status, body, "application/json")


def no_content() -> Response:
    """Return a gateway proxy response for a success without a body."""
    return {"statusCode": 204, "headers": {"Cache-Control": "no-store"}, "body": ""}


def busy(retry_after: int = 10) -> Problem:
    """Return the problem for a transient error of AWS. `retry_after` is in seconds."""
    detail = "AWS did not answer in time. Please try again."
    return Problem(503, "busy", "Busy", detail, retry_after=retry_after)


def not_ready(detail: str, retry_after: int = 10) -> Problem:
    """Return the problem for a secret without a usable value. `retry_after` is in seconds."""
    return Problem(503, "not-ready", "Not ready", detail, retry_after=retry_after)


def internal() -> Problem:
    """Return the problem for a fault of this stack. It contains no details."""
    return Problem(500, "internal", "Internal error", "Something failed on our side. Please try again.")


def _response(status: int, body: dict[str, Any], content_type: str) -> Response:
    return {
        "statusCode": status,
        "headers": {"Content-Type": content_type, "Cache-Control": "no-store"},
        "body": json.dumps(body, ensure_ascii=False),
    }

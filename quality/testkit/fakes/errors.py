"""Errors for tests to which it does not matter what went wrong."""

from __future__ import annotations

from leadbridge.domain.errors.error_codes import ErrorCode, ErrorInfo


def some_error(text: str, code: ErrorCode = ErrorCode.UNAVAILABLE) -> ErrorInfo:
    """Return an error with this text."""
    return ErrorInfo(code, text)

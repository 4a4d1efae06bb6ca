"""Metrics and the log line of every item that a worker processes."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

from leadbridge.domain.errors.partner_errors import Misconfigured, PartnerError, RateLimited, Unknown
from leadbridge.runtime.logs import count, count_version_fault, logger


def record_outcome(
    flow: str, outcome: StrEnum, error: PartnerError | None, retry_after: timedelta | None = None
) -> None:
    """Count `{flow}.{outcome}` and the error, and log both with the time of the retry.

    An `unknown` with an error is a version-scoped fault: this worker lost the reply. One without an error was left by
    another worker.
    """
    count(f"{flow}.{outcome}")
    if error is not None and error.is_intercepted:
        count("PartnerBlocked")
    match error:
        case Misconfigured():
            count("PartnerMisconfigured")
        case RateLimited():
            count("PartnerRateLimited")
        case Unknown() if outcome == "unknown":
            count_version_fault(error)
    reason, wait = error.text if error else None, retry_after.total_seconds() if retry_after is not None else None
    logger.info("visited", outcome=outcome.value, reason=reason, again_in_seconds=wait)

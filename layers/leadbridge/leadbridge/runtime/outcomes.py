"""What every worker counts and logs of a visit, whatever it visited."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

from leadbridge.domain.partner_errors import Misconfigured, PartnerError, RateLimited, Unknown
from leadbridge.runtime.logs import count, count_version_fault, logger


def record_outcome(flow: str, outcome: StrEnum, error: PartnerError | None, again: timedelta | None = None) -> None:
    """Count `{flow}.{outcome}` and what went wrong; one line of the log says both, and when it is tried again.

    A reply that this very worker lost for good is laid to its version; an `unknown` without an error another one left.
    """
    count(f"{flow}.{outcome}")
    match error:
        case Misconfigured() | PartnerError(is_intercepted=True):
            count("PartnerMisconfigured")
        case RateLimited():
            count("PartnerRateLimited")
        case Unknown() if outcome == "unknown":
            count_version_fault(error)
    reason, wait = error.text if error else None, again.total_seconds() if again is not None else None
    logger.info("visited", outcome=outcome.value, reason=reason, again_in_seconds=wait)

"""Metrics and the log line of every item that a worker processes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from leadbridge.domain.errors.partner_errors import Misconfigured, PartnerError, RateLimited, Unknown
from leadbridge.runtime.logs import count, count_version_fault, logger

if TYPE_CHECKING:
    from leadbridge.services.worker import Result

MAX_LOGGED = 100  # leads of one outcome in a line
# Outcomes of a batch whose leads are not in the log line: nothing happened to them.
UNEVENTFUL = frozenset({"unchanged", "no_action", "not_found", "postponed", "out_of_time"})


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


def record_batch(flow: str, results: Mapping[str, Result]) -> None:
    """Count the outcomes and errors of a batch, and log them in one line with the leads to which something happened."""
    outcomes = Counter(str(result.outcome) for result in results.values())
    reasons: Counter[str] = Counter()
    for outcome, number in outcomes.items():
        count(f"{flow}.{outcome}", number)
    errors = [result.error for result in results.values() if result.error is not None]
    for error in errors:
        reasons[error.text] += 1
    if blocked := sum(error.is_intercepted for error in errors):
        count("PartnerBlocked", blocked)
    if misconfigured := sum(isinstance(error, Misconfigured) for error in errors):
        count("PartnerMisconfigured", misconfigured)
    if limited := sum(isinstance(error, RateLimited) for error in errors):
        count("PartnerRateLimited", limited)
    leads = {
        outcome: [lead_id for lead_id, result in results.items() if result.outcome == outcome][:MAX_LOGGED]
        for outcome in outcomes
        if outcome not in UNEVENTFUL
    }
    logger.info("batch processed", outcomes=dict(outcomes), leads=leads, reasons=dict(reasons))

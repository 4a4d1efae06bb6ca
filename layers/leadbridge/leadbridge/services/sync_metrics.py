"""Metrics and log lines of the account sync. They contain no personal data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from leadbridge.domain.clock import to_text
from leadbridge.domain.errors.partner_errors import Misconfigured
from leadbridge.runtime.logs import count, logger, measure, measure_of_partner
from leadbridge.services.sync_accounts import ProcessedPage, SyncOutcome, SyncReport

if TYPE_CHECKING:
    from leadbridge.domain.accounts.scan import ScanState


def record_page(page: ProcessedPage) -> None:
    """Count and log a page that was stored."""
    rows = page.counts
    count("SyncPages")
    count("SyncRows", rows.rows)
    if rows.written:
        count("AccountsWritten", rows.written)
    if rows.linked:
        count("AccountsLinked", rows.linked)
    if rows.changed:
        count("StatusesChanged", rows.changed)
    if rows.without_id:
        count("SyncRowsWithoutId", rows.without_id)
    if rows.failed:
        count("SyncRowsFailed", rows.failed)
    logger.info(
        "page stored",
        scan=page.kind.value,
        since=to_text(page.since),
        until=to_text(page.until),
        page=page.number,
        pages=page.total_pages,
        **asdict(rows),
    )


def record_progress(states: Mapping[str, ScanState | None], now: datetime) -> None:
    """Measure how far the sync of each partner is behind, by partner, and the largest value of all partners.

    The schedule measures, not the runs: so the values also rise while no run happens. A partner that has never been
    synced has no state and does not count.
    """
    lag, age = [0.0], [0.0]
    for partner, state in states.items():
        if state is None:
            continue
        lag.append((now - state.watermark).total_seconds())
        age.append(state.history_age(now).total_seconds())
        measure_of_partner("SyncLag", lag[-1], "Seconds", partner)
        measure_of_partner("HistoryAge", age[-1], "Seconds", partner)
        measure_of_partner("HistoryProgress", round(state.history * 100, 1), "Percent", partner)
    measure("SyncLag", max(lag), "Seconds")
    measure("HistoryAge", max(age), "Seconds")


def record_run(report: SyncReport) -> None:
    """Count and log the outcome of a run."""
    if report.outcome in {SyncOutcome.LOCKED, SyncOutcome.LEASE_LOST}:
        count("SyncSkipped")
    if report.outcome is SyncOutcome.FAILED:
        count("SyncFailed")
    for window in report.skipped_windows:
        count("SyncWindowsSkipped")
        logger.warning(
            "window skipped",
            scan=window.kind.value,
            since=to_text(window.window),
            until=to_text(window.window_end),
            page=window.page,
        )
    if report.error is not None and report.error.is_intercepted:
        count("PartnerBlocked")
    if isinstance(report.error, Misconfigured):
        count("PartnerMisconfigured")
    progress: dict[str, Any] = {}
    if report.state is not None:
        state = report.state
        history = round(state.history * 100, 1)
        full_scan = None if state.full_scan_progress is None else round(state.full_scan_progress * 100, 1)
        progress = {"watermark": to_text(state.watermark), "history_percent": history, "full_scan_percent": full_scan}
    reason = report.error.text if report.error else None
    logger.info("synced", outcome=report.outcome.value, reason=reason, **progress)

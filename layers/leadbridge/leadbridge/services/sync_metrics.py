"""Metrics and log lines of the account sync. They contain no personal data."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from leadbridge.domain.clock import to_text
from leadbridge.domain.errors.partner_errors import Misconfigured
from leadbridge.runtime.logs import count, logger, measure
from leadbridge.services.sync_accounts import ProcessedPage, SyncOutcome, SyncReport


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


def record_run(report: SyncReport, now: datetime) -> None:
    """Count and log the outcome of a run, and measure how far the sync is behind."""
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
        measure("SyncLag", (now - state.watermark).total_seconds(), "Seconds")
        measure("HistoryAge", state.history_age(now).total_seconds(), "Seconds")
        measure("HistoryProgress", history, "Percent")
        full_scan = None if state.full_scan_progress is None else round(state.full_scan_progress * 100, 1)
        progress = {"watermark": to_text(state.watermark), "history_percent": history, "full_scan_percent": full_scan}
    reason = report.error.text if report.error else None
    logger.info("synced", outcome=report.outcome.value, reason=reason, **progress)

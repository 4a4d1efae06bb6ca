"""The scans of a partner's list of accounts, in windows of time, and their progress.

incremental   from the watermark minus an overlap; when it finishes, the watermark moves to its start
rolling       the accounts of the last days, in every run (not if the list filters on changes)
full          all accounts, every few hours, so that changes of old accounts are found with either filter

A scan that a run cannot finish continues in the next run at the same page. A window that several runs could not read is
skipped, so that the following ones are read. The next scan reads it again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from math import ceil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from leadbridge.settings.partners import SyncPlan


MAX_CLOCK_LEAD = timedelta(days=1)  # by which a partner's clock or time zone may be ahead of ours
MAX_PAGE_FAILURES = 3  # runs that may fail at a page before its window is skipped


class LeaseLost(Exception):
    """The lease of the sync expired and another run took it: the state of this run is outdated."""


class ScanKind(StrEnum):
    """The kind of a scan."""

    INCREMENTAL = "incremental"
    ROLLING = "rolling"
    FULL = "full"


@dataclass(frozen=True)
class SyncScan:
    """One scan of [since, until]. Its next page is `page` in the window that starts at `window`.

    Windows are `length` long and pages have `page_size` rows, as the plan had them when this window was started.
    `extent` is the number of rows in the window when it was last read, or of pages if the partner does not return the
    number of rows. `failures` counts the runs that failed since the scan reached the page `max_page`. `skipped_windows`
    counts the windows that were skipped after several failures.
    """

    kind: ScanKind
    started_at: datetime
    since: datetime
    until: datetime
    window: datetime
    length: timedelta
    page_size: int
    page: int = 0
    extent: int | None = None
    max_page: int = 0
    failures: int = 0
    skipped_windows: int = 0

    @property
    def window_end(self) -> datetime:
        """The end of the current window."""
        return min(self.window + self.length, self.until)

    def adjusted_to(self, plan: SyncPlan) -> SyncScan:
        """Return the scan under a plan. If the plan's page or window size has changed, the window starts again."""
        if (self.length, self.page_size) == (plan.window, plan.page_size):
            return self
        resized = replace(self, length=plan.window, page_size=plan.page_size)
        return replace(resized, page=0, extent=None, max_page=0, failures=0)

    def after_page(self, number: int, extent: int | None) -> SyncScan:
        """Return the scan after a page."""
        page = number + 1
        failures = 0 if page > self.max_page else self.failures
        return replace(self, page=page, extent=extent, max_page=max(page, self.max_page), failures=failures)

    def after_window(self) -> SyncScan | None:
        """Return the scan at its next window; None after the last one."""
        if self.window_end >= self.until:
            return None
        return replace(self, window=self.window_end, page=0, extent=None, max_page=0, failures=0)

    def pages_to_reread(self, extent: int | None, per_page: int) -> int:
        """Return by how many pages the rows have moved forward because rows were deleted."""
        if self.extent is None or extent is None:
            return 0
        return ceil(max(0, self.extent - extent) / max(1, per_page))

    @property
    def progress(self) -> float:
        """The part of the scan that is done, from 0 to 1."""
        return min(1.0, (self.window - self.since) / max(self.until - self.since, timedelta(seconds=1)))


@dataclass(frozen=True)
class ScanState:
    """The progress of one partner's sync.

    No account that was created before `watermark` is missing. `active_scans` have started and not finished. The first
    sync is complete once `full_scan_finished_at` is set: a full scan has finished without skipping a window. Until
    `paused_until` the partner must not be called (Retry-After).
    """

    watermark: datetime
    first_run_at: datetime | None = None
    active_scans: Mapping[ScanKind, SyncScan] = field(default_factory=dict)
    full_scan_started_at: datetime | None = None
    full_scan_finished_at: datetime | None = None
    paused_until: datetime | None = None

    @classmethod
    def first(cls, now: datetime) -> ScanState:
        """Return the state before the first run. New accounts do not wait for the first full scan."""
        return cls(watermark=now - timedelta(seconds=1), first_run_at=now)

    def due(self, kind: ScanKind, plan: SyncPlan, now: datetime) -> SyncScan | None:
        """Return the scan of this kind to continue or to start; None if there is nothing to do."""
        if kind in self.active_scans:
            return self.active_scans[kind].adjusted_to(plan)
        match kind:
            case ScanKind.INCREMENTAL if self.watermark < now:
                return _new(kind, plan, now, self.watermark - plan.overlap, now + MAX_CLOCK_LEAD)
            case ScanKind.INCREMENTAL if self.watermark > now:  # it comes from a clock that was ahead
                return _new(kind, plan, now, now - plan.rolling, now + MAX_CLOCK_LEAD)
            case ScanKind.ROLLING if plan.filters_on == "created":
                return _new(kind, plan, now, now - plan.rolling, now + MAX_CLOCK_LEAD)
            case ScanKind.FULL if not self._has_started_recently(plan, now):
                return _new(kind, plan, now, min(datetime.combine(plan.since, time(), UTC), now), now)
        return None

    def _has_started_recently(self, plan: SyncPlan, now: datetime) -> bool:
        return (
            self.full_scan_started_at is not None
            and timedelta() <= now - self.full_scan_started_at < plan.full_scan_every
        )

    def with_scan(self, scan: SyncScan) -> ScanState:
        """Return the state with the progress of a scan."""
        begun = scan.started_at if scan.kind is ScanKind.FULL else self.full_scan_started_at
        return replace(self, active_scans={**self.active_scans, scan.kind: scan}, full_scan_started_at=begun)

    def after_window(self, read: SyncScan, now: datetime) -> ScanState:
        """Return the state after a scan's window."""
        following = read.after_window()
        return self.without_scan(read, now) if following is None else self.with_scan(following)

    def after_failure(self, failed: SyncScan, now: datetime) -> ScanState:
        """Return the state after a failed page. After several failures the scan skips the window."""
        if failed.failures + 1 < MAX_PAGE_FAILURES:
            return self.with_scan(replace(failed, failures=failed.failures + 1))
        return self.after_window(replace(failed, skipped_windows=failed.skipped_windows + 1), now)

    def without_scan(self, ended: SyncScan, now: datetime) -> ScanState:
        """Return the state after a scan has finished."""
        rest = {kind: scan for kind, scan in self.active_scans.items() if kind is not ended.kind}
        state = replace(self, active_scans=rest)
        match ended.kind:
            case ScanKind.INCREMENTAL:
                return replace(state, watermark=ended.started_at)
            case ScanKind.ROLLING:
                return state
            case ScanKind.FULL:
                ended_at = self.full_scan_finished_at if ended.skipped_windows else now
                return replace(state, full_scan_started_at=ended.started_at, full_scan_finished_at=ended_at)

    @property
    def history(self) -> float:
        """The progress of the first full scan, from 0 to 1; 1 after it."""
        return 1.0 if self.full_scan_finished_at is not None else self.full_scan_progress or 0.0

    @property
    def full_scan_progress(self) -> float | None:
        """The progress of the active full scan, from 0 to 1; None if there is none."""
        return self.active_scans[ScanKind.FULL].progress if ScanKind.FULL in self.active_scans else None

    def history_age(self, now: datetime) -> timedelta:
        """Return the time since the last complete full scan, or since the first run."""
        return now - (self.full_scan_finished_at or self.first_run_at or now)


def _new(kind: ScanKind, plan: SyncPlan, now: datetime, since: datetime, until: datetime) -> SyncScan:
    return SyncScan(kind, now, since, until, window=since, length=plan.window, page_size=plan.page_size)

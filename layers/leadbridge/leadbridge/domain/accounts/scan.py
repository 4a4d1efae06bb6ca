"""How a partner's list is gone through: three kinds of passes, in windows, and where each of them stands.

incremental   from the watermark less an overlap; when it has come to its end, the watermark is its beginning
rolling       the accounts of the last days, in every run (not where the list filters on changes)
whole         all there ever were, every few hours, so that a change of an old account is noticed under either reading

A pass that a run cannot end goes on in the next one, from the page where it stopped. A window of the past that several
runs could not read is left out, so that those behind it are read, and comes again with the next pass.
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


MAX_CLOCK_LEAD = timedelta(days=1)  # by which a partner's clock, or its zone, may be ahead of ours
MAX_PAGE_FAILURES = 3  # runs that may fail at one page of the past before its window is left out


class LeaseLost(Exception):
    """The lease of the sync expired and another run took it: the state that this run has read is out of date."""


class ScanKind(StrEnum):
    """What a pass is for."""

    INCREMENTAL = "incremental"
    ROLLING = "rolling"
    FULL = "full"


@dataclass(frozen=True)
class SyncScan:
    """One pass over [since, until]. It stands in the window that begins at `window`, before the page `page`.

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
        """The end of the window that it stands in."""
        return min(self.window + self.length, self.until)

    def adjusted_to(self, plan: SyncPlan) -> SyncScan:
        """The same pass under a plan; its window is begun anew if pages or windows are of another size now."""
        if (self.length, self.page_size) == (plan.window, plan.page_size):
            return self
        anew = replace(self, length=plan.window, page_size=plan.page_size)
        return replace(anew, page=0, extent=None, max_page=0, failures=0)

    def after_page(self, number: int, extent: int | None) -> SyncScan:
        """The same pass, a page further."""
        page = number + 1
        failures = 0 if page > self.max_page else self.failures
        return replace(self, page=page, extent=extent, max_page=max(page, self.max_page), failures=failures)

    def after_window(self) -> SyncScan | None:
        """The same pass in its next window; None where this one was the last."""
        if self.window_end >= self.until:
            return None
        return replace(self, window=self.window_end, page=0, extent=None, max_page=0, failures=0)

    def pages_to_reread(self, extent: int | None, per_page: int) -> int:
        """By how many pages rows have moved forward since it was looked into: as many as have gone from the list."""
        if self.extent is None or extent is None:
            return 0
        return ceil(max(0, self.extent - extent) / max(1, per_page))

    @property
    def progress(self) -> float:
        """How much of the time it covers lies behind it, from 0 to 1."""
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
        """Where a sync stands that has never run: news from now on do not wait for the history."""
        return cls(watermark=now - timedelta(seconds=1), first_run_at=now)

    def due(self, kind: ScanKind, plan: SyncPlan, now: datetime) -> SyncScan | None:
        """The pass of this kind to go on with, or to begin; None where there is nothing to do."""
        if kind in self.active_scans:
            return self.active_scans[kind].adjusted_to(plan)
        match kind:
            case ScanKind.INCREMENTAL if self.watermark < now:
                return _new(kind, plan, now, self.watermark - plan.overlap, now + MAX_CLOCK_LEAD)
            case ScanKind.INCREMENTAL if self.watermark > now:  # from a clock that was ahead: it tells nothing
                return _new(kind, plan, now, now - plan.rolling, now + MAX_CLOCK_LEAD)
            case ScanKind.ROLLING if plan.filters_on == "created":
                return _new(kind, plan, now, now - plan.rolling, now + MAX_CLOCK_LEAD)
            case ScanKind.FULL if not self._has_begun_lately(plan, now):
                return _new(kind, plan, now, min(datetime.combine(plan.since, time(), UTC), now), now)
        return None

    def _has_begun_lately(self, plan: SyncPlan, now: datetime) -> bool:
        return (
            self.full_scan_started_at is not None
            and timedelta() <= now - self.full_scan_started_at < plan.full_scan_every
        )

    def with_scan(self, going_on: SyncScan) -> ScanState:
        """A pass has come further."""
        begun = going_on.started_at if going_on.kind is ScanKind.FULL else self.full_scan_started_at
        return replace(self, active_scans={**self.active_scans, going_on.kind: going_on}, full_scan_started_at=begun)

    def after_window(self, read: SyncScan, now: datetime) -> ScanState:
        """A pass is done with its window."""
        following = read.after_window()
        return self.without_scan(read, now) if following is None else self.with_scan(following)

    def after_failure(self, failed: SyncScan, now: datetime) -> ScanState:
        """A run could not read a page of the past: after several the pass leaves the page's window out."""
        if failed.failures + 1 < MAX_PAGE_FAILURES:
            return self.with_scan(replace(failed, failures=failed.failures + 1))
        return self.after_window(replace(failed, skipped_windows=failed.skipped_windows + 1), now)

    def without_scan(self, ended: SyncScan, now: datetime) -> ScanState:
        """A pass has come to its end."""
        rest = {kind: going_on for kind, going_on in self.active_scans.items() if kind is not ended.kind}
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
        """How much of the whole history the first sync has read, from 0 to 1; 1 ever after."""
        return 1.0 if self.full_scan_finished_at is not None else self.full_scan_progress or 0.0

    @property
    def full_scan_progress(self) -> float | None:
        """How far the whole pass is that goes on, from 0 to 1; None where none does."""
        return self.active_scans[ScanKind.FULL].progress if ScanKind.FULL in self.active_scans else None

    def history_age(self, now: datetime) -> timedelta:
        """How long ago all that there ever was had been read, or else was begun to be."""
        return now - (self.full_scan_finished_at or self.first_run_at or now)


def _new(kind: ScanKind, plan: SyncPlan, now: datetime, since: datetime, until: datetime) -> SyncScan:
    return SyncScan(kind, now, since, until, window=since, length=plan.window, page_size=plan.page_size)

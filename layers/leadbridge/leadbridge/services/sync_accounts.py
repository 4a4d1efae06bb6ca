"""Sync a partner's list of accounts page by page, in scans that several runs may share.

A run takes a lease, continues the active scans (domain/accounts/scan.py), and saves the progress after each page. Each
page is reconciled (services/reconcile_accounts.py) before the next one is read. If a run stops anywhere, the next run
reads a page or two again and finds them unchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import batched
from typing import TYPE_CHECKING

from leadbridge.domain.accounts.scan import LeaseLost, ScanKind, ScanState, SyncScan
from leadbridge.domain.clock import Clock
from leadbridge.domain.errors import partner_errors
from leadbridge.domain.errors.error_codes import ErrorCode
from leadbridge.runtime.budget import Budget
from leadbridge.services.reconcile_accounts import AccountReconciler, ReconcileCounts
from leadbridge.services.worker import LEASE_MARGIN
from leadbridge.settings.partners import SyncPlan

if TYPE_CHECKING:
    from leadbridge.services.ports.accounts import Broker, ListingPage, SyncStateStore

ROWS_PER_BATCH = 100  # rows that are reconciled together
SECONDS_PER_BATCH = 20.0  # for a hundred rows with many changes while AWS is slow
MAX_PAUSE = timedelta(hours=1)  # the longest pause that a Retry-After can cause


class SyncOutcome(StrEnum):
    """The outcome of a run."""

    COMPLETED = "completed"
    IN_PROGRESS = "in_progress"
    FAILED = "failed"
    PAUSED = "paused"
    LOCKED = "locked"
    LEASE_LOST = "lease_lost"


@dataclass(frozen=True)
class SyncReport:
    """The result of a run. `state` is the progress of the sync as this run has read it.

    `skipped_windows` are the scans at the windows that they skipped.
    """

    outcome: SyncOutcome
    state: ScanState | None = None
    error: partner_errors.PartnerError | None = None
    skipped_windows: tuple[SyncScan, ...] = ()


@dataclass(frozen=True)
class ProcessedPage:
    """A page that was reconciled, for the log."""

    kind: ScanKind
    since: datetime
    until: datetime
    number: int
    total_pages: int | None
    counts: ReconcileCounts


@dataclass(frozen=True)
class Sync:
    """Syncs one partner's list. `on_page` is called for each page after its progress is saved."""

    broker: Broker
    log: SyncStateStore
    reconciler: AccountReconciler
    plan: SyncPlan
    clock: Clock
    on_page: Callable[[ProcessedPage], None]

    def run(self, owner: str, budget: Budget) -> SyncReport:
        """Sync as much as the budget allows. Safe to repeat, to interrupt, and to run concurrently.

        `owner` is the unique name of this run. Raises what the table raises. Then, or if the run is killed, the lease
        expires and the next run continues.
        """
        now = self.clock()
        lease_until = now + timedelta(seconds=budget.total) + LEASE_MARGIN
        state = self.log.take_lease(owner, now, lease_until)
        if state is None:
            return SyncReport(SyncOutcome.LOCKED)
        run = _Run(self, owner, lease_until, now, state)
        try:
            report = run.go(budget)
            self.log.release(owner, run.state)
        except LeaseLost:
            return SyncReport(SyncOutcome.LEASE_LOST, run.state)
        return report


@dataclass
class _Run:
    """One run while it holds the lease."""

    sync: Sync
    owner: str
    lease_until: datetime
    began_at: datetime
    state: ScanState
    oldest_lead: datetime | None = field(default=None, init=False)
    error: partner_errors.PartnerError | None = field(default=None, init=False)
    skipped_windows: tuple[SyncScan, ...] = field(default=(), init=False)

    def go(self, budget: Budget) -> SyncReport:
        """Run all scans that are due as far as the budget allows."""
        if self.state.paused_until is not None and self.began_at < self.state.paused_until:
            return SyncReport(SyncOutcome.PAUSED, self.state)
        self.state = replace(self.state, paused_until=None)
        try:
            self.oldest_lead = self.sync.log.oldest_lead()
            is_complete = self._run_scans(budget)
        except partner_errors.PartnerError as error:
            if error.retry_after is not None:
                rest = min(timedelta(seconds=error.retry_after), MAX_PAUSE)
                self.state = replace(self.state, paused_until=self.sync.clock() + rest)
            self.error = error
        if self.error is not None:
            return SyncReport(SyncOutcome.FAILED, self.state, self.error, self.skipped_windows)
        return SyncReport(SyncOutcome.COMPLETED if is_complete else SyncOutcome.IN_PROGRESS, self.state)

    def _run_scans(self, budget: Budget) -> bool:
        """Run the incremental, the rolling and the full scan in this order; return whether all finished."""
        while (news := self._due(ScanKind.INCREMENTAL)) is not None:
            if not self._read(news, budget):
                return False
        is_complete = True
        if (days := self._due(ScanKind.ROLLING)) is not None:
            # The rolling scan gets half of the time, so that the full scan makes progress too.
            half = replace(budget, reserve=budget.reserve + budget.left / 2)
            is_complete = self._read_past(days, budget if self._due(ScanKind.FULL) is None else half)
        if (history := self._due(ScanKind.FULL)) is not None:
            is_complete = self._read_past(history, budget) and is_complete
        return is_complete

    def _due(self, kind: ScanKind) -> SyncScan | None:
        return self.state.due(kind, self.sync.plan, self.began_at)

    def _read_past(self, reading: SyncScan, budget: Budget) -> bool:
        """Continue a rolling or full scan; return whether it finished. A failed page does not stop the run."""
        try:
            return self._read(reading, budget)
        except (partner_errors.Unavailable, partner_errors.Rejected) as error:
            if error.retry_after is not None:
                raise
            self.error = self.error or error
        failed = self.state.active_scans.get(reading.kind, reading).adjusted_to(self.sync.plan)
        self.state = self.state.after_failure(failed, self.sync.clock())
        active = self.state.active_scans.get(reading.kind)
        if active is None or active.window != failed.window:
            self.skipped_windows += (failed,)
        return False

    def _read(self, reading: SyncScan, budget: Budget) -> bool:
        """Continue a scan page by page; return whether it finished."""
        sync = self.sync
        pages: Iterator[ListingPage] | None = None
        rows = 0
        while budget.allows(sync.broker.seconds_per_page + SECONDS_PER_BATCH):
            is_resumed = pages is None
            if pages is None:
                # Start one page earlier: deleted rows move the following rows forward.
                pages = sync.broker.pages(
                    reading.window,
                    reading.window_end,
                    budget,
                    size=reading.page_size,
                    first_page=max(0, reading.page - 1),
                )
            asked_at = sync.clock()
            page = next(pages, None)
            if page is None:
                if rows == 0:
                    raise partner_errors.Unavailable(
                        sync.reconciler.partner,
                        "list",
                        "the list does not end and contains nothing new",
                        code=ErrorCode.RESPONSE_INVALID,
                    )
                pages = None
                continue
            rows = len(page.rows)
            extent, per_page = _extent(page)
            back = reading.pages_to_reread(extent, per_page) if is_resumed and page.number > 0 else 0
            if back > 0:
                reading = replace(reading, page=max(0, page.number - back + 1), extent=extent)
                pages = None
                continue
            counts = ReconcileCounts()
            if not self._reconcile(page, asked_at, counts, budget):
                return False
            if page.is_last:
                self.state, pages = self.state.after_window(reading, sync.clock()), None
            else:
                self.state = self.state.with_scan(reading.after_page(page.number, extent))
            sync.log.save(self.owner, self.state)
            about = (reading.kind, reading.window, reading.window_end, page.number, page.total_pages)
            sync.on_page(ProcessedPage(*about, counts))
            if reading.kind not in self.state.active_scans:
                return True
            reading = self.state.active_scans[reading.kind]
        return False

    def _reconcile(self, page: ListingPage, asked_at: datetime, counts: ReconcileCounts, budget: Budget) -> bool:
        """Reconcile a page in batches; return False if the time or the lease ends before the page."""
        for rows in batched(page.rows, ROWS_PER_BATCH, strict=False):
            if not budget.allows(SECONDS_PER_BATCH) or self.sync.clock() >= self.lease_until:
                return False
            self.sync.reconciler.reconcile(rows, self.oldest_lead, counts, asked_at=asked_at)
        return True


def _extent(page: ListingPage) -> tuple[int | None, int]:
    """Return the size of the list in rows, or else in pages, and the size of this page in the same unit."""
    return (page.total_pages, 1) if page.total_rows is None else (page.total_rows, len(page.rows))

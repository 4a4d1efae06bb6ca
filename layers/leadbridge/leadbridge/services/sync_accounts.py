"""How a partner's list of accounts is kept up with: page by page, in passes that any number of runs may share.

A run takes a lease, goes on with what is under way (domain/accounts/scan.py), and writes down after each page how far
it has come. Each page is taken in (services/reconcile_accounts.py) before the next one is asked for, so that whoever
dies anywhere is simply followed by the next run, which reads a page or two again and finds them unchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import batched

from leadbridge.domain.accounts.scan import LeaseLost, ScanKind, ScanState, SyncScan
from leadbridge.domain.clock import Clock
from leadbridge.domain.errors import partner_errors
from leadbridge.domain.errors.error_codes import ErrorCode
from leadbridge.runtime.budget import Budget
from leadbridge.services.ports.accounts import Broker, ListingPage, SyncStateStore
from leadbridge.services.reconcile_accounts import AccountReconciler, ReconcileCounts
from leadbridge.settings.partners import SyncPlan

ROWS_PER_BATCH = 100  # rows that are taken in at once
SECONDS_PER_BATCH = 20.0  # for a hundred rows, most of them with news, while AWS is slow
LEASE_MARGIN = timedelta(seconds=10)  # by which workers' clocks may differ
MAX_PAUSE = timedelta(hours=1)  # however long the partner asks us to wait


class SyncOutcome(StrEnum):
    """What a run came to."""

    COMPLETED = "completed"
    IN_PROGRESS = "in_progress"
    FAILED = "failed"
    PAUSED = "paused"
    LOCKED = "locked"
    LEASE_LOST = "lease_lost"


@dataclass(frozen=True)
class SyncReport:
    """What a run came to; `state` is where the sync stands, as far as this run knows.

    `skipped_windows` are the passes that gave their windows up, as they stood in them.
    """

    outcome: SyncOutcome
    state: ScanState | None = None
    error: partner_errors.PartnerError | None = None
    skipped_windows: tuple[SyncScan, ...] = ()


@dataclass(frozen=True)
class ProcessedPage:
    """One page that was taken in, in the words of a log."""

    kind: ScanKind
    since: datetime
    until: datetime
    number: int
    total_pages: int | None
    taken: ReconcileCounts


@dataclass(frozen=True)
class Sync:
    """Keeps up with one partner's list. `on_page` hears of each page as soon as it is written down."""

    broker: Broker
    log: SyncStateStore
    reconciler: AccountReconciler
    plan: SyncPlan
    clock: Clock
    on_page: Callable[[ProcessedPage], None]

    def run(self, owner: str, budget: Budget) -> SyncReport:
        """Do as much as the budget allows. Safe to repeat, to stop anywhere, and to run twice at once.

        `owner` names this run alone. Raises whatever the table raises; then, or where the run is killed, the lease runs
        out and the next run goes on.
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
    """One run, between its lease and its end."""

    sync: Sync
    owner: str
    lease_until: datetime
    began_at: datetime
    state: ScanState
    oldest_lead: datetime | None = field(default=None, init=False)
    error: partner_errors.PartnerError | None = field(default=None, init=False)
    skipped_windows: tuple[SyncScan, ...] = field(default=(), init=False)

    def go(self, budget: Budget) -> SyncReport:
        """All passes that are due, as far as time allows."""
        if self.state.paused_until is not None and self.began_at < self.state.paused_until:
            return SyncReport(SyncOutcome.PAUSED, self.state)
        self.state = replace(self.state, paused_until=None)
        try:
            self.oldest_lead = self.sync.log.oldest_lead()
            is_whole = self._passes(budget)
        except partner_errors.PartnerError as error:
            if error.retry_after is not None:
                rest = min(timedelta(seconds=error.retry_after), MAX_PAUSE)
                self.state = replace(self.state, paused_until=self.sync.clock() + rest)
            self.error = error
        if self.error is not None:
            return SyncReport(SyncOutcome.FAILED, self.state, self.error, self.skipped_windows)
        return SyncReport(SyncOutcome.COMPLETED if is_whole else SyncOutcome.IN_PROGRESS, self.state)

    def _passes(self, budget: Budget) -> bool:
        """News first, then the last days, then the history; whether they all came to their ends."""
        while (news := self._due(ScanKind.INCREMENTAL)) is not None:
            if not self._read(news, budget):
                return False
        is_whole = True
        if (days := self._due(ScanKind.ROLLING)) is not None:
            # However much there is to read anew in every run, the history goes on too.
            half = replace(budget, reserve=budget.reserve + budget.left / 2)
            is_whole = self._read_past(days, budget if self._due(ScanKind.FULL) is None else half)
        if (history := self._due(ScanKind.FULL)) is not None:
            is_whole = self._read_past(history, budget) and is_whole
        return is_whole

    def _due(self, kind: ScanKind) -> SyncScan | None:
        return self.state.due(kind, self.sync.plan, self.began_at)

    def _read_past(self, reading: SyncScan, budget: Budget) -> bool:
        """Go on with a pass over what is no news; where the partner cannot list it, the run goes on without it."""
        try:
            return self._read(reading, budget)
        except (partner_errors.Unavailable, partner_errors.Rejected) as error:
            if error.retry_after is not None:
                raise
            self.error = self.error or error
        failed = self.state.active_scans.get(reading.kind, reading).adjusted_to(self.sync.plan)
        self.state = self.state.after_failure(failed, self.sync.clock())
        going_on = self.state.active_scans.get(reading.kind)
        if going_on is None or going_on.window != failed.window:
            self.skipped_windows += (failed,)
        return False

    def _read(self, reading: SyncScan, budget: Budget) -> bool:
        """Go on with a pass, page by page; whether it came to its end."""
        sync = self.sync
        pages: Iterator[ListingPage] | None = None
        rows = 0
        while budget.allows(sync.broker.seconds_per_page + SECONDS_PER_BATCH):
            is_resumed = pages is None
            if pages is None:
                # A page back: rows that have gone meanwhile have moved those behind them forward.
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
                        "the list does not end and has nothing new",
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
            taken = ReconcileCounts()
            if not self._take(page, asked_at, taken, budget):
                return False
            if page.is_last:
                self.state, pages = self.state.after_window(reading, sync.clock()), None
            else:
                self.state = self.state.with_scan(reading.after_page(page.number, extent))
            sync.log.save(self.owner, self.state)
            about = (reading.kind, reading.window, reading.window_end, page.number, page.total_pages)
            sync.on_page(ProcessedPage(*about, taken))
            if reading.kind not in self.state.active_scans:
                return True
            reading = self.state.active_scans[reading.kind]
        return False

    def _take(self, page: ListingPage, asked_at: datetime, taken: ReconcileCounts, budget: Budget) -> bool:
        """Take a page in, some rows at a time; False where time ends, or the lease does, before the page."""
        for rows in batched(page.rows, ROWS_PER_BATCH, strict=False):
            if not budget.allows(SECONDS_PER_BATCH) or self.sync.clock() >= self.lease_until:
                return False
            self.sync.reconciler.reconcile(rows, self.oldest_lead, taken, asked_at=asked_at)
        return True


def _extent(page: ListingPage) -> tuple[int | None, int]:
    """How much there is in all, in rows or else in pages, and how much of that a page is."""
    return (page.total_pages, 1) if page.total_rows is None else (page.total_rows, len(page.rows))

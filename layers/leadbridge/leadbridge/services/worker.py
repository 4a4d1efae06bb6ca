"""The core of every queue worker: when an item is processed, how its change is written, and when it is retried.

A worker reads an item and decides by its state, its lease and its schedule whether there is something to do. It writes
each change on the condition that no other writer was faster, and skips the item otherwise. A call that was definitely
not processed is retried with exponential backoff and jitter, or after the partner's Retry-After, until the retry window
ends. Then the item fails, with a dead letter.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar

from leadbridge.domain.clock import Clock
from leadbridge.domain.errors.error_codes import ErrorCode, ErrorInfo
from leadbridge.domain.errors.partner_errors import Misconfigured, PartnerError
from leadbridge.domain.transitions import AlreadyLinked, Conflict, overdue_wait
from leadbridge.runtime.budget import Budget
from leadbridge.services.ports.worker import Ledger, WorkItem
from leadbridge.settings import RetryPolicy

WORKER_DIED = ErrorInfo(ErrorCode.WORKER_LOST, "the worker was lost while the partner was being called")
LEASE_MARGIN = 10.0  # seconds to write the answer down in, and by which workers' clocks may differ


class Outcome(StrEnum):
    """What processing an item led to, for logs and metrics."""

    RETRIED = "retried"
    WAITING = "waiting"
    OUT_OF_TIME = "out_of_time"
    NO_ACTION = "no_action"
    NOT_FOUND = "not_found"
    FAILED = "failed"
    UNKNOWN = "unknown"
    # submissions
    SUBMITTED = "submitted"
    REJECTED = "rejected"
    DUPLICATE = "duplicate"
    UNCERTAIN = "uncertain"
    UNRECORDED = "unrecorded"
    # status checks
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    CLOSED = "closed"
    CHECK_FAILED = "check_failed"
    CHECK_REFUSED = "check_refused"
    REQUEUED = "requeued"
    # messages
    SENT = "sent"
    NO_CHANNEL = "no_channel"
    SKIPPED = "skipped"
    # fetches
    FETCHED = "fetched"
    TEST = "test"
    INVALID = "invalid"


@dataclass(frozen=True)
class Result:
    """The result of processing an item. After `retry_after` the queue delivers its message again; None for never."""

    outcome: Outcome
    retry_after: timedelta | None = None
    error: PartnerError | None = None


class Worker[J: WorkItem, C]:
    """What all workers share. A subclass is a frozen dataclass with these fields; C is the type of its changes."""

    ledger: Ledger[J, C]
    clock: Clock
    jitter: Callable[[], float]
    waiting: ClassVar[Outcome] = Outcome.RETRIED  # of an item that is not due yet

    def _process(self, item: J | None, run: Callable[[J, datetime], Result], *, overdue: bool = False) -> Result:
        """Run an item that waits. An `overdue` one that is still due gets a later due time first."""
        if item is None:
            return Result(Outcome.NOT_FOUND)
        now = self.clock()
        if (settled := self._settle_lost_attempt(item, now)) is not None:
            return settled
        if not item.is_waiting:
            return Result(Outcome.NO_ACTION)
        if overdue and item.due_at is not None and item.due_at <= now:
            self._defer_overdue(item, now)
        return run(item, now)

    def _settle_lost_attempt(self, item: J, now: datetime) -> Result | None:  # noqa: ARG002
        """Settle an attempt whose lease ran out. An item without a lease has none."""
        return None

    def _defer_overdue(self, item: J, now: datetime) -> None:
        self.ledger.defer(item, now + overdue_wait(item.waiting_since, now))

    def _until_scheduled(self, item: J, now: datetime) -> Result | None:
        """Wait until the next attempt of an item is allowed; None if it is allowed now."""
        if item.next_attempt_at is None or item.next_attempt_at <= now:
            return None
        return self._wait(item.next_attempt_at - now)

    def _wait(self, wait: timedelta = timedelta()) -> Result:
        """Return the item to its queue; without a `wait` because the invocation has too little time left."""
        return Result(self.waiting, retry_after=wait)

    def _write(self, change: C, result: Result, answered: Budget | None = None) -> Result:
        """Write a change, or skip the item if another writer was faster.

        After a partner has `answered`, the write is retried for the rest of the invocation. Raises AlreadyLinked, and
        what the ledger raises.
        """
        try:
            if answered is None:
                self.ledger.apply(change)
            else:
                self.ledger.apply(change, retry_for=answered.left_to_record)
        except AlreadyLinked:
            raise
        except Conflict:
            return Result(Outcome.NO_ACTION, error=result.error)
        return result


class RetryingWorker[J: WorkItem, C](Worker[J, C], ABC):
    """A worker that retries its calls. `dead_letter` is called before the failure of an item is written.

    So a crash between the two leaves one dead letter too many and never one too few.
    """

    dead_letter: Callable[[J, ErrorInfo], None]

    @abstractmethod
    def _policy(self, item: J) -> RetryPolicy:
        """Return the retry policy of an item."""

    @abstractmethod
    def _schedule_retry(self, item: J, now: datetime, error: ErrorInfo, after: timedelta) -> C:
        """Return the step to the next attempt."""

    @abstractmethod
    def _fail(self, item: J, now: datetime, error: ErrorInfo) -> C:
        """Return the step to the failure."""

    def _retry_or_give_up(self, item: J, error: PartnerError, answered: Budget | None = None) -> Result:
        """Retry after an error, or give up if the credentials are wrong."""
        if self._is_permanent(item, error):
            return self._give_up(item, error, answered)
        return self._retry(item, error, answered)

    def _retry(self, item: J, error: PartnerError, answered: Budget | None = None) -> Result:
        """Retry after an error, or give up if the retry window has ended."""
        now = self.clock()
        if self._is_spent(item, now):
            return self._give_up(item, error, answered)
        wait = self._delay(item, error)
        result = Result(Outcome.RETRIED, retry_after=wait, error=error)
        return self._take(item, lambda one: self._schedule_retry(one, now, error.info, wait), result, answered)

    def _give_up(self, item: J, error: PartnerError, answered: Budget | None = None) -> Result:
        self.dead_letter(item, error.info)
        now = self.clock()
        result = Result(Outcome.FAILED, error=error)
        return self._take(item, lambda one: self._fail(one, now, error.info), result, answered)

    def _take(self, item: J, step: Callable[[J], C], result: Result, answered: Budget | None) -> Result:
        """Write a step of an item."""
        return self._write(step(item), result, answered)

    def _is_permanent(self, item: J, error: PartnerError) -> bool:
        """Whether the credentials are wrong. Those that may just have changed are, if they were wrong before, too."""
        return isinstance(error, Misconfigured) and (error.certain or error.info.equals_last_of(item))

    def _is_spent(self, item: J, now: datetime) -> bool:
        """Whether the retry window has ended."""
        return now - (item.retrying_since or now) >= self._policy(item).give_up_after

    def _delay(self, item: J, error: PartnerError) -> timedelta:
        return retry_delay(self._policy(item), item.attempt_number, self.jitter(), error)


def retry_delay(policy: RetryPolicy, attempts: int, jitter: float, error: PartnerError) -> timedelta:
    """Return the wait after an error: the backoff, or the partner's Retry-After if that is longer."""
    return max(backoff(policy, attempts, jitter), requested_delay(policy, error))


def backoff(policy: RetryPolicy, attempts: int, jitter: float) -> timedelta:
    """Return the wait after so many attempts: doubled each time up to a bound, half of it random.

    `jitter` is between 0 and 1.
    """
    longest: timedelta = min(policy.first_delay * 2 ** min(attempts - 1, 20), policy.longest_delay)
    return longest * (0.5 + jitter / 2)


def requested_delay(policy: RetryPolicy, error: PartnerError) -> timedelta:
    """Return the partner's Retry-After, within the retry window."""
    return timedelta(seconds=min(error.retry_after or 0, policy.give_up_after.total_seconds()))

"""The core of all queue workers: when an item is processed, how a change is written, and when a call is retried.

A worker reads an item. Its state, its lease and its schedule decide whether to process it. Each change is written on
the condition that no other writer was faster; otherwise the item is skipped. A call that was definitely not processed
is retried with exponential backoff and jitter, or after the partner's Retry-After, until the retry window ends. Then
the item fails, and a dead letter is sent.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar

from leadbridge.domain.clock import Clock
from leadbridge.domain.errors.error_codes import ErrorCode, ErrorInfo
from leadbridge.domain.errors.partner_errors import Misconfigured, PartnerError
from leadbridge.domain.transitions import AlreadyLinked, Conflict, overdue_wait
from leadbridge.runtime.budget import Budget
from leadbridge.settings import RetryPolicy

if TYPE_CHECKING:
    from leadbridge.services.ports.worker import Ledger, WorkItem

WORKER_DIED = ErrorInfo(ErrorCode.WORKER_LOST, "the worker stopped while the partner was being called")
ORDER_POLL = timedelta(seconds=2)  # the shortest wait for an older item of the same order, or for another worker
MAX_ORDER_POLL = timedelta(minutes=1)  # the longest such wait
LEASE_MARGIN = timedelta(seconds=10)  # time to write the result, and the largest difference between two workers' clocks


def poll_interval(since: datetime, now: datetime) -> timedelta:
    """Return the next wait of an item that has waited `since`: an eighth of that time, within limits."""
    return min(max((now - since) / 8, ORDER_POLL), MAX_ORDER_POLL)


class Outcome(StrEnum):
    """The result of processing an item. Logs and metrics use the values: `Submission.retried`."""

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
    POSTPONED = "postponed"
    # messages and postbacks
    SENT = "sent"
    NO_CHANNEL = "no_channel"
    SKIPPED = "skipped"
    # fetches
    FETCHED = "fetched"
    TEST = "test"
    INVALID = "invalid"


@dataclass(frozen=True)
class Result:
    """The result of processing an item. The queue delivers the message again after `retry_after`, or never if None."""

    outcome: Outcome
    retry_after: timedelta | None = None
    error: PartnerError | None = None


class Worker[J: WorkItem, C]:
    """Base of all workers. A subclass is a frozen dataclass with these fields; C is the type of its changes."""

    ledger: Ledger[J, C]
    clock: Clock
    jitter: Callable[[], float]
    waiting: ClassVar[Outcome] = Outcome.RETRIED  # the outcome for an item that is not due yet

    def _process(self, item: J | None, run: Callable[[J, datetime], Result], *, overdue: bool = False) -> Result:
        """Run an item if there is something to do. An `overdue` item that is still due gets a later due time first."""
        if item is None:
            return Result(Outcome.NOT_FOUND)
        now = self.clock()
        if (settled := self._settle_lost_attempt(item, now)) is not None:
            return settled
        if not self._is_processable(item):
            return Result(Outcome.NO_ACTION)
        if overdue and item.due_at is not None and item.due_at <= now:
            self._defer_overdue(item, now)
        return run(item, now)

    def _settle_lost_attempt(self, item: J, now: datetime) -> Result | None:  # noqa: ARG002
        """Settle an attempt whose lease expired; None if there is none."""
        return None

    def _is_processable(self, item: J) -> bool:
        """Return whether the state of an item allows to process it."""
        return item.is_waiting

    def _defer_overdue(self, item: J, now: datetime) -> None:
        self.ledger.defer(item, now + overdue_wait(item.waiting_since, now))

    def _until_scheduled(self, item: J, now: datetime) -> Result | None:
        """Return the item to its queue until its next attempt is allowed; None if it is allowed now."""
        if item.next_attempt_at is None or item.next_attempt_at <= now:
            return None
        return self._wait(item.next_attempt_at - now)

    def _wait(self, wait: timedelta = timedelta()) -> Result:
        """Return the item to its queue. Without a `wait`, the invocation has too little time left for it."""
        return Result(self.waiting, retry_after=wait)

    def _write(self, change: C, result: Result, answered: Budget | None = None) -> Result:
        """Write a change, or skip the item if another writer was faster.

        If the change holds a partner's answer, `answered` is the budget of the call, and the write is retried for the
        rest of the invocation. Raises AlreadyLinked, and what the ledger raises.
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
    """A worker that retries its calls.

    `dead_letter` is called before the failure of an item is written. A crash between the two leaves a superfluous dead
    letter, but never a failure without one.
    """

    dead_letter: Callable[[J, ErrorInfo], None]

    @abstractmethod
    def _policy(self, item: J) -> RetryPolicy:
        """Return the retry policy of an item."""

    @abstractmethod
    def _schedule_retry(self, item: J, now: datetime, error: ErrorInfo, after: timedelta) -> C:
        """Return the change that schedules the next attempt."""

    @abstractmethod
    def _fail(self, item: J, now: datetime, error: ErrorInfo) -> C:
        """Return the change that ends the item as failed."""

    def _wait_for_older(self, older: Iterable[J], since: datetime, now: datetime) -> Result:
        """Return an item that has waited `since` to its queue, at least until the older ones' next attempts."""
        waits = [one.next_attempt_at - now for one in older if one.next_attempt_at is not None]
        return self._wait(max([poll_interval(since, now), *waits]))

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
        return self._write_step(item, lambda one: self._schedule_retry(one, now, error.info, wait), result, answered)

    def _give_up(self, item: J, error: PartnerError, answered: Budget | None = None) -> Result:
        self.dead_letter(item, error.info)
        now = self.clock()
        result = Result(Outcome.FAILED, error=error)
        return self._write_step(item, lambda one: self._fail(one, now, error.info), result, answered)

    def _write_step(self, item: J, step: Callable[[J], C], result: Result, answered: Budget | None) -> Result:
        """Write the change that `step` returns for an item."""
        return self._write(step(item), result, answered)

    def _is_permanent(self, item: J, error: PartnerError) -> bool:
        """Return whether the credentials are wrong. Recently changed ones must fail in the same way twice."""
        return isinstance(error, Misconfigured) and (error.certain or error.info.equals_last_of(item))

    def _is_spent(self, item: J, now: datetime) -> bool:
        """Return whether the retry window has ended."""
        return now - (item.retrying_since or now) >= self._policy(item).give_up_after

    def _delay(self, item: J, error: PartnerError) -> timedelta:
        return retry_delay(self._policy(item), item.attempt_number, self.jitter(), error)


def retry_delay(policy: RetryPolicy, attempts: int, jitter: float, error: PartnerError) -> timedelta:
    """Return the wait after an error: the backoff, or the partner's Retry-After if that is longer."""
    return max(backoff(policy, attempts, jitter), requested_delay(policy, error))


def backoff(policy: RetryPolicy, attempts: int, jitter: float) -> timedelta:
    """Return the wait after an attempt: it doubles with each attempt up to a maximum, and half of it is random.

    `jitter` is between 0 and 1.
    """
    longest: timedelta = min(policy.first_delay * 2 ** min(attempts - 1, 20), policy.longest_delay)
    return longest * (0.5 + jitter / 2)


def requested_delay(policy: RetryPolicy, error: PartnerError) -> timedelta:
    """Return the partner's Retry-After. One that is longer than the retry window is ignored."""
    seconds = error.retry_after or 0.0
    return timedelta(seconds=seconds) if 0 < seconds <= policy.give_up_after.total_seconds() else timedelta()

"""The core that all queue workers share, with an item of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from leadbridge.domain import fetch as steps
from leadbridge.domain.errors.error_codes import ErrorInfo
from leadbridge.domain.errors.partner_errors import Misconfigured, PartnerError, RateLimited, Unavailable
from leadbridge.domain.fetch import Fetch, FetchChange, new_fetch
from leadbridge.domain.transitions import OVERDUE, AlreadyLinked, Conflict
from leadbridge.runtime.budget import Budget
from leadbridge.services.worker import Outcome, Result, RetryingWorker, backoff, retry_delay
from leadbridge.settings import RetryPolicy
from quality.testkit.fakes.errors import some_error

NOW = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
POLICY = RetryPolicy.model_validate({"first_delay": "10s", "longest_delay": "1h", "give_up_after": "24h"})
NEW = new_fetch("ld_x", "meta", {}, NOW)


@dataclass
class Table:
    """Writes changes, or raises what a test wants."""

    raises: Exception | None = None
    written: list[FetchChange] = field(default_factory=list)
    retried_for: list[float | None] = field(default_factory=list)
    deferred: list[datetime] = field(default_factory=list)

    def apply(self, change: FetchChange, *, retry_for: float | None = None) -> Fetch:
        self.retried_for.append(retry_for)
        if self.raises is not None:
            raise self.raises
        self.written.append(change)
        return change.after

    def defer(self, _: Fetch, due_at: datetime, /) -> None:
        self.deferred.append(due_at)


@dataclass(frozen=True)
class Caller(RetryingWorker[Fetch, FetchChange]):
    """Makes one call for each fetch."""

    ledger: Table
    call: Callable[[], None]
    now: datetime = NOW
    letters: list[ErrorInfo] = field(default_factory=list)

    def clock(self) -> datetime:
        return self.now

    def jitter(self) -> float:
        return 1.0

    def dead_letter(self, _: Fetch, error: ErrorInfo) -> None:
        self.letters.append(error)

    def process(self, fetch: Fetch | None, *, overdue: bool = False) -> Result:
        return self._process(fetch, self._run, overdue=overdue)

    def _run(self, fetch: Fetch, now: datetime) -> Result:
        if (early := self._until_scheduled(fetch, now)) is not None:
            return early
        try:
            self.call()
        except PartnerError as error:
            return self._retry_or_give_up(fetch, error)
        return self._write(steps.complete(fetch, now), Result(Outcome.FETCHED))

    def _policy(self, _: Fetch) -> RetryPolicy:
        return POLICY

    def _schedule_retry(self, fetch: Fetch, now: datetime, error: ErrorInfo, after: timedelta) -> FetchChange:
        return steps.schedule_retry(fetch, now, error, after)

    def _fail(self, fetch: Fetch, now: datetime, error: ErrorInfo) -> FetchChange:
        return steps.fail(fetch, now, error)


def calls(error: PartnerError | None = None) -> Callable[[], None]:
    def call() -> None:
        if error is not None:
            raise error

    return call


def away(kind: type[PartnerError] = Unavailable, **more: object) -> PartnerError:
    return kind("graph", "lead", "away", **more)  # type: ignore[arg-type]


def test_an_item_that_does_not_exist_is_gone() -> None:
    assert Caller(Table(), calls()).process(None) == Result(Outcome.NOT_FOUND)


def test_an_item_that_does_not_wait_is_not_touched() -> None:
    table = Table()
    done = steps.complete(NEW, NOW).after
    assert Caller(table, calls()).process(done, overdue=True) == Result(Outcome.NO_ACTION)
    assert (table.written, table.deferred) == ([], [])


def test_an_item_waits_for_its_next_attempt() -> None:
    waiting = steps.schedule_retry(NEW, NOW, some_error("away"), HOUR).after
    assert Caller(Table(), calls()).process(waiting) == Result(Outcome.RETRIED, retry_after=HOUR)
    assert Caller(Table(), calls(), now=NOW + HOUR).process(waiting) == Result(Outcome.FETCHED)


def test_an_overdue_item_gets_a_later_due_time_before_its_call() -> None:
    table = Table()
    later = NEW.received_at + OVERDUE * 3
    assert Caller(table, calls(), now=later).process(NEW, overdue=True) == Result(Outcome.FETCHED)
    assert table.deferred == [later + OVERDUE * 3]


def test_an_item_that_another_writer_changed_is_skipped() -> None:
    assert Caller(Table(raises=Conflict()), calls()).process(NEW) == Result(Outcome.NO_ACTION)
    error = away()
    skipped = Caller(Table(raises=Conflict()), calls(error)).process(NEW)
    assert skipped == Result(Outcome.NO_ACTION, error=error)


def test_an_id_that_another_lead_has_is_the_flows_own_affair() -> None:
    with pytest.raises(AlreadyLinked):
        Caller(Table(raises=AlreadyLinked("ld_other")), calls()).process(NEW)


def test_after_an_answer_the_write_is_retried_for_the_rest_of_the_invocation() -> None:
    table, budget = Table(), Budget(90.0, monotonic=lambda: 0.0)
    worker = Caller(table, calls())
    worker._retry(NEW, away(), budget)
    worker._retry(NEW, away())
    assert table.retried_for == [budget.left_to_record, None]


def test_a_call_is_retried_until_the_window_ends_then_there_is_a_dead_letter_before_the_failure() -> None:
    table, waiting = Table(), NEW
    worker = Caller(table, calls(away()))
    result = worker.process(waiting)
    while result.retry_after is not None:
        waiting = table.written[-1].after
        worker = Caller(table, calls(away()), now=worker.now + result.retry_after)
        result = worker.process(waiting)
    assert (result.outcome, worker.letters) == (Outcome.FAILED, [away().info])
    assert timedelta(hours=24) <= worker.now - NOW <= timedelta(hours=25)

    stopped = Caller(Table(raises=Conflict()), calls(away()), now=worker.now)
    assert stopped.process(waiting).outcome is Outcome.NO_ACTION
    assert stopped.letters == [away().info], "one letter too many, and never one too few"


def test_wrong_credentials_end_an_item_at_once_and_those_that_may_just_have_changed_at_the_second_time() -> None:
    assert Caller(Table(), calls(away(Misconfigured))).process(NEW).outcome is Outcome.FAILED
    table = Table()
    uncertain = away(Misconfigured, certain=False)
    assert Caller(table, calls(uncertain)).process(NEW).outcome is Outcome.RETRIED
    again = table.written[-1].after
    assert Caller(table, calls(uncertain), now=NOW + HOUR).process(again).outcome is Outcome.FAILED


@pytest.mark.parametrize(
    ("attempts", "asked", "seconds"),
    [(1, None, 10), (2, None, 20), (9, None, 2560), (99, None, 3600), (1, 600.0, 600), (9, 600.0, 2560)],
)
def test_the_wait_is_the_longer_one_of_the_backoff_and_what_the_partner_asked(
    attempts: int, asked: float | None, seconds: int
) -> None:
    error = away(RateLimited, retry_after=asked)
    assert retry_delay(POLICY, attempts, 1.0, error).total_seconds() == seconds
    assert backoff(POLICY, attempts, 0.0) * 2 == backoff(POLICY, attempts, 1.0)


@pytest.mark.parametrize("asked", [86_401.0, 1_764_320_000.0, 1e12, 1e300, -5.0])
def test_a_wait_beyond_the_retry_window_is_ignored(asked: float) -> None:
    assert retry_delay(POLICY, 1, 1.0, away(RateLimited, retry_after=asked)) == POLICY.first_delay


def test_a_wait_as_long_as_the_retry_window_is_granted() -> None:
    assert retry_delay(POLICY, 1, 1.0, away(RateLimited, retry_after=86_400.0)) == POLICY.give_up_after

"""Batches of status checks: concurrency, a partner that fails, deals that fail, time that runs out."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
from botocore.client import BaseClient
from hypothesis import given
from hypothesis import strategies as st

from leadbridge.domain import delivery as steps
from leadbridge.domain.delivery import Delivery, State
from leadbridge.domain.errors.error_codes import ErrorCode
from leadbridge.domain.errors.partner_errors import (
    Misconfigured,
    PartnerError,
    RateLimited,
    Rejected,
    Unavailable,
)
from leadbridge.domain.transitions import OVERDUE, AlreadyLinked
from leadbridge.runtime.aws_errors import Contended
from leadbridge.runtime.budget import Budget
from leadbridge.services.check_status import BatchResult, Checker, StatusByDeal
from leadbridge.services.checks.batch import MAX_LEADS, CheckBatch
from leadbridge.services.worker import Outcome
from leadbridge.settings import Partner, Settings
from leadbridge.storage import items
from leadbridge.storage.leads import LeadRepository
from quality.testkit.fakes.ledgers import Ledger
from quality.testkit.fixtures import Time
from quality.testkit.people import lead
from quality.testkit.wiring import passes_stream_filter

PARTNER = "leadleader"
AMPLE = Budget(deadline=120.0, monotonic=lambda: 0.0)


def unreachable() -> Unavailable:
    return Unavailable(PARTNER, "status", "out of reach", code=ErrorCode.UNREACHABLE)


@dataclass
class Lender:
    """A partner with the statuses of deals; a deal without one fails with its error."""

    statuses: dict[int, str | Exception] = field(default_factory=dict)
    default: str | Exception = "В обробці"
    seconds_per_check: float = 10.0
    asked: list[int] = field(default_factory=list)
    running: int = 0
    most: int = 0
    waits_for: int = 1  # calls that must run at the same time before one is answered
    lock: threading.Condition = field(default_factory=threading.Condition)

    def status(self, deal_id: int, budget: Budget) -> str:
        with self.lock:
            self.asked.append(deal_id)
            self.running += 1
            self.most = max(self.most, self.running)
            self.lock.notify_all()
            self.lock.wait_for(lambda: self.most >= self.waits_for, timeout=10)
            self.running -= 1
        said = self.statuses.get(deal_id, self.default)
        if isinstance(said, Exception):
            raise said
        return said


@dataclass
class World:
    """Submitted deals 1 … n of leads 1 … n, the partner, the clock."""

    ledger: Ledger
    time: Time
    settings: Partner
    lender: Lender = field(default_factory=Lender)

    def deals(self, number: int, status: str | None = "В обробці") -> list[str]:
        leads = [lead(one) for one in range(1, number + 1)]
        for one, accepted in enumerate(leads, 1):
            self.ledger.accept(accepted)
            waiting = self.ledger.delivery(accepted.lead_id, PARTNER)
            assert waiting is not None
            started = self.ledger.apply(steps.start_attempt(waiting, self.time(), timedelta(minutes=1)))
            after = self.ledger.apply(steps.confirm(started, self.time(), one, is_followed=True))
            if status is not None:
                self.ledger.put(_with_status(after, status))
        return [one.lead_id for one in leads]

    def check(self, lead_ids: list[str], *, budget: Budget = AMPLE, workers: int = 4, **batch: Any) -> BatchResult:
        settings = self.settings.model_copy(update={"checks_at_once": workers})
        checker = Checker(self.ledger, StatusByDeal(self.lender), settings, self.time, jitter=lambda: 1.0)
        return checker.process(CheckBatch(PARTNER, tuple(lead_ids), **batch), budget)

    def delivery(self, lead_id: str) -> Delivery:
        found = self.ledger.delivery(lead_id, PARTNER)
        assert found is not None
        return found


def _with_status(delivery: Delivery, status: str) -> Delivery:
    return replace(delivery, partner_status=status)


@pytest.fixture
def world(time: Time, shipped_settings: Settings) -> World:
    return World(Ledger(), time, shipped_settings.partners[PARTNER])


def outcomes(result: BatchResult) -> list[Outcome]:
    return [one.outcome for one in result.results.values()]


def test_the_partner_is_called_concurrently_and_each_deal_is_checked_once(world: World) -> None:
    lead_ids = world.deals(20)
    world.lender.waits_for = 4
    result = world.check(lead_ids)
    assert set(outcomes(result)) == {Outcome.UNCHANGED}
    assert sorted(world.lender.asked) == list(range(1, 21))
    assert world.lender.most == 4, "and no more at a time than the setting allows"
    assert result.returned == ()


def test_only_changed_deals_are_written(world: World) -> None:
    lead_ids = world.deals(5)
    world.lender.statuses = {2: "Погоджено", 4: "Видано"}
    before = {lead_id: world.delivery(lead_id) for lead_id in lead_ids}
    assert sorted(outcomes(world.check(lead_ids))) == sorted(
        [Outcome.UNCHANGED] * 3 + [Outcome.CHANGED, Outcome.CLOSED]
    )
    changed = [number for number, lead_id in enumerate(lead_ids, 1) if world.delivery(lead_id) != before[lead_id]]
    assert changed == [2, 4]
    assert world.delivery(lead_ids[1]).followed_since == before[lead_ids[1]].followed_since
    assert world.delivery(lead_ids[3]).followed_since is None


@contextmanager
def calls_to_dynamodb() -> Iterator[list[str]]:
    """The operations that are called meanwhile."""
    made: list[str] = []
    call = BaseClient._make_api_call  # type: ignore[attr-defined]

    def noted(client: Any, operation: str, request: Any) -> Any:
        made.append(operation)
        return call(client, operation, request)

    with patch.object(BaseClient, "_make_api_call", noted):
        yield made


def test_a_batch_without_news_is_one_read_and_no_write(
    world: World, store: LeadRepository, shipped_settings: Settings
) -> None:
    leads = [lead(one) for one in range(1, 51)]
    for number, one in enumerate(leads, 1):
        store.accept(one, phone_hash=None)
        waiting = store.delivery(one.lead_id, PARTNER)
        assert waiting is not None
        started = store.apply(steps.start_attempt(waiting, world.time(), timedelta(minutes=1)))
        store.apply(steps.confirm(started, world.time(), number, is_followed=True))
    checker = Checker(store, StatusByDeal(world.lender), shipped_settings.partners[PARTNER], world.time)
    batch = CheckBatch(PARTNER, tuple(one.lead_id for one in leads))
    assert set(outcomes(checker.process(batch, AMPLE))) == {Outcome.CHANGED}
    with calls_to_dynamodb() as made:
        assert set(outcomes(checker.process(batch, AMPLE))) == {Outcome.UNCHANGED}
    assert made == ["BatchGetItem"]


@pytest.mark.parametrize("error", [RateLimited(PARTNER, "status", "slow down", retry_after=1000), unreachable()])
def test_an_error_of_the_partner_stops_the_batch_and_all_of_it_returns(world: World, error: PartnerError) -> None:
    lead_ids = world.deals(50)
    world.lender.default = error
    before = {lead_id: world.delivery(lead_id) for lead_id in lead_ids}
    result = world.check(lead_ids)
    assert len(world.lender.asked) <= 4, "the calls that ran ended, and no other began"
    ((batch, delay),) = result.returned
    assert sorted(batch.lead_ids) == sorted(lead_ids)
    assert batch.lead_ids[-1] in {lead_ids[number - 1] for number in world.lender.asked}, "what was tried comes last"
    assert delay >= timedelta(seconds=error.retry_after or 0)
    assert batch.not_before == world.time.now + delay
    assert {lead_id: world.delivery(lead_id) for lead_id in lead_ids} == before, "no deal is to blame"


def test_the_pauses_of_a_partner_that_stays_away_grow_up_to_their_limit(world: World) -> None:
    lead_ids = world.deals(3)
    world.lender.default = Misconfigured(PARTNER, "authorize", "the password is wrong")
    waits, batch = [], CheckBatch(PARTNER, tuple(lead_ids))
    for _ in range(12):
        result = world.check(list(batch.lead_ids), attempt=batch.attempt, not_before=batch.not_before)
        ((batch, delay),) = result.returned
        waits.append(delay)
        assert set(batch.lead_ids) == set(lead_ids), "nothing is lost"
        world.time.now += delay
    assert waits == sorted(waits)
    assert waits[-1] == world.settings.retry.longest_delay
    world.lender.default = "Погоджено"
    assert set(outcomes(world.check(list(batch.lead_ids), attempt=batch.attempt))) == {Outcome.CHANGED}


def test_a_batch_that_arrives_before_its_time_goes_back_without_a_call(world: World) -> None:
    lead_ids = world.deals(2)
    soon = world.time.now + timedelta(hours=2)
    ((batch, delay),) = world.check(lead_ids, not_before=soon, attempt=3).returned
    assert (batch.not_before, batch.attempt, delay) == (soon, 3, timedelta(hours=2))
    assert world.lender.asked == []


def test_a_deal_with_a_due_time_of_its_own_is_deferred_and_not_queued_twice(world: World) -> None:
    lead_ids = world.deals(6)
    for lead_id in lead_ids[:3]:
        world.ledger.put(replace(world.delivery(lead_id), due_at=world.time.now, checks_failed=1))
    world.lender.default = RateLimited(PARTNER, "status", "slow down", retry_after=600)
    ((batch, delay),) = world.check(lead_ids, workers=2).returned
    assert set(batch.lead_ids) == set(lead_ids[3:])
    assert {world.delivery(one).due_at for one in lead_ids[:3]} == {world.time.now + max(delay, OVERDUE)}
    assert world.check(lead_ids[:3], overdue=True).returned == ()
    world.lender.default = "В обробці"
    world.time.now += max(delay, OVERDUE)
    assert outcomes(world.check(lead_ids, overdue=True)) == [Outcome.NO_ACTION] * 3 + [Outcome.UNCHANGED] * 3
    assert outcomes(world.check(lead_ids, overdue=True)) == [Outcome.NO_ACTION] * 6, "a second message has no effect"


def test_answers_reset_the_count_of_attempts(world: World) -> None:
    lead_ids = world.deals(4)
    world.lender.statuses = {4: RateLimited(PARTNER, "status", "slow down")}
    ((batch, _),) = world.check(lead_ids, workers=1, attempt=9).returned
    assert (batch.lead_ids, batch.attempt) == ((lead_ids[3],), 2)


def test_a_refused_deal_does_not_affect_the_others(world: World) -> None:
    lead_ids = world.deals(10)
    refused = Rejected(PARTNER, "status", "no such deal")
    world.lender.statuses = dict.fromkeys(range(1, 6), refused)
    result = world.check(lead_ids)
    assert outcomes(result).count(Outcome.CHECK_FAILED) == 5
    assert outcomes(result).count(Outcome.UNCHANGED) == 5
    assert result.returned == ()
    assert [world.delivery(one).checks_refused for one in lead_ids] == [1] * 5 + [0] * 5
    assert all(world.delivery(one).due_at is not None for one in lead_ids[:5])


def test_deals_whose_checks_always_fail_never_hold_up_the_others(world: World) -> None:
    """Their error may be the partner's: so the batch is paused, but they leave it, each with its own retry."""
    lead_ids = world.deals(30)
    broken = Unavailable(PARTNER, "status", "the answer contains no status (HTTP 500)")
    world.lender.statuses = dict.fromkeys(range(1, 8), broken)
    left, rounds = [CheckBatch(PARTNER, tuple(lead_ids))], 0
    while left:
        batch = left.pop()
        world.time.now = max(world.time.now, batch.not_before or world.time.now)
        left += [one for one, _ in world.check(list(batch.lead_ids), workers=2, attempt=batch.attempt).returned]
        rounds += 1
        assert rounds < 10
    assert set(world.lender.asked) == set(range(1, 31))
    assert [world.delivery(one).due_at is not None for one in lead_ids] == [True] * 7 + [False] * 23


def test_what_does_not_fit_into_the_time_returns_at_once(world: World) -> None:
    lead_ids, seconds = world.deals(10), [0.0]

    class Slow(Lender):
        def status(self, deal_id: int, budget: Budget) -> str:
            seconds[0] += 10
            return super().status(deal_id, budget)

    world.lender = Slow()
    budget = Budget(deadline=63.0, reserve=3.0, monotonic=lambda: seconds[0])
    result = world.check(lead_ids, workers=1, budget=budget)
    assert outcomes(result) == [Outcome.UNCHANGED] * 6 + [Outcome.OUT_OF_TIME] * 4
    ((batch, delay),) = result.returned
    assert (batch.lead_ids, batch.attempt, batch.not_before, delay) == (tuple(lead_ids[6:]), 1, None, timedelta())


def test_a_delivery_that_cannot_be_written_returns_alone(world: World) -> None:
    lead_ids = world.deals(5)
    world.lender.default = "Погоджено"
    apply = world.ledger.apply

    def failing(change: Any, *, retry_for: float = 0.0) -> Delivery:
        if change.after.lead_id == lead_ids[2]:
            raise Contended
        return apply(change, retry_for=retry_for)

    with patch.object(world.ledger, "apply", failing):
        result = world.check(lead_ids)
        assert [one.lead_ids for one, _ in result.returned] == [(lead_ids[2],)]
        assert list(result.failures) == [lead_ids[2]]
        with pytest.raises(Contended):  # so that the queue counts its attempts, and the dead-letter queue gets it
            world.check([lead_ids[2]])
    assert [world.delivery(one).partner_status for one in lead_ids].count("Погоджено") == 4


def test_one_deal_that_is_linked_elsewhere_does_not_affect_the_others(world: World) -> None:
    lead_ids = world.deals(3)
    world.lender.default = "Погоджено"
    apply = world.ledger.apply

    def linked(change: Any, *, retry_for: float = 0.0) -> Delivery:
        if change.after.lead_id == lead_ids[0]:
            raise AlreadyLinked("ld_other")
        return apply(change, retry_for=retry_for)

    with patch.object(world.ledger, "apply", linked):
        result = world.check(lead_ids)
    assert sorted(outcomes(result)) == [Outcome.CHANGED, Outcome.CHANGED, Outcome.CHECK_FAILED]
    assert world.delivery(lead_ids[0]).last_error_code == ErrorCode.ALREADY_LINKED


def test_mixed_batches_do_for_each_delivery_what_it_needs(world: World) -> None:
    (followed, closed), missing = world.deals(2), "ld_missing"
    done = world.delivery(closed)
    world.ledger.put(_closed(done))
    waiting = lead(9)
    world.ledger.accept(waiting)
    world.time.pass_(hours=1)
    requeued: list[str] = []
    checker = Checker(
        world.ledger,
        StatusByDeal(world.lender),
        world.settings,
        world.time,
        requeue=lambda one: requeued.append(one.lead_id),
    )
    result = checker.process(CheckBatch(PARTNER, (followed, closed, missing, waiting.lead_id)), AMPLE)
    assert {lead_id: one.outcome for lead_id, one in result.results.items()} == {
        followed: Outcome.UNCHANGED,
        closed: Outcome.NO_ACTION,
        missing: Outcome.NOT_FOUND,
        waiting.lead_id: Outcome.REQUEUED,
    }
    assert requeued == [waiting.lead_id]


def _closed(delivery: Delivery) -> Delivery:
    return replace(delivery, state=State.CLOSED, followed_since=None)


batches = st.builds(
    CheckBatch,
    st.just(PARTNER),
    st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=5, unique=True).map(tuple),
    at_once=st.booleans(),
    overdue=st.booleans(),
    attempt=st.integers(1, 50),
)


@given(batches)
def test_bodies_round_trip(batch: CheckBatch) -> None:
    assert CheckBatch.of(batch.body()) == batch


@pytest.mark.parametrize(
    "body",
    [
        {"partner": PARTNER, "lead_ids": []},
        {"partner": PARTNER, "lead_ids": ["ld_1"] * (MAX_LEADS + 1)},
        {"partner": PARTNER, "lead_ids": "ld_1"},
        {"partner": PARTNER, "lead_ids": [1]},
        {"partner": 1, "lead_ids": ["ld_1"]},
    ],
)
def test_a_body_that_is_no_batch_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"lead_ids|partner"):
        CheckBatch.of(body)


@pytest.mark.parametrize(
    ("key", "changed"),
    [
        ({"pk": "CHECKS#leadleader", "sk": "PROGRESS"}, {"version": 7}),
        (
            {"pk": "LEAD#ld_1", "sk": f"DELIVERY#{PARTNER}"},
            {"state": "submitted", "due_at": "2026-03-02T09:00:00.000Z"},
        ),
    ],
)
def test_progress_and_failed_checks_invoke_no_publisher(key: dict[str, str], changed: dict[str, Any]) -> None:
    image = items.encode({**key, **changed})
    record = {"eventName": "MODIFY", "dynamodb": {"Keys": items.encode(key), "NewImage": image, "OldImage": image}}
    assert not passes_stream_filter(record)


@pytest.mark.parametrize(("attempt", "at_once"), [(1, 8), (2, 4), (4, 1), (50, 1)])
def test_each_attempt_without_an_answer_halves_the_concurrency(world: World, attempt: int, at_once: int) -> None:
    """A check takes two calls: otherwise the first calls of 8 checks use up a limit of 8, and no check ever ends."""
    lead_ids = world.deals(16)
    world.lender.waits_for = at_once
    assert world.check(lead_ids, workers=8, attempt=attempt).returned == ()
    assert world.lender.most == at_once


def test_a_delivery_that_cannot_be_read_does_not_keep_the_others_from_their_checks(world: World) -> None:
    lead_ids = world.deals(7)
    read = world.ledger.deliveries

    def failing(some: Iterable[str], partner: str, *, consistent: bool = True) -> dict[str, Delivery]:
        if lead_ids[4] in (listed := list(some)):
            raise ValueError("no such state")
        return read(listed, partner, consistent=consistent)

    left, failed = [CheckBatch(PARTNER, tuple(lead_ids))], []
    with patch.object(world.ledger, "deliveries", failing):
        while left:
            batch = left.pop()
            try:
                left += [one for one, _ in world.check(list(batch.lead_ids)).returned]
            except ValueError:
                failed.append(batch.lead_ids)
    assert failed == [(lead_ids[4],)], "which the queue tries again, and then the dead-letter queue gets"
    assert sorted(world.lender.asked) == [1, 2, 3, 4, 6, 7]

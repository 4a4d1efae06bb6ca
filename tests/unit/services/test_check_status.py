"""Looking at what is due: statuses that change, partners that are away, workers and messages that got lost."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from leadbridge.domain import delivery as steps
from leadbridge.domain.delivery import Delivery, State
from leadbridge.domain.errors import partner_errors
from leadbridge.runtime import aws
from leadbridge.runtime.budget import Budget
from leadbridge.services.check_status import Checker, StatusByDeal
from leadbridge.services.worker import Outcome
from leadbridge.settings import Settings
from leadbridge.storage import items
from leadbridge.storage.leads import LeadRepository
from quality.testkit.fakes.errors import some_error
from quality.testkit.fixtures import TABLE, Time
from quality.testkit.people import lead
from quality.testkit.services.checks import check_one

AMPLE = Budget(deadline=90.0, monotonic=lambda: 0.0)
LEAD = lead()


@dataclass
class Lender:
    """A partner that says the next of its statuses, or fails."""

    says: Iterator[str | partner_errors.PartnerError] = field(default_factory=lambda: iter(()))
    asked: int = 0
    seconds_per_check: float = 10.0

    def status(self, deal_id: int, budget: Budget) -> str:
        assert deal_id == 24
        self.asked += 1
        said = next(self.says)
        if isinstance(said, partner_errors.PartnerError):
            raise said
        return said


@dataclass
class World:
    """One delivery, the partner, the clock."""

    store: LeadRepository
    time: Time
    settings: Settings
    lender: Lender = field(default_factory=Lender)
    requeued: list[str] = field(default_factory=list)

    def look(self, *, at_once: bool = False, budget: Budget = AMPLE) -> Outcome:
        partner = self.settings.partners["leadleader"]
        checker = Checker(
            self.store,
            StatusByDeal(self.lender),
            partner,
            self.time,
            jitter=lambda: 0.0,
            requeue=lambda delivery: self.requeued.append(delivery.lead_id),
        )
        return check_one(checker, LEAD.lead_id, "leadleader", budget, at_once=at_once).outcome

    def says(self, *answers: str | partner_errors.PartnerError) -> None:
        self.lender.says = iter(answers)

    @property
    def delivery(self) -> Delivery:
        found = self.store.delivery(LEAD.lead_id, "leadleader")
        assert found is not None
        return found

    @property
    def timeline(self) -> list[tuple[str, str | None]]:
        journey = self.store.journey(LEAD.lead_id)
        assert journey is not None
        return [(entry.what, entry.detail) for entry in journey.timeline]


@pytest.fixture
def waiting(store: LeadRepository, time: Time, shipped_settings: Settings) -> World:
    """A delivery that was received and not taken to the partner yet."""
    store.accept(LEAD, phone_hash=None)
    return World(store, time, shipped_settings)


@pytest.fixture
def world(waiting: World) -> World:
    """A deal whose status is due."""
    started = waiting.store.apply(steps.start_attempt(waiting.delivery, waiting.time(), timedelta(minutes=1)))
    waiting.store.apply(steps.confirm(started, waiting.time(), 24, is_followed=True))
    waiting.time.pass_(minutes=2)
    return waiting


def test_a_changed_status_is_noted_once(world: World) -> None:
    world.says("В обробці", "В обробці")
    assert world.look() is Outcome.CHANGED
    after = world.delivery
    world.time.pass_(minutes=20)
    assert world.look() is Outcome.UNCHANGED
    assert world.delivery == after
    assert (world.delivery.partner_status, world.delivery.outcome) == ("В обробці", "in_progress")
    assert world.timeline[-1] == ("status_changed", "В обробці")
    assert [what for what, _ in world.timeline].count("status_changed") == 1


def test_a_final_status_closes_the_deal_and_it_is_never_due_again(world: World) -> None:
    world.says("Видано")
    assert world.look() is Outcome.CLOSED
    assert (world.delivery.state, world.delivery.due_at, world.delivery.followed_since) == (State.CLOSED, None, None)
    world.time.pass_(days=400)
    assert world.look(at_once=True) is Outcome.NO_ACTION


def test_an_unknown_status_is_stored_and_leaves_the_deal_open(world: World) -> None:
    world.says("Передано в архів банку")
    assert world.look() is Outcome.CHANGED
    assert (world.delivery.state, world.delivery.partner_status, world.delivery.outcome) == (
        State.SUBMITTED,
        "Передано в архів банку",
        None,
    )


def test_a_partner_that_is_away_is_asked_again_later_and_later(world: World) -> None:
    away = partner_errors.Unavailable("leadleader", "status", "out of reach")
    world.says(away, away, "В обробці")
    assert world.look() is Outcome.CHECK_FAILED
    assert (world.delivery.checks_failed, world.delivery.last_error) == (1, "out of reach")
    first_wait = (world.delivery.due_at or world.time.now) - world.time.now
    world.time.now += first_wait
    assert world.look() is Outcome.CHECK_FAILED
    assert (world.delivery.due_at or world.time.now) - world.time.now == 2 * first_wait
    world.time.pass_(hours=1)
    assert world.look() is Outcome.CHANGED
    after = world.delivery
    assert (after.checks_failed, after.last_error, after.due_at) == (0, None, None)
    assert [what for what, _ in world.timeline] == ["received", "submitting", "submitted", "status_changed"]


def test_a_deal_waits_for_its_own_retry_after_a_failed_check(world: World) -> None:
    world.says(partner_errors.Unavailable("leadleader", "status", "no answer", retry_after=900), "В обробці")
    world.look()
    assert world.delivery.due_at == world.time.now + timedelta(seconds=900)
    assert world.look() is Outcome.NO_ACTION, "also if a check of its schedule is due meanwhile"
    world.time.pass_(seconds=900)
    assert world.look() is Outcome.CHANGED


def test_a_check_that_succeeds_ends_the_retries_of_a_deal(world: World) -> None:
    world.says("В обробці", partner_errors.Unavailable("leadleader", "status", "no answer"), "В обробці")
    world.look()
    world.look()
    assert world.delivery.due_at is not None
    world.time.pass_(hours=1)
    assert world.look() is Outcome.UNCHANGED
    after = world.delivery
    assert (after.due_at, after.checks_failed, after.last_error_code, after.version) == (None, 0, None, 4)


def test_two_workers_with_one_answer_announce_it_once(world: World) -> None:
    class LeaseLost(Lender):
        """While this one asks, another worker has noted the same answer."""

        def status(self, deal_id: int, budget: Budget) -> str:
            world.says("В обробці")
            world.look()
            return "В обробці"

    partner = world.settings.partners["leadleader"]
    checker = Checker(world.store, StatusByDeal(LeaseLost()), partner, world.time)
    look = check_one(checker, LEAD.lead_id, "leadleader", AMPLE)
    assert look.outcome is Outcome.NO_ACTION
    assert [what for what, _ in world.timeline].count("status_changed") == 1


def test_a_lost_worker_leaves_an_unknown_when_its_lease_runs_out(waiting: World) -> None:
    waiting.store.apply(steps.start_attempt(waiting.delivery, waiting.time(), timedelta(minutes=1)))
    waiting.time.pass_(seconds=59)
    assert waiting.look() is Outcome.NO_ACTION
    waiting.time.pass_(seconds=1)
    assert waiting.look() is Outcome.UNKNOWN
    assert (waiting.delivery.state, waiting.delivery.due_at) == (State.UNKNOWN, None)


def test_a_lead_that_waits_too_long_is_requeued_ever_less_often_and_nothing_is_announced(waiting: World) -> None:
    waits = []
    for number in range(1, 8):
        assert waiting.delivery.due_at is not None
        waits.append(waiting.delivery.due_at - waiting.time.now)
        waiting.time.now = waiting.delivery.due_at
        assert waiting.look() is Outcome.REQUEUED
        assert len(waiting.requeued) == number
        assert waiting.delivery.version == 1
        assert waiting.look() is Outcome.NO_ACTION
    minutes = [wait / timedelta(minutes=1) for wait in waits]
    assert minutes == [15, 15, 30, 60, 120, 240, 360]


def test_requeueing_keeps_the_last_error_of_a_lead_that_waits(waiting: World) -> None:
    waiting.store.apply(
        steps.schedule_retry(waiting.delivery, waiting.time(), some_error("away"), timedelta(minutes=1))
    )
    waiting.time.pass_(hours=1)
    assert waiting.look() is Outcome.REQUEUED
    assert waiting.delivery.last_error == "away"


def test_a_check_at_once_does_not_wait_and_touches_nothing_else(waiting: World) -> None:
    assert waiting.look(at_once=True) is Outcome.NO_ACTION
    assert waiting.delivery.version == 1


def test_without_time_for_a_whole_check_none_is_begun(world: World) -> None:
    assert world.look(budget=Budget(deadline=12.0, reserve=3.0, monotonic=lambda: 0.0)) is Outcome.OUT_OF_TIME
    assert world.lender.asked == 0
    assert world.delivery.due_at is None


def test_a_delivery_that_does_not_exist_is_gone(world: World) -> None:
    partner = world.settings.partners["leadleader"]
    checker = Checker(world.store, StatusByDeal(world.lender), partner, world.time)
    look = check_one(checker, "ld_nobody", "leadleader", AMPLE)
    assert look.outcome is Outcome.NOT_FOUND


def test_checks_that_the_partner_refuses_in_a_row_need_a_person(world: World) -> None:
    refused = partner_errors.Rejected("leadleader", "status", "the partner refused it (HTTP 404)")
    away = partner_errors.Unavailable("leadleader", "status", "out of reach")
    world.says(refused, refused, away, refused, refused, "В обробці")
    outcomes = []
    for _ in range(5):
        outcomes.append(world.look(at_once=True))
        assert (world.delivery.attention is not None) == (len(outcomes) > 3)
    failed, needs_person = Outcome.CHECK_FAILED, Outcome.CHECK_REFUSED
    assert outcomes == [failed, failed, failed, needs_person, needs_person]
    assert world.delivery.attention == "status_check_refused"
    assert world.look(at_once=True) is Outcome.CHANGED
    after = world.delivery
    assert (after.attention, after.checks_refused) == (None, 0)


def test_a_deal_whose_checks_are_refused_is_not_retried_between_the_checks_of_its_schedule(world: World) -> None:
    refused = partner_errors.Rejected("leadleader", "status", "the partner refused it (HTTP 404)")
    world.says(refused, refused, refused, refused)
    for _ in range(3):
        assert world.delivery.attention is None
        world.look(at_once=True)
    assert world.delivery.due_at is None
    assert world.look() is Outcome.CHECK_REFUSED


def test_status_is_dated_by_the_moment_at_which_the_partner_was_asked(world: World) -> None:
    asked_at = world.time.now
    status = world.lender.status

    def slow(deal_id: int, budget: Budget) -> str:
        world.time.pass_(seconds=20)
        return status(deal_id, budget)

    world.lender.status = slow  # type: ignore[method-assign]
    world.says("В обробці")
    assert world.look() is Outcome.CHANGED
    assert world.delivery.status_at == asked_at


def test_status_of_a_deal_that_another_lead_has_is_checked_by_its_schedule_only(world: World) -> None:
    other = lead(2)
    tie = items.link_key("leadleader", 24)
    aws.dynamodb().put_item(TableName=TABLE, Item=items.encode({**tie, "lead_id": other.lead_id}))
    world.time.pass_(days=2)  # the tie is written once more with a late change
    world.says("Погоджено", "Погоджено")
    assert world.look() is Outcome.CHECK_FAILED
    after = world.delivery
    assert (after.partner_status, after.checks_failed, after.due_at) == (None, 1, None)
    assert (after.last_error_code, after.last_error_data) == ("already_linked", {"lead_id": other.lead_id})

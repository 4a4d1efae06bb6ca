"""A partner that can be asked what it has: lost replies are looked up before anything is sent again."""

import contextlib
from collections.abc import Iterator
from datetime import timedelta

import pytest

from leadbridge.domain import delivery as steps
from leadbridge.domain.delivery import State, new_delivery
from leadbridge.domain.errors import partner_errors
from leadbridge.domain.lead import Lead
from leadbridge.runtime.budget import Budget
from leadbridge.services.worker import Outcome
from leadbridge.storage.leads import LeadRepository
from quality.testkit.fakes.blades import Blade, Killed
from quality.testkit.people import lead
from quality.testkit.services.uncertain_submissions import EMAIL, LEAD, PARTNER, Account, World, away, lost, world

__all__ = ["world"]


def test_an_account_is_made_once_and_tied_to_its_lead(world: World) -> None:
    assert world.visit().outcome is Outcome.SUBMITTED
    assert world.visit().outcome is Outcome.NO_ACTION
    assert (world.delivery.state, world.delivery.account_uuid, world.delivery.due_at) == (
        State.SUBMITTED,
        "uuid-0",
        None,
    )
    assert world.store.owner_of(PARTNER, "uuid-0") == LEAD.lead_id
    assert world.broker.creates == 1


def test_a_lost_reply_is_looked_up_and_found_to_be_ours(world: World) -> None:
    world.broker.replies = iter([lost()])
    visit = world.visit()
    assert (visit.outcome, visit.retry_after) == (Outcome.UNCERTAIN, timedelta(seconds=15))
    assert (world.delivery.state, world.delivery.is_uncertain) == (State.RECEIVED, True)
    world.time.pass_(seconds=15)
    assert world.visit().outcome is Outcome.SUBMITTED
    assert (world.delivery.account_uuid, world.delivery.is_uncertain) == ("uuid-0", False)
    assert world.broker.creates == 1


def test_a_lost_request_is_looked_up_and_sent_again(world: World) -> None:
    world.broker.does_create = False
    world.broker.replies = iter([lost()])
    world.visit()
    world.broker.does_create = True
    world.time.pass_(seconds=15)
    assert world.visit().outcome is Outcome.SUBMITTED
    assert (world.broker.creates, world.broker.looks) == (2, 1)


def test_nothing_is_sent_again_while_look_ups_fail(world: World) -> None:
    def always() -> Iterator[partner_errors.PartnerError]:
        while True:
            yield away()

    world.broker.replies = iter([lost()])
    world.broker.looked_up = always()
    began = world.time.now
    for _ in range(100):
        visit = world.visit()
        if visit.retry_after is None:
            break
        world.time.now += visit.retry_after
    assert visit.outcome is Outcome.UNKNOWN
    assert world.time.now - began >= timedelta(hours=24)
    assert (world.delivery.state, world.broker.creates, world.dead_letters) == (State.UNKNOWN, 1, [])


def test_a_certain_409_is_a_duplicate_at_once(world: World) -> None:
    world.broker.accounts[EMAIL] = Account("theirs", world.time.now - timedelta(days=400))
    assert world.visit().outcome is Outcome.DUPLICATE
    assert (world.delivery.state, world.delivery.account_uuid, world.broker.looks) == (State.DUPLICATE, None, 0)


def test_a_409_after_a_lost_reply_counts_by_what_the_look_up_shows(world: World) -> None:
    world.broker.replies = iter([lost()])
    world.visit()
    # The list is behind: it does not show the account yet, which the broker has all the same.
    ours = world.broker.accounts[EMAIL]
    world.broker.find = lambda email, budget: None  # type: ignore[method-assign]
    world.time.pass_(seconds=15)
    assert world.visit().outcome is Outcome.UNCERTAIN
    world.broker.find = lambda email, budget: ours  # type: ignore[method-assign]
    world.time.pass_(seconds=30)
    assert world.visit().outcome is Outcome.SUBMITTED
    assert len(world.broker.accounts) == 1


@pytest.mark.parametrize(
    ("age", "state"),
    [
        (timedelta(seconds=0), State.SUBMITTED),
        (timedelta(seconds=100), State.SUBMITTED),  # the broker's clock is behind
        (timedelta(minutes=3), State.DUPLICATE),
        (timedelta(days=900), State.DUPLICATE),
        (None, State.UNKNOWN),
    ],
)
def test_whose_account_it_is_shows_in_its_age(world: World, age: timedelta | None, state: State) -> None:
    world.broker.does_create = False
    world.broker.replies = iter([lost()])
    world.visit()
    created = None if age is None else world.time.now - age
    world.broker.accounts[EMAIL] = Account("found", created)
    world.time.pass_(seconds=15)
    world.visit()
    assert world.delivery.state is state
    assert world.broker.creates == 1


@pytest.mark.parametrize(
    ("earliest", "latest", "state"),
    [
        (-60, 0, State.UNKNOWN),  # it may be older than the attempt, or of its making
        (0, 60, State.SUBMITTED),  # within the hour for which the attempt can make it
        (5, 65, State.UNKNOWN),
        (-90, -30, State.DUPLICATE),
    ],
)
def test_account_of_the_hour_that_comes_twice_is_anothers_only_if_both_moments_say_so(
    world: World, earliest: int, latest: int, state: State
) -> None:
    world.broker.does_create = False
    world.broker.replies = iter([lost()])
    world.visit()
    moments = (world.time.now + timedelta(minutes=minutes) for minutes in (earliest, latest))
    world.broker.accounts[EMAIL] = Account("found", next(moments), created_latest=next(moments))
    world.time.pass_(seconds=15)
    world.visit()
    assert world.delivery.state is state
    assert world.broker.creates == 1


def test_another_leads_account_is_not_ours_however_young(world: World, store: LeadRepository) -> None:
    other = lead(2).model_copy(update={"partners": (PARTNER,)})
    store.accept(other, phone_hash=None)
    waiting = new_delivery(other.lead_id, PARTNER, "web", other.received_at)
    started = store.apply(steps.start_attempt(waiting, world.time.now, timedelta(minutes=1)))
    store.apply(steps.confirm(started, world.time.now, "uuid-0", is_followed=False))

    world.broker.replies = iter([lost()])
    world.visit()
    world.time.pass_(seconds=15)
    assert world.visit().outcome is Outcome.DUPLICATE


@pytest.mark.parametrize("reply", [None, lost()])
@pytest.mark.parametrize("step", range(1, 15))
def test_a_worker_killed_at_any_step_makes_one_account_and_knows_it(
    world: World, step: int, reply: partner_errors.PartnerError | None
) -> None:
    world.broker.replies = iter([reply])
    blade = Blade(at=step)
    with contextlib.suppress(Killed):
        world.visit(blade)
    for _ in range(4):
        world.time.pass_(minutes=9)
        world.visit()
    assert (world.delivery.state, world.delivery.account_uuid) == (State.SUBMITTED, "uuid-0")
    assert len(world.broker.accounts) == 1


@pytest.mark.parametrize("step", range(1, 12))
def test_a_worker_killed_while_it_looks_up_is_replaced(world: World, step: int) -> None:
    world.broker.replies = iter([lost()])
    world.visit()
    world.time.pass_(minutes=1)
    with contextlib.suppress(Killed):
        world.visit(Blade(at=step))
    world.time.pass_(minutes=9)
    world.visit()
    assert (world.delivery.state, world.broker.creates) == (State.SUBMITTED, 1)


def test_an_answer_that_comes_after_the_sweep_doubted_is_still_believed(world: World) -> None:
    create = world.broker.create

    def slow(submitted: Lead, budget: Budget) -> str | None:
        made = create(submitted, budget)
        world.time.pass_(minutes=5)
        assert world.look() is Outcome.UNCERTAIN
        return made

    world.broker.create = slow  # type: ignore[method-assign]
    assert world.visit().outcome is Outcome.SUBMITTED
    assert world.delivery.account_uuid == "uuid-0"


def test_a_lost_worker_is_announced_so_that_another_one_looks(world: World) -> None:
    with pytest.raises(Killed):
        world.visit(Blade(at=9))
    assert world.delivery.state is State.SUBMITTING
    world.time.pass_(minutes=5)
    assert world.look() is Outcome.UNCERTAIN
    after = world.delivery
    assert (after.state, after.is_uncertain, after.next_attempt_at) == (State.RECEIVED, True, None)


def test_an_operator_may_ask_for_an_accounts_status(world: World) -> None:
    world.visit()
    assert world.look(at_once=True) is Outcome.CHANGED
    assert world.look(at_once=True) is Outcome.UNCHANGED
    assert world.delivery.partner_status == "NEW_CONTACT"
    world.broker.accounts.clear()
    assert world.look(at_once=True) is Outcome.CHECK_FAILED
    assert (world.delivery.partner_status, world.delivery.due_at) == ("NEW_CONTACT", None)


def test_a_delivery_to_the_broker_that_nothing_happened_to_is_requeued(world: World) -> None:
    world.time.pass_(minutes=16)
    assert world.look() is Outcome.REQUEUED

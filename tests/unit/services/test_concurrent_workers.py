"""Workers, the sweep, late answers and operators that meet at one delivery to a partner that can be asked."""

import itertools
from datetime import timedelta

import pytest

from leadbridge.domain import delivery as steps
from leadbridge.domain.delivery import State
from leadbridge.domain.lead import Lead
from leadbridge.domain.operator_steps import resolve_found, resolve_not_found, retry_by_operator
from leadbridge.domain.transitions import Conflict
from leadbridge.runtime.budget import Budget
from leadbridge.services.submit_lead import Submitter
from leadbridge.services.worker import Outcome
from leadbridge.settings import Settings
from leadbridge.storage.leads import LeadRepository
from quality.testkit.fakes.errors import some_error
from quality.testkit.fixtures import Time
from quality.testkit.people import lead
from quality.testkit.services.uncertain_submissions import EMAIL, LEAD, PARTNER, Account, Broker, World, away, lost
from quality.testkit.template import resources


@pytest.fixture
def world(store: LeadRepository, time: Time, shipped_settings: Settings) -> World:
    store.accept(LEAD, phone_hash=None, email_hash="the same")
    return World(store, time, shipped_settings, Broker(time))


def spent_then_lost(world: World) -> None:
    """The broker could not be reached for a day; then one create went out, and its reply was lost."""
    waiting = world.delivery
    world.store.apply(steps.schedule_retry(waiting, world.time.now, some_error("away"), timedelta(hours=1)))
    world.time.pass_(hours=25)
    world.broker.replies = iter([lost()])
    assert world.visit().outcome is Outcome.UNKNOWN


def test_an_unknown_one_that_is_retried_is_looked_up_before_it_is_sent(world: World) -> None:
    spent_then_lost(world)
    world.store.apply(retry_by_operator(world.delivery, world.time.now, "olena", is_confirmed=True))
    world.visit()
    assert (world.broker.looks, world.broker.creates) == (1, 1)
    assert world.delivery.state is State.SUBMITTED


def test_an_answer_that_comes_after_another_worker_found_the_account_is_no_fault(world: World) -> None:
    create = world.broker.create

    def slow(submitted: Lead, budget: Budget) -> str | None:
        made = create(submitted, budget)
        world.broker.create = create  # type: ignore[method-assign]
        world.time.pass_(minutes=5)
        assert world.look() is Outcome.UNCERTAIN
        assert world.visit().outcome is Outcome.SUBMITTED
        return made

    world.broker.create = slow  # type: ignore[method-assign]
    assert world.visit().outcome is Outcome.SUBMITTED


def test_an_answer_that_comes_after_a_look_up_that_failed_is_still_believed(world: World) -> None:
    create = world.broker.create

    def slow(submitted: Lead, budget: Budget) -> str | None:
        made = create(submitted, budget)
        world.broker.create = create  # type: ignore[method-assign]
        world.time.pass_(minutes=5)
        assert world.look() is Outcome.UNCERTAIN
        world.broker.looked_up = iter([away()])
        assert world.visit().outcome is Outcome.RETRIED
        return made

    world.broker.create = slow  # type: ignore[method-assign]
    assert world.visit().outcome is Outcome.SUBMITTED
    assert world.delivery.account_uuid == "uuid-0"


def test_a_look_up_that_takes_long_does_not_go_in_circles(world: World) -> None:
    """A minute's function; the broker answers the look-up after 35 s (two pages of a list that ignores `query`)."""
    world.broker.does_create = False
    world.broker.replies = iter([lost()])
    world.visit()
    world.time.pass_(minutes=1)
    spent = [0.0]

    def find(email: str, budget: Budget) -> None:
        spent[0] += 35
        world.time.pass_(seconds=35)

    world.broker.find = find  # type: ignore[method-assign]
    submitter = Submitter(
        world.store, world.broker, world.settings.partners[PARTNER], world.time, lambda *_: None, world.broker
    )
    visits = []
    for _ in range(30):
        spent[0] = 0.0
        budget = Budget(deadline=60.0, monotonic=lambda: spent[0])
        visits.append(submitter.process(LEAD.lead_id, PARTNER, budget))
    assert any(visit.outcome is not Outcome.RETRIED or visit.retry_after for visit in visits), (
        f"{len(visits)} visits: {set(map(str, visits))}; attempts {world.delivery.attempts}"
    )


def another(world: World, number: int = 2) -> Lead:
    other = lead(number).model_copy(update={"partners": (PARTNER,)})
    world.store.accept(other, phone_hash=None, email_hash="the same")
    return other


def test_two_leads_do_not_get_one_account(world: World, store: LeadRepository) -> None:
    """Both replies lost, both look up at once: neither sees the other's tie."""
    other = another(world)
    both = []
    for lead_id in (LEAD.lead_id, other.lead_id):
        waiting = store.delivery(lead_id, PARTNER)
        assert waiting is not None
        begun = store.apply(steps.start_attempt(waiting, world.time.now, timedelta(minutes=1)))
        both.append(store.apply(steps.mark_uncertain(begun, world.time.now, some_error("lost"), None)))
    store.apply(steps.confirm(both[0], world.time.now, "uuid-0", is_followed=False))
    with pytest.raises(Conflict):
        store.apply(steps.confirm(both[1], world.time.now, "uuid-0", is_followed=False))


def test_an_operator_cannot_give_a_lead_another_leads_account(world: World, store: LeadRepository) -> None:
    world.visit()
    assert store.owner_of(PARTNER, "uuid-0") == LEAD.lead_id
    other = another(world)
    waiting = store.delivery(other.lead_id, PARTNER)
    assert waiting is not None
    begun = store.apply(steps.start_attempt(waiting, world.time.now, timedelta(minutes=1)))
    unknown = store.apply(steps.mark_unknown(begun, world.time.now, some_error("lost")))
    with pytest.raises(Conflict):
        store.apply(resolve_found(unknown, world.time.now, "olena", "uuid-0", is_followed=False))
    assert store.owner_of(PARTNER, "uuid-0") == LEAD.lead_id


def test_a_duplicate_of_a_minute_ago_is_not_ours(world: World, store: LeadRepository) -> None:
    """The first lead's account was made, its uuid untold; the second's 409 was lost, and its look-up finds that."""
    other = another(world)
    waiting = store.delivery(other.lead_id, PARTNER)
    assert waiting is not None
    begun = store.apply(steps.start_attempt(waiting, world.time.now, timedelta(minutes=1)))
    store.apply(steps.confirm(begun, world.time.now, None, is_followed=False))
    world.broker.accounts[EMAIL] = Account("uuid-0", world.time.now)
    world.time.pass_(seconds=60)

    def refuses_unheard(submitted: Lead, budget: Budget) -> str | None:
        raise lost()

    world.broker.create = refuses_unheard  # type: ignore[method-assign]
    world.visit()
    world.time.pass_(seconds=30)
    world.visit()
    assert world.delivery.state is State.DUPLICATE


def test_an_account_of_a_month_later_is_not_ours(world: World) -> None:
    """The request was lost and never sent again; a month later the person registers, and the operator retries."""
    world.broker.does_create = False
    world.broker.replies = itertools.repeat(lost())
    world.visit()
    world.store.apply(steps.mark_unknown(world.delivery, world.time.now, some_error("spent")))
    world.time.pass_(days=30)
    world.broker.accounts[EMAIL] = Account("theirs", world.time.now)
    world.time.pass_(days=1)
    world.store.apply(retry_by_operator(world.delivery, world.time.now, "olena", is_confirmed=True))
    world.visit()
    assert world.delivery.state is not State.SUBMITTED


def test_a_broker_that_answers_nothing_usable_for_an_hour_triggers_an_alarm(world: World) -> None:
    rings = {
        alarm["Properties"]["MetricName"]
        for alarm in resources("AWS::CloudWatch::Alarm").values()
        if {"Name": "service", "Value": "submit_lead"} in alarm["Properties"].get("Dimensions", [])
    }
    world.broker.does_create = False
    world.broker.replies = itertools.repeat(lost())
    counted = set()
    began = world.time.now
    while world.time.now - began < timedelta(hours=20):
        visit = world.visit()
        counted.add(f"Submission.{visit.outcome}")
        assert visit.retry_after is not None
        world.time.now += visit.retry_after
    assert counted & rings, f"twenty hours of {counted}, and nothing rings: {rings}"


def test_a_retry_restarts_the_backoff(world: World) -> None:
    world.broker.authorize = lambda budget: (_ for _ in ()).throw(away())  # type: ignore[method-assign]
    while (visit := world.visit()).retry_after is not None:
        world.time.now += visit.retry_after
    assert world.delivery.state is State.FAILED
    world.store.apply(retry_by_operator(world.delivery, world.time.now, "olena", is_confirmed=False))
    assert world.visit().retry_after == timedelta(seconds=15)


def test_a_409_after_an_operator_said_not_created_is_looked_up(world: World) -> None:
    """The reply was lost, the broker's list was behind, the operator saw nothing there and had it sent again."""
    world.broker.replies = iter([lost()])
    world.visit()
    world.store.apply(steps.mark_unknown(world.delivery, world.time.now, some_error("spent")))
    world.store.apply(resolve_not_found(world.delivery, world.time.now, "olena"))
    world.store.apply(retry_by_operator(world.delivery, world.time.now, "olena", is_confirmed=False))
    for _ in range(3):
        world.visit()
        world.time.pass_(minutes=2)
    assert world.delivery.state is State.SUBMITTED

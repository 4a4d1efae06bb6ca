"""Fetching: a worker may die anywhere, two may work at once, Graph may say anything; a named lead is never lost."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from leadbridge.domain.acceptance.status import LeadStatus
from leadbridge.domain.clock import date_in
from leadbridge.domain.delivery import State
from leadbridge.domain.errors import partner_errors
from leadbridge.domain.errors.field_codes import FieldCode
from leadbridge.domain.fetch import FetchState, new_fetch, refetch
from leadbridge.domain.lead import Lead
from leadbridge.runtime import aws
from leadbridge.runtime.budget import Budget
from leadbridge.services.worker import Outcome, Result
from leadbridge.settings import Settings
from leadbridge.settings.routing import RoutingRule
from leadbridge.storage.fetches import DUE_PARTITION
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.queries.lead_filter import LeadFilter
from leadbridge.storage.queries.lead_list import LeadList
from leadbridge.storage.queries.lead_search import LeadFinder
from leadbridge.storage.table import Table
from quality.testkit.fakes.blades import Blade, Killed
from quality.testkit.fixtures import TABLE, Time
from quality.testkit.people import NOW
from quality.testkit.services.fetches import AMPLE, ANSWERS, KEYS, LEAD_ID, Origin, World, failing, fails


@pytest.fixture
def world(store: LeadRepository, time: Time, shipped_settings: Settings) -> World:
    empty = Lead(lead_id=LEAD_ID, source="meta-credit", received_at=NOW, partners=())
    fetch = new_fetch(LEAD_ID, "meta-credit", KEYS, NOW)
    assert store.accept(empty, phone_hash=None, fetch=fetch) is None
    return World(store, time, shipped_settings)


def test_a_named_lead_becomes_a_lead_like_any_other_once(world: World) -> None:
    world.time.pass_(seconds=30)
    assert world.visit() == Result(Outcome.FETCHED)
    assert world.visit() == Result(Outcome.NO_ACTION)
    journey = world.journey
    assert (journey.lead.person.phone, journey.lead.person.tax_number) == ("+380500000001", "3068208400")
    assert (str(journey.lead.loan.amount), journey.lead.loan.term) == ("6000", 12)
    assert (journey.lead.partners, journey.lead.received_at, journey.lead.warnings) == (("leadleader",), NOW, ())
    delivery = journey.deliveries["leadleader"]
    assert (delivery.state, delivery.version, delivery.received_at) == (State.RECEIVED, 1, NOW)
    assert delivery.due_at is not None
    assert delivery.due_at > world.time.now
    assert world.said == ["received", "fetched"]
    assert world.fetch.state is FetchState.FETCHED
    assert world.origin.asked == 1


def test_a_fetched_lead_is_counted_on_the_day_of_its_announcement_in_the_configured_time_zone(world: World) -> None:
    alerts = world.settings.alerts.model_copy(update={"time_zone": "Pacific/Kiritimati"})
    world.settings = world.settings.model_copy(update={"alerts": alerts})
    world.time.pass_(days=2)
    world.visit()
    assert world.journey.lead.day == date_in("Pacific/Kiritimati", NOW).isoformat() != NOW.date().isoformat()


def test_a_fetched_lead_is_found_by_phone_and_email(world: World) -> None:
    finder = LeadFinder(Table(aws.dynamodb(), TABLE))
    assert finder.by_phone("hash of +380500000001") is None
    world.visit()
    assert finder.by_phone("hash of +380500000001") == LEAD_ID
    assert finder.by_email("hash of olena@example.com") == LEAD_ID


@pytest.mark.parametrize("step", range(1, 8))
def test_a_worker_killed_at_any_step_is_simply_replaced(world: World, step: int) -> None:
    blade = Blade(at=step)
    try:
        world.visit(blade)
        died = False
    except Killed:
        died = True
    assert world.visit().outcome in {Outcome.FETCHED, Outcome.NO_ACTION}
    assert died == (blade.steps == step)
    assert world.fetch.state is FetchState.FETCHED
    assert world.journey.deliveries["leadleader"].version == 1
    assert world.said == ["received", "fetched"]


def test_the_steps_tried_are_all_there_are(world: World) -> None:
    blade = Blade(at=0)
    world.visit(blade)
    assert blade.steps == 6  # before and after: fetch, lead, complete


def test_a_worker_killed_while_it_notes_a_failure_loses_nothing(world: World) -> None:
    for step in range(1, 8):
        world.origin = failing(fails())
        try:
            world.visit(Blade(at=step))
        except Killed:
            continue
        break
    world.origin = Origin()
    world.time.pass_(hours=1)
    assert world.visit().outcome is Outcome.FETCHED


def test_a_worker_killed_while_giving_up_leaves_a_word_too_many_and_never_too_few(world: World) -> None:
    world.origin = failing(fails())
    world.visit()
    world.time.pass_(days=8)
    for step in range(1, 20):
        world.origin = failing(fails())
        try:
            world.visit(Blade(at=step))
        except Killed:
            continue
        break
    assert world.fetch.state is FetchState.FAILED
    assert world.dead_letters


def test_of_two_workers_at_once_one_wins_and_the_lead_is_delivered_once(world: World) -> None:
    class LeaseLost(Origin):
        """While this worker waits for Graph, another one does the whole job, and the delivery moves on."""

        def lead(self, keys: Mapping[str, str], budget: Budget) -> dict[str, Any]:
            world.visit(origin=Origin())
            return super().lead(keys, budget)

    assert world.visit(origin=LeaseLost()).outcome is Outcome.NO_ACTION
    assert world.said == ["received", "fetched"]


def test_a_failure_that_is_overtaken_by_a_success_changes_nothing(world: World) -> None:
    class LeaseLost(Origin):
        def lead(self, keys: Mapping[str, str], budget: Budget) -> dict[str, Any]:
            world.visit(origin=Origin())
            raise fails()

    assert world.visit(origin=LeaseLost()).outcome is Outcome.NO_ACTION
    assert world.fetch.state is FetchState.FETCHED


def test_an_erased_lead_does_not_come_back(world: World) -> None:
    class Erased(Origin):
        """While Graph answers, an operator erases the lead."""

        def lead(self, keys: Mapping[str, str], budget: Budget) -> dict[str, Any]:
            key: Any = {"pk": {"S": f"LEAD#{LEAD_ID}"}, "sk": {"S": "LEAD"}}
            aws.dynamodb().put_item(TableName=TABLE, Item={**key, "erased_at": {"S": "now"}})
            return super().lead(keys, budget)

    assert world.visit(origin=Erased()).outcome is Outcome.NO_ACTION
    assert world.store.delivery(LEAD_ID, "leadleader") is None


def test_what_is_not_known_is_gone(world: World) -> None:
    aws.dynamodb().delete_item(TableName=TABLE, Key={"pk": {"S": f"LEAD#{LEAD_ID}"}, "sk": {"S": "FETCH"}})
    assert world.visit().outcome is Outcome.NOT_FOUND


@pytest.mark.parametrize("error", [partner_errors.Unavailable, partner_errors.RateLimited])
def test_a_passing_failure_is_tried_again_later_each_time(
    world: World, error: type[partner_errors.PartnerError]
) -> None:
    world.origin = failing(*[fails(error)] * 3)
    for number, seconds in enumerate([10, 20, 40], 1):
        visit = world.visit()
        assert (visit.outcome, visit.retry_after) == (Outcome.RETRIED, timedelta(seconds=seconds))
        assert (world.fetch.attempts, world.fetch.last_error) == (number, "away")
        world.time.pass_(seconds=seconds)
    assert world.visit().outcome is Outcome.FETCHED
    assert world.fetch.last_error is None
    assert world.said == ["received", "fetch_attempt_failed", "fetched"], "the same reason is told once"


def test_what_graph_asks_us_to_wait_is_waited(world: World) -> None:
    world.origin = failing(fails(partner_errors.RateLimited, retry_after=600.0))
    assert world.visit().retry_after == timedelta(seconds=600)


def test_a_message_that_comes_too_early_waits_and_counts_no_attempt(world: World) -> None:
    world.origin = failing(fails())
    world.visit()
    world.time.pass_(seconds=4)
    assert world.visit() == Result(Outcome.RETRIED, retry_after=timedelta(seconds=6))
    assert world.origin.asked == 1


def test_a_refused_token_keeps_the_lead_waiting_until_it_is_corrected(world: World) -> None:
    world.origin = failing(*[fails(partner_errors.Misconfigured, "Graph rejected the access token")] * 200)
    for _ in range(200):
        visit = world.visit()
        assert (visit.outcome, visit.retry_after) == (Outcome.RETRIED, timedelta(minutes=30))
        assert isinstance(visit.error, partner_errors.Misconfigured)
        world.time.pass_(minutes=30)
    assert world.visit().outcome is Outcome.FETCHED
    assert world.dead_letters == []


def test_after_a_week_of_trying_it_fails_and_an_operator_is_called(world: World) -> None:
    world.origin = failing(*[fails()] * 1000)
    began = world.time.now
    assert world.until_it_ends().outcome is Outcome.FAILED
    assert timedelta(days=7) <= world.time.now - began <= timedelta(days=7, hours=1)
    assert world.dead_letters == [(LEAD_ID, "away")]
    journey = world.journey
    assert (journey.status, world.fetch.due_at) == (LeadStatus.FAILED, None)
    assert world.said[-1] == "fetch_failed"
    [listed] = LeadList(Table(aws.dynamodb(), TABLE)).page(LeadFilter(status=LeadStatus.FAILED), 10).leads
    assert listed.lead.lead_id == LEAD_ID


def test_a_failed_one_can_be_asked_for_again(world: World) -> None:
    world.origin = failing(fails())
    world.visit()
    world.time.pass_(days=8)
    world.origin = failing(fails())
    assert world.visit().outcome is Outcome.FAILED
    world.arrivals.apply(refetch(world.fetch, world.time.now, "by olena"))
    world.origin = failing(fails())
    assert world.visit().outcome is Outcome.RETRIED, "all its time is before it"
    world.time.pass_(hours=1)
    assert world.visit().outcome is Outcome.FETCHED


def test_a_waiting_lead_is_in_the_operators_list(world: World) -> None:
    listing = LeadList(Table(aws.dynamodb(), TABLE))
    for wanted in (LeadFilter(), LeadFilter(status=LeadStatus.RECEIVED), LeadFilter(source="meta-credit")):
        [journey] = listing.page(wanted, 10).leads
        assert (journey.lead.lead_id, journey.status) == (LEAD_ID, LeadStatus.RECEIVED)
    assert listing.page(LeadFilter(status=LeadStatus.FAILED), 10).leads == ()


def test_a_fetched_lead_that_lacks_something_is_incomplete(world: World) -> None:
    lacking = {**ANSWERS, "ваш_податковий_номер_(рнокпп)?": "12", "на_скільки_місяців?": "", "email": "немає"}
    world.origin = Origin(lacking)
    assert world.visit() == Result(Outcome.INVALID)
    journey = world.journey
    assert (journey.status, journey.deliveries, journey.lead.partners) == (LeadStatus.INCOMPLETE, {}, ())
    assert [(one.field, one.code) for one in journey.lead.problems] == [
        ("person.tax_number", FieldCode.NOT_TEN_DIGITS),
        ("loan.term", FieldCode.REQUIRED),
    ]
    assert [(one.field, one.code) for one in journey.lead.warnings] == [("person.email", FieldCode.NOT_AN_EMAIL)]
    assert journey.lead.person.phone == "+380500000001"
    assert journey.lead.answers["ваш_податковий_номер_(рнокпп)?"] == "12"
    assert world.said == ["received", "fetched", "incomplete"]
    assert "немає" not in str(journey.timeline)
    listed = LeadList(Table(aws.dynamodb(), TABLE)).page(LeadFilter(status=LeadStatus.INCOMPLETE), 10).leads
    assert [one.lead.lead_id for one in listed] == [LEAD_ID]


def test_a_fetched_lead_goes_to_the_next_partner_that_can_take_it(world: World) -> None:
    sources = dict(world.settings.sources)
    rule = RoutingRule(to=("leadleader", "matchtrade"))
    sources["meta-credit"] = sources["meta-credit"].model_copy(update={"partners": (rule,)})
    world.settings = world.settings.model_copy(update={"sources": sources})
    world.origin = Origin({**ANSWERS, "ваш_податковий_номер_(рнокпп)?": "12"})
    assert world.visit() == Result(Outcome.FETCHED)
    assert list(world.journey.deliveries) == ["matchtrade"]
    assert world.journey.timeline[-1].data["passed_over"] == ["leadleader"]


def test_an_unreadable_optional_field_is_omitted_and_blocks_nothing(world: World) -> None:
    world.origin = Origin({**ANSWERS, "email": "немає"})
    assert world.visit() == Result(Outcome.FETCHED)
    assert world.journey.deliveries["leadleader"].state is State.RECEIVED
    assert world.journey.lead.person.email is None


def test_a_lead_of_the_testing_tool_goes_to_no_partner(world: World) -> None:
    world.origin = Origin({name: f"<test lead: dummy data for {name}>" for name in ANSWERS})
    assert world.visit() == Result(Outcome.TEST)
    journey = world.journey
    assert (journey.deliveries, journey.lead.partners, journey.status) == ({}, (), LeadStatus.CLOSED)
    assert world.fetch.state is FetchState.TEST
    assert journey.timeline[-1].detail == "a lead of a testing tool; it is sent to no partner"


@pytest.mark.parametrize("found", [{}, {"field_data": 1}, {"field_data": [{"name": 1, "values": [None]}]}])
def test_a_lead_without_answers_is_kept_for_an_operator(world: World, found: dict[str, Any]) -> None:
    class Odd(Origin):
        def lead(self, keys: Mapping[str, str], budget: Budget) -> dict[str, Any]:
            return found

    assert world.visit(origin=Odd()) == Result(Outcome.INVALID)


def test_without_time_for_a_whole_fetch_none_is_begun(world: World) -> None:
    brief = Budget(deadline=12.0, reserve=3.0, monotonic=lambda: 0.0)
    assert world.visit(budget=brief) == Result(Outcome.RETRIED, retry_after=timedelta())
    assert world.origin.asked == 0


def test_a_lead_of_a_source_that_is_configured_no_more_waits(world: World) -> None:
    sources = {name: source for name, source in world.settings.sources.items() if name != "meta-credit"}
    world.settings = world.settings.model_copy(update={"sources": sources})
    with pytest.raises(KeyError):
        world.visit()
    assert world.fetch.state is FetchState.PENDING


def test_a_pending_fetch_comes_up_again_through_the_index_until_it_is_over(world: World) -> None:
    def due() -> list[str]:
        return [found.owner for found in world.store.due(DUE_PARTITION, world.time.now, 10)]

    def sweep() -> Outcome:
        return world.fetcher().process(LEAD_ID, AMPLE, overdue=True).outcome

    assert due() == []
    world.time.pass_(minutes=15)
    assert due() == [LEAD_ID]
    world.origin = failing(fails(), fails())
    assert sweep() is Outcome.RETRIED
    assert due() == []
    world.time.pass_(minutes=1)
    assert sweep() is Outcome.RETRIED, "the sweep's own message comes back for the next attempt"
    world.time.pass_(minutes=17)
    assert due() == [LEAD_ID]
    assert sweep() is Outcome.FETCHED
    world.time.pass_(days=30)
    assert (due(), sweep()) == ([], Outcome.NO_ACTION)
    assert world.said == ["received", "fetch_attempt_failed", "fetched"]


def test_a_worker_that_dies_in_a_sweep_leaves_the_fetch_due_later_and_announces_nothing(world: World) -> None:
    world.time.pass_(minutes=15)
    with pytest.raises(Killed):
        world.fetcher(Blade(at=4)).process(LEAD_ID, AMPLE, overdue=True)
    assert (world.fetch.version, world.fetch.due_at) == (1, world.time.now + timedelta(minutes=15))
    world.time.pass_(minutes=15)
    assert world.fetcher().process(LEAD_ID, AMPLE, overdue=True).outcome is Outcome.FETCHED


def test_an_overdue_fetch_that_is_gone_is_gone(world: World) -> None:
    assert world.fetcher().process("ld_nobody", AMPLE, overdue=True).outcome is Outcome.NOT_FOUND

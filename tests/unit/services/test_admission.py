"""Pausing a partner: its leads wait outside of the queue, and continue within a minute after it is resumed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from leadbridge.domain.acceptance.status import LeadStatus
from leadbridge.domain.admission import PartnerState, Pause, Wait, WaitReason, end_wait, find_wait, wait_for_partner
from leadbridge.domain.delivery import State, new_delivery, schedule_retry
from leadbridge.domain.errors import partner_errors
from leadbridge.domain.events import DeliveryChanged
from leadbridge.domain.lead import Lead
from leadbridge.runtime import aws
from leadbridge.runtime.budget import Budget
from leadbridge.services import find_due
from leadbridge.services.submit_lead import Submitter
from leadbridge.services.worker import Outcome
from leadbridge.settings import Settings
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.queries.backlog import BacklogMonitor
from leadbridge.storage.queries.due_items import due_items
from leadbridge.storage.queries.lead_filter import LeadFilter
from leadbridge.storage.queries.lead_list import LeadList
from leadbridge.storage.table import Table
from quality.testkit.fakes.errors import some_error
from quality.testkit.fixtures import TABLE, Time
from quality.testkit.people import NOW
from quality.testkit.services.partner_world import AMPLE, PARTNER, PartnerWorld

HOUR = timedelta(hours=1)
PAUSE = Pause("they asked us to", "ann", NOW)


@dataclass
class World(PartnerWorld):
    """A partner that answers with the next of `answers`, and then accepts."""

    answers: list[partner_errors.PartnerError] = field(default_factory=list)

    def create(self, submitted: Lead, budget: Budget) -> int:
        if self.answers:
            raise self.answers.pop(0)
        self.created.append(submitted.lead_id)
        return 24 + len(self.created)

    def submit(self, one: Lead) -> Outcome:
        settings = self.settings.partners[PARTNER]
        submitter = Submitter(self.store, self, settings, self.time, lambda *_: None, jitter=lambda: 1.0)
        return submitter.process(one.lead_id, PARTNER, AMPLE).outcome


@pytest.fixture
def world(store: LeadRepository, time: Time, shipped_settings: Settings) -> World:
    return World(Table(aws.dynamodb(), TABLE), time, shipped_settings)


def test_a_paused_partner_gets_no_lead(world: World) -> None:
    one = world.receive(1)
    world.states.pause(PARTNER, PAUSE)
    assert (world.submit(one), world.calls) == (Outcome.WAITING, 0)
    waiting = world.delivery(one)
    assert (waiting.state, waiting.attempts, waiting.waiting_reason) == (State.RECEIVED, 0, "paused")
    entry = waiting.history[-1].entry
    assert (entry.what, entry.data) == ("waiting", {"reason": "paused"})
    assert DeliveryChanged.of(None, waiting, kind=PARTNER).retry_scheduled, "its event must not queue it again"


def test_a_second_message_of_a_waiting_delivery_changes_nothing(world: World) -> None:
    one = world.receive(1)
    world.states.pause(PARTNER, PAUSE)
    world.submit(one)
    first = world.delivery(one)
    world.time.now += HOUR
    assert (world.submit(one), world.delivery(one)) == (Outcome.WAITING, first)


def test_waiting_leads_are_not_queued_until_the_partner_is_resumed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    leads = [world.receive(number) for number in (1, 2, 3)]
    world.states.pause(PARTNER, PAUSE)
    for one in leads:
        world.submit(one)
    world.time.now += timedelta(days=2)
    assert list(due_items(world.table, PARTNER, world.time(), 10)) == []
    assert world.sweep(monkeypatch) == ([], 0.0)
    world.states.resume(PARTNER, world.time())
    world.time.now += timedelta(seconds=60)
    sent, late = world.sweep(monkeypatch)
    assert (sorted(sent), late) == (sorted(one.lead_id for one in leads), 60.0)
    assert [world.submit(one) for one in leads] == [Outcome.SUBMITTED] * 3
    assert world.delivery(leads[0]).waiting_reason is None
    assert world.sweep(monkeypatch) == ([], 0.0)


def test_a_delivery_that_is_queued_while_the_partner_is_paused_again_waits_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = world.receive(1)
    world.states.pause(PARTNER, PAUSE)
    world.submit(one)
    world.store.defer(world.delivery(one), world.time() + 6 * HOUR)  # what the check does that queues it
    assert world.submit(one) is Outcome.WAITING
    world.states.resume(PARTNER, world.time())
    assert world.sweep(monkeypatch)[0] == [one.lead_id]


def test_waiting_leads_do_not_count_as_the_oldest_and_are_listed_as_received(world: World) -> None:
    one = world.receive(1)
    world.states.pause(PARTNER, PAUSE)
    world.submit(one)
    world.time.now += HOUR
    other = world.receive(2)
    assert BacklogMonitor(world.table).oldest_waiting() == other.received_at
    page = LeadList(world.table).page(LeadFilter(status=LeadStatus.RECEIVED), 10)
    assert [journey.lead.lead_id for journey in page.leads] == [other.lead_id, one.lead_id]


def test_the_wait_is_no_part_of_the_retry_window(world: World) -> None:
    one = world.receive(1)
    world.answers = [partner_errors.Unavailable(PARTNER, "create", "away") for _ in range(2)]
    assert world.submit(one) is Outcome.RETRIED
    world.time.now += HOUR
    world.states.pause(PARTNER, PAUSE)
    assert world.submit(one) is Outcome.WAITING
    world.time.now += timedelta(days=30)
    world.states.resume(PARTNER, world.time())
    assert world.submit(one) is Outcome.RETRIED, "an hour of the window is used, and not a month"
    assert world.delivery(one).retrying_since == world.time() - HOUR
    world.time.now += 2 * HOUR
    assert world.submit(one) is Outcome.SUBMITTED


def test_an_uncertain_delivery_is_not_given_up_because_of_the_wait() -> None:
    tried = schedule_retry(new_delivery("ld_1", PARTNER, "web", NOW), NOW, some_error("away"), HOUR).after
    waiting = wait_for_partner(tried, NOW + HOUR, Wait(WaitReason.PAUSED)).after
    again = end_wait(waiting, NOW + 100 * HOUR)
    assert (again.retrying_since, again.waits_since, again.version) == (NOW + 99 * HOUR, None, waiting.version)
    assert end_wait(tried, NOW + 100 * HOUR) is tried


def test_a_new_wait_of_the_same_delivery_keeps_its_beginning() -> None:
    waiting = wait_for_partner(new_delivery("ld_1", PARTNER, "web", NOW), NOW, Wait(WaitReason.PAUSED)).after
    later = wait_for_partner(waiting, NOW + HOUR, Wait(WaitReason.PAUSED, NOW + 2 * HOUR)).after
    assert (later.waits_since, later.waiting_until) == (NOW, NOW + 2 * HOUR)


def test_the_state_of_a_partner_is_stored(world: World) -> None:
    assert world.states.load([PARTNER, "matchtrade"]) == {}
    world.states.pause(PARTNER, PAUSE)
    world.states.pause(PARTNER, replace(PAUSE, reason="and another reason"))
    [state] = world.states.load([PARTNER, "matchtrade"]).values()
    assert state == PartnerState(replace(PAUSE, reason="and another reason"))
    assert find_wait(state, NOW) == Wait(WaitReason.PAUSED)
    world.states.resume(PARTNER, NOW + HOUR)
    assert world.states.load([PARTNER]) == {PARTNER: PartnerState(admits_since=NOW + HOUR)}


def test_a_large_backlog_is_queued_in_parts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(find_due, "MAX_RELEASED", 4)
    world.states.pause(PARTNER, PAUSE)
    leads = [world.receive(number) for number in range(1, 6)]
    for one in leads:
        world.submit(one)
    world.states.resume(PARTNER, world.time())
    world.time.now += timedelta(seconds=60)
    first, late = world.sweep(monkeypatch)
    assert (len(first), late) == (4, 60.0)
    for one in (one for one in leads if one.lead_id in first):
        world.submit(one)
    world.time.now += timedelta(seconds=60)
    rest, late = world.sweep(monkeypatch)
    assert (sorted([*first, *rest]), late) == (sorted(one.lead_id for one in leads), 120.0), "the rest waits visibly"

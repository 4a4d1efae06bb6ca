"""Caps and hours of a partner: exact counts, waits, the next partner, leads on hold."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from threading import Lock
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as search
from hypothesis import strategies as st

from leadbridge.domain.admission import Pause
from leadbridge.domain.delivery import Delivery, State
from leadbridge.domain.errors import partner_errors
from leadbridge.domain.errors.error_codes import ErrorInfo
from leadbridge.domain.lead import Lead
from leadbridge.domain.operator_steps import retry_by_operator
from leadbridge.domain.routing.intake import window_keys
from leadbridge.runtime import aws
from leadbridge.runtime.budget import Budget
from leadbridge.services.submission_rules import fallback_finder
from leadbridge.services.submit_lead import Submitter
from leadbridge.services.worker import Outcome
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.queries.partner_state import PartnerStates
from leadbridge.storage.table import Table
from quality.testkit.fakes.blades import Blade, Killed, Ports
from quality.testkit.fixtures import TABLE, Time
from quality.testkit.intake import BROKER, LENDER, settings_with_intake
from quality.testkit.services.partner_world import AMPLE, PartnerWorld

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)  # a Monday, 14:00 in Kyiv
MIDNIGHT = datetime(2026, 3, 2, 22, tzinfo=UTC)  # in Kyiv
AWAY, LOST = partner_errors.Unavailable, partner_errors.Unknown
NO, TAKEN = partner_errors.Rejected, partner_errors.Duplicate


@dataclass
class World(PartnerWorld):
    """A partner with caps, which answers each create call with the next of `answers`, and then accepts."""

    answers: list[type[partner_errors.PartnerError]] = field(default_factory=list)
    reached: list[tuple[str, datetime]] = field(default_factory=list)  # what the partner got, and when
    letters: list[str] = field(default_factory=list)
    can_be_asked: bool = False
    seconds_per_page: float = 5.0
    lock: Any = field(default_factory=Lock)

    def create(self, submitted: Lead, budget: Budget) -> int | None:
        with self.lock:
            answer = self.answers.pop(0) if self.answers else None
            if answer is not AWAY:
                self.reached.append((submitted.lead_id, self.time.now))
            if answer is not None:
                raise answer(LENDER, "create", "as the test wants")
            return None if self.can_be_asked else 24 + len(self.reached)

    def find(self, email: str, budget: Budget) -> None:
        """It has no account, so what was lost did not reach it."""

    def submitter(self, partner: str = LENDER, blade: Blade | None = None) -> Submitter:
        table: Any = self.table if blade is None else Ports(self.table, blade)
        itself: Any = self if blade is None else Ports(self, blade)

        def dead_letter(delivery: Delivery, error: ErrorInfo) -> None:
            self.letters.append(f"{delivery.lead_id} {error.code.value}")

        return Submitter(
            LeadRepository(table),
            itself,
            self.settings.partners[partner],
            self.time,
            dead_letter,
            accounts=itself if self.can_be_asked else None,
            find_fallback=fallback_finder(self.settings),
            jitter=lambda: 1.0,
        )

    def submit(self, one: Lead, partner: str = LENDER) -> Outcome:
        return self.submitter(partner).process(one.lead_id, partner, AMPLE).outcome

    def counts(self) -> dict[str, int]:
        query = self.table.batch_get(
            [{"pk": f"PARTNER#{LENDER}", "sk": f"CAP#{key}"} for key in ("2026-03-02", "2026-03-03", "total")]
        )
        return {item["sk"].removeprefix("CAP#"): int(item["leads"]) for item in query}


@pytest.fixture
def world(store: LeadRepository, time: Time) -> World:
    time.now = NOON
    return World(Table(aws.dynamodb(), TABLE), time, settings_with_intake({"per_day": 2, "total": 1000}))


def test_two_hundred_concurrent_deliveries_never_exceed_the_cap(world: World) -> None:
    world.settings = settings_with_intake({"per_day": 50})
    world.answers = [AWAY, LOST, NO, TAKEN] * 15
    leads = [world.receive(number) for number in range(200)]
    with ThreadPoolExecutor(16) as workers:
        outcomes = Counter(workers.map(world.submit, leads))
    kept = outcomes[Outcome.SUBMITTED] + outcomes[Outcome.UNKNOWN] + outcomes[Outcome.REJECTED]
    kept += outcomes[Outcome.DUPLICATE]
    assert (kept, len(world.reached), world.counts()) == (50, 50, {"2026-03-02": 50})
    assert outcomes[Outcome.WAITING] + outcomes[Outcome.RETRIED] == 150
    waiting = [one for one in map(world.delivery, leads) if one.waits_for_partner]
    assert {(one.waiting_reason, one.waiting_until, one.attempts) for one in waiting} <= {
        ("capped", MIDNIGHT, 0),
        ("capped", MIDNIGHT, 1),
    }


@pytest.mark.parametrize(
    ("answer", "state", "counted"),
    [(AWAY, "received", 0), (LOST, "unknown", 1), (NO, "rejected", 1), (TAKEN, "duplicate", 1), (None, "submitted", 1)],
)
def test_only_an_attempt_that_did_not_reach_the_partner_is_released(
    world: World, answer: type[partner_errors.PartnerError] | None, state: str, counted: int
) -> None:
    one = world.receive(1)
    world.answers = [] if answer is None else [answer]
    world.submit(one)
    delivery = world.delivery(one)
    assert delivery.state == state
    assert delivery.counted_in == (("2026-03-02", "total") if counted else ())
    assert world.counts() == {"2026-03-02": counted, "total": counted}


def test_a_lead_that_is_given_up_is_released(world: World) -> None:
    one = world.receive(1)
    world.answers = [AWAY, AWAY]
    world.submit(one)
    world.time.now += world.settings.partners[LENDER].retry.give_up_after
    assert world.submit(one) is Outcome.FAILED
    assert world.counts() == {"2026-03-02": 0, "2026-03-03": 0, "total": 0}


def test_a_full_cap_costs_no_failed_transaction(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in (1, 2):
        assert world.submit(world.receive(number)) is Outcome.SUBMITTED
    third = world.receive(3)
    monkeypatch.setattr(Table, "transact", lambda *_, **__: pytest.fail("no transaction"))
    assert world.submit(third) is Outcome.WAITING
    entry = world.delivery(third).history[-1].entry
    assert (entry.what, entry.detail) == ("waiting", "capped")
    assert entry.data == {"reason": "capped", "cap": "per_day", "limit": 2, "until": "2026-03-02T22:00:00.000Z"}
    before = world.delivery(third)
    assert (world.submit(third), world.delivery(third)) == (Outcome.WAITING, before), "a second message writes nothing"


def test_a_partner_without_caps_pays_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.settings = settings_with_intake(None)
    one, read = world.receive(1), Table.get_together
    keys: list[int] = []

    def get_together(table: Table, *found: Any) -> Any:
        keys.append(len(found))
        return read(table, *found)

    monkeypatch.setattr(Table, "transact", lambda *_, **__: pytest.fail("no transaction"))
    monkeypatch.setattr(Table, "get_together", get_together)
    world.answers = [AWAY]
    world.submit(one)
    assert (keys, world.delivery(one).counted_in, world.counts()) == ([3], (), {})


def test_after_midnight_only_as_many_leads_are_queued_as_the_partner_takes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    leads = []
    for number in range(7):
        world.time.now += MINUTE
        leads.append(world.receive(number))
        world.submit(leads[-1])
    assert world.sweep(monkeypatch) == ([], 0.0)
    world.time.now = MIDNIGHT + MINUTE
    assert world.sweep(monkeypatch) == ([one.lead_id for one in leads[2:4]], 60.0)
    assert [world.submit(one) for one in leads[2:4]] == [Outcome.SUBMITTED] * 2
    assert world.sweep(monkeypatch) == ([], 0.0), "the others are not even read"
    assert world.submit(leads[4]) is Outcome.WAITING
    assert world.delivery(leads[4]).waiting_until == MIDNIGHT + DAY
    world.settings = settings_with_intake({"per_day": 3})
    assert world.sweep(monkeypatch)[0] == [leads[4].lead_id], "a higher cap has an effect within a minute"


def test_a_lead_that_is_queued_and_finds_the_cap_full_keeps_its_place(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.settings = settings_with_intake({"per_day": 1})
    leads = []
    for number in range(3):
        world.time.now += MINUTE
        leads.append(world.receive(number))
        world.submit(leads[-1])
    _, first, second = leads
    world.time.now = MIDNIGHT + MINUTE
    assert world.sweep(monkeypatch)[0] == [first.lead_id]
    world.store.defer(world.delivery(first), world.time() + 6 * HOUR)  # what the check does that queues it
    assert world.submit(world.receive(4)) is Outcome.SUBMITTED, "a new lead is faster"
    for _ in range(2):
        assert world.submit(first) is Outcome.WAITING
    world.time.now = MIDNIGHT + DAY + MINUTE
    assert world.sweep(monkeypatch) == ([first.lead_id], 60.0)
    world.submit(first)
    world.settings = settings_with_intake({"per_day": 2})
    assert world.sweep(monkeypatch)[0] == [second.lead_id]


def test_a_wait_is_no_part_of_the_retry_window(world: World) -> None:
    one, others = world.receive(1), [world.receive(number) for number in (2, 3)]
    world.answers = [AWAY]
    world.submit(one)
    for other in others:
        world.submit(other)
    world.time.now += HOUR
    assert world.submit(one) is Outcome.WAITING
    world.time.now = NOON + 30 * HOUR
    world.answers = [AWAY]
    assert world.submit(one) is Outcome.RETRIED, "of the window of 24 hours, one has passed"


def test_a_closed_partner_gets_the_lead_when_it_opens(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.settings = settings_with_intake({"hours": ["mon-fri 09:00-18:00"], "holidays": ["2026-03-03"]})
    world.time.now = NOON + 4 * HOUR  # 18:00 in Kyiv
    one, opening = world.receive(1), datetime(2026, 3, 4, 7, tzinfo=UTC)
    assert (world.submit(one), world.reached) == (Outcome.WAITING, [])
    delivery = world.delivery(one)
    assert (delivery.waiting_reason, delivery.waiting_until) == ("closed", opening)
    world.time.now = opening - MINUTE
    assert world.sweep(monkeypatch) == ([], 0.0)
    world.time.now = opening + MINUTE
    assert world.sweep(monkeypatch) == ([one.lead_id], 60.0)
    assert world.submit(one) is Outcome.SUBMITTED
    assert world.delivery(one).waiting_reason is None


@pytest.mark.parametrize(
    ("intake", "reason"),
    [
        ({"per_day": 1, "when_capped": "hold"}, "capped"),
        ({"holidays": ["2026-03-02"], "when_closed": "hold"}, "closed"),
    ],
)
def test_a_lead_on_hold_fails_with_a_dead_letter(world: World, intake: dict[str, Any], reason: str) -> None:
    world.settings = settings_with_intake(intake)
    if reason == "capped":
        world.submit(world.receive(1))
    one = world.receive(2)
    assert world.submit(one) is Outcome.FAILED
    assert (world.delivery(one).state, world.delivery(one).last_error_code) == (State.FAILED, reason)
    assert world.letters == [f"{one.lead_id} {reason}"]
    world.store.apply(retry_by_operator(world.delivery(one), world.time(), "olena", is_confirmed=False))
    assert world.submit(one) is Outcome.WAITING, "what an operator retries is sent when the partner takes it"


@pytest.mark.parametrize("then", ["wait", "hold"])
def test_a_lead_beyond_the_total_is_held_because_no_wait_would_end(world: World, then: str) -> None:
    world.settings = settings_with_intake({"total": 1, "when_capped": then})
    world.submit(world.receive(1))
    one = world.receive(2)
    assert world.submit(one) is Outcome.FAILED
    assert (world.delivery(one).last_error_code, len(world.letters)) == ("capped", 1)


CHAIN = {"fallbacks": {LENDER: BROKER}, "next_on": {LENDER: ("capped", "closed")}}


@pytest.mark.parametrize(
    ("intake", "reason", "text"),
    [
        ({"per_day": 1, "when_capped": "next"}, "capped", "takes no more leads at this time"),
        ({"holidays": ["2026-03-02"], "when_closed": "next"}, "closed", "is closed at this time"),
    ],
)
def test_the_next_partner_gets_the_lead_and_the_timeline_explains_it(
    world: World, intake: dict[str, Any], reason: str, text: str
) -> None:
    world.settings = settings_with_intake(intake)
    if reason == "capped":
        world.submit(world.receive(1))
    one = world.receive(2, **CHAIN)
    assert (world.submit(one), world.submit(one, BROKER)) == (Outcome.SKIPPED, Outcome.SUBMITTED)
    assert world.letters == []
    journey = world.store.journey(one.lead_id)
    assert journey is not None
    assert (journey.status, journey.lead.partners) == ("submitted", (LENDER, BROKER))
    skipped = journey.deliveries[LENDER]
    assert (skipped.state, skipped.attempts, skipped.last_error_code) == (State.SKIPPED, 0, reason)
    told = [(entry.what, entry.partner) for entry in journey.timeline]
    assert told == [
        ("received", None),
        ("skipped", LENDER),
        ("fallback", BROKER),
        ("submitting", BROKER),
        ("submitted", BROKER),
    ]
    assert journey.timeline[1].data["next_partner"] == BROKER
    assert journey.timeline[1].data["error_code"] == reason
    assert journey.timeline[2].detail == f"{LENDER} {text}"


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"fallbacks": {LENDER: BROKER}},
        {"fallbacks": {LENDER: BROKER}, "next_on": {LENDER: ("rejected", "closed")}},
        {**CHAIN, "partners": (LENDER, BROKER)},
    ],
    ids=["no other partner", "default", "another outcome", "the next one has it already"],
)
def test_without_a_next_partner_the_lead_waits(world: World, changes: dict[str, Any]) -> None:
    world.settings = settings_with_intake({"per_day": 1, "total": 9, "when_capped": "next"})
    world.submit(world.receive(1))
    one = world.receive(2, **changes)
    assert world.submit(one) is Outcome.WAITING
    assert world.delivery(one).waiting_until == MIDNIGHT


@pytest.mark.parametrize(
    ("intake", "outcome"),
    [
        ({"per_day": 1, "when_capped": "hold"}, Outcome.FAILED),
        ({"per_day": 1, "when_capped": "next"}, Outcome.SKIPPED),
        ({"total": 1, "when_capped": "hold"}, Outcome.FAILED),
        ({"total": 1}, Outcome.FAILED),
    ],
    ids=["held", "passed on", "held for ever", "no wait would end"],
)
def test_a_lead_that_waited_for_a_pause_does_not_wait_for_a_cap(
    world: World, monkeypatch: pytest.MonkeyPatch, intake: dict[str, Any], outcome: Outcome
) -> None:
    world.settings = settings_with_intake(intake)
    world.states.pause(LENDER, Pause("maintenance", "olena", world.time()))
    one, other = world.receive(1, **CHAIN), world.receive(2)
    assert [world.submit(lead) for lead in (one, other)] == [Outcome.WAITING] * 2
    world.time.now += HOUR
    world.states.resume(LENDER, world.time())
    assert world.submit(other) is Outcome.SUBMITTED, "it takes the last place of the cap"
    world.time.now += MINUTE
    assert world.sweep(monkeypatch) == ([one.lead_id], 0.0)
    assert world.submit(one) is outcome


def test_a_lead_that_cannot_be_passed_on_is_not_queued_again_until_the_partner_takes_leads(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.settings = settings_with_intake({"per_day": 1, "when_capped": "next"})
    world.submit(world.receive(1))
    before = world.receive(2)
    assert world.submit(before) is Outcome.WAITING
    world.states.pause(LENDER, Pause("maintenance", "olena", world.time()))
    world.time.now += MINUTE
    during = world.receive(3)
    assert world.submit(during) is Outcome.WAITING
    world.time.now += HOUR
    world.states.resume(LENDER, world.time())
    world.time.now += MINUTE
    assert world.sweep(monkeypatch)[0] == [before.lead_id, during.lead_id]
    assert [world.submit(one) for one in (before, during)] == [Outcome.WAITING] * 2
    after = world.receive(4)
    assert world.submit(after) is Outcome.WAITING
    assert world.sweep(monkeypatch) == ([], 0.0)
    world.settings = settings_with_intake({"per_day": 3, "when_capped": "next"})
    world.time.now = MIDNIGHT + MINUTE
    assert set(world.sweep(monkeypatch)[0]) == {before.lead_id, during.lead_id, after.lead_id}
    world.settings = settings_with_intake({"per_day": 2, "when_capped": "next"})
    assert set(world.sweep(monkeypatch)[0]) == {before.lead_id, during.lead_id}, "they keep their place"


def test_what_may_have_reached_the_partner_is_never_passed_on(world: World) -> None:
    world.settings = settings_with_intake({"hours": ["mon 09:00-18:00"], "when_closed": "next", "total": 1})
    world.can_be_asked, world.answers = True, [LOST]
    one = world.receive(1, **CHAIN)
    assert world.submit(one) is Outcome.UNCERTAIN
    world.time.now = NOON + 5 * HOUR
    assert world.submit(one) is Outcome.WAITING
    assert world.delivery(one).is_uncertain
    world.time.now = NOON + 7 * DAY
    assert world.submit(one) is Outcome.SUBMITTED, "its place in the total was kept"
    assert world.counts() == {"total": 1}


def test_an_uncertain_attempt_is_counted_on_the_day_on_which_it_is_sent_again(world: World) -> None:
    """The look-up has shown that the first attempt did not reach the partner."""
    world.can_be_asked, world.answers = True, [LOST]
    one = world.receive(1)
    assert world.submit(one) is Outcome.UNCERTAIN
    assert world.counts() == {"2026-03-02": 1, "total": 1}
    world.time.now = MIDNIGHT + HOUR
    assert world.submit(one) is Outcome.SUBMITTED
    assert world.counts() == {"2026-03-02": 0, "2026-03-03": 1, "total": 1}


def test_a_failed_attempt_after_a_lost_reply_stays_counted(world: World) -> None:
    """The first attempt may still have an effect."""
    world.can_be_asked, world.answers = True, [LOST, AWAY]
    one = world.receive(1)
    for _ in range(2):
        world.submit(one)
        world.time.now += HOUR
    assert (world.delivery(one).attempts, world.delivery(one).state) == (2, State.RECEIVED)
    assert world.counts() == {"2026-03-02": 1, "total": 1}


def test_a_count_that_has_expired_is_not_made_again(world: World) -> None:
    world.can_be_asked, world.answers = True, [LOST]
    one = world.receive(1)
    world.submit(one)
    aws.dynamodb().delete_item(TableName=TABLE, Key={"pk": {"S": f"PARTNER#{LENDER}"}, "sk": {"S": "CAP#2026-03-02"}})
    world.time.now = MIDNIGHT + HOUR
    assert world.submit(one) is Outcome.SUBMITTED
    assert world.counts() == {"2026-03-03": 1, "total": 1}


def test_a_retry_of_a_lead_that_the_partner_got_is_counted_again(world: World) -> None:
    one = world.receive(1)
    world.answers = [NO]
    world.submit(one)
    world.store.apply(retry_by_operator(world.delivery(one), world.time(), "olena", is_confirmed=False))
    assert world.submit(one) is Outcome.SUBMITTED
    assert world.counts() == {"2026-03-02": 2, "total": 2}


NUMBERS = count(1000)
ANSWERS = st.sampled_from([None, None, AWAY, LOST, NO])
STEPS = st.tuples(st.integers(0, 5), ANSWERS, st.integers(0, 14), st.sampled_from([0, 1, 20, 60, 600, 1500]))


@given(st.booleans(), st.lists(STEPS, max_size=25))
@search(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_workers_that_die_at_any_step_keep_the_counts_exact(
    world: World, can_be_asked: bool, steps: list[tuple[int, type[partner_errors.PartnerError] | None, int, int]]
) -> None:
    """A count is the number of deliveries that it counts, and the partner gets no more than its caps."""
    world.time.now = NOON + next(NUMBERS) * 40 * DAY
    world.can_be_asked, world.reached = can_be_asked, []
    world.settings = settings_with_intake({"per_hour": 1, "per_day": 2})
    leads = [world.receive(next(NUMBERS)) for _ in range(6)]
    windows, deliveries = set[str](), list[Delivery]()
    for number, answer, killed_at, minutes in steps:
        world.answers = [] if answer is None else [answer]
        with suppress(Killed):
            world.submitter(blade=Blade(killed_at)).process(leads[number].lead_id, LENDER, AMPLE)
        windows.update(*window_keys(world.settings.partners, world.time()).values())
        deliveries = [world.delivery(one) for one in leads]
        counted = Counter(window for one in deliveries for window in one.counted_in)
        stored = PartnerStates(world.table).load([], {LENDER: windows})[LENDER].counts
        assert {key: leads for key, leads in stored.items() if leads} == counted
        for one in deliveries:
            may_be_there = one.is_uncertain or one.state not in {State.RECEIVED, State.FAILED}
            assert bool(one.counted_in) == may_be_there, one
        world.time.now += minutes * MINUTE
    per_hour = Counter(hour for _, hour in {(lead_id, at.replace(minute=0)) for lead_id, at in world.reached})
    assert max(per_hour.values(), default=0) <= 1
    assert {lead_id for lead_id, _ in world.reached} <= {one.lead_id for one in deliveries if one.counted_in}

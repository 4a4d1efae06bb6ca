"""A person who comes twice, and a lead that falls back from one partner to the next."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from leadbridge.domain import operator_steps
from leadbridge.domain.admission import Pause
from leadbridge.domain.delivery import Delivery, State
from leadbridge.domain.errors import partner_errors
from leadbridge.domain.fields.hashes import keyed_hash
from leadbridge.domain.lead import Lead
from leadbridge.domain.routing.fallback import NextOn
from leadbridge.runtime import aws
from leadbridge.runtime.budget import Budget
from leadbridge.services.submission_rules import RepeatPolicy, fallback_finder
from leadbridge.services.submit_lead import Submitter
from leadbridge.services.worker import Outcome
from leadbridge.settings import Settings
from leadbridge.storage.claims import ClaimRepository
from leadbridge.storage.erasure.eraser import Eraser
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.queries.backlog import BacklogMonitor
from leadbridge.storage.queries.partner_state import PartnerStates
from leadbridge.storage.table import Table
from quality.testkit.fakes.blades import Blade, Killed, Ports
from quality.testkit.fixtures import TABLE, Time
from quality.testkit.intake import BROKER, settings_with_intake
from quality.testkit.people import lead

AMPLE = Budget(deadline=90.0, monotonic=lambda: 0.0)
PARTNER = "leadleader"
DAYS = 30


@dataclass
class Partner:
    """It takes every lead, or refuses as the test wants."""

    created: list[str] = field(default_factory=list)
    says: Iterator[partner_errors.PartnerError | None] = field(default_factory=lambda: iter(()))
    seconds_per_submission: float = 10.0
    seconds_per_create: float = 5.0

    def authorize(self, budget: Budget) -> "Partner":
        return self

    def create(self, submitted: Lead, budget: Budget) -> int:
        if error := next(self.says, None):
            raise error
        self.created.append(submitted.lead_id)
        return len(self.created)


@dataclass
class World:
    """Some leads, and a partner."""

    store: LeadRepository
    time: Time
    settings: Settings
    partner: Partner = field(default_factory=Partner)
    dead_letters: list[str] = field(default_factory=list)

    def on_repeat(self, then: str, days: int = DAYS) -> None:
        source = self.settings.sources["web"].model_copy(update={"dedup_days": days, "on_repeat": then})
        sources = {**self.settings.sources, "web": source}
        self.settings = self.settings.model_copy(update={"sources": sources})

    def comes(self, number: int, *, tax: str = "3068208400", phone: str = "1", **more: Any) -> Lead:
        arrived = lead(number, received_at=self.time.now, **more)
        already = self.store.accept(arrived, phone_hash=keyed_hash("k", phone), tax_hash=keyed_hash("k", tax))
        assert already is None
        return arrived

    def visit(self, arrived: Lead, partner: str = PARTNER, blade: Blade | None = None) -> Outcome:
        return self.submitter(partner, blade).process(arrived.lead_id, partner, AMPLE).outcome

    def submitter(self, partner: str = PARTNER, blade: Blade | None = None) -> Submitter:
        ports = Ports(self.store, blade or Blade(at=0))
        return Submitter(
            ledger=ports,
            partner=self.partner,
            settings=self.settings.partners[partner],
            clock=self.time,
            dead_letter=lambda _, error: self.dead_letters.append(error.code),
            repeats=RepeatPolicy(ClaimRepository(Table(aws.dynamodb(), TABLE)), self.settings),
            find_fallback=fallback_finder(self.settings),
        )

    def delivery(self, arrived: Lead, partner: str = PARTNER) -> Delivery:
        found = self.store.delivery(arrived.lead_id, partner)
        assert found is not None
        return found


@pytest.fixture
def world(store: LeadRepository, time: Time, shipped_settings: Settings) -> World:
    world = World(store, time, shipped_settings)
    world.on_repeat("mark")
    return world


def test_who_comes_twice_is_marked_and_not_sent(world: World) -> None:
    first, second = world.comes(1), world.comes(2)
    assert [world.visit(first), world.visit(second)] == [Outcome.SUBMITTED, Outcome.DUPLICATE]
    delivery = world.delivery(second)
    assert (delivery.state, delivery.repeat_of) == (State.DUPLICATE, first.lead_id)
    assert (delivery.last_error_code, delivery.last_error_data) == ("same_person", {"lead_id": first.lead_id})
    assert world.partner.created == [first.lead_id]


@pytest.mark.parametrize(
    ("tax", "phone", "same"), [("1", "1", True), ("2", "1", True), ("1", "2", True), ("2", "2", False)]
)
def test_a_phone_or_a_tax_number_makes_it_the_same_person(world: World, tax: str, phone: str, same: bool) -> None:
    first, second = world.comes(1, tax="1", phone="1"), world.comes(2, tax=tax, phone=phone)
    world.visit(first)
    assert world.visit(second) is (Outcome.DUPLICATE if same else Outcome.SUBMITTED)


def test_after_so_many_days_it_is_a_new_lead(world: World) -> None:
    world.visit(world.comes(1))
    world.time.pass_(days=DAYS - 1)
    assert world.visit(world.comes(2)) is Outcome.DUPLICATE
    world.time.pass_(days=2)
    third = world.comes(3)
    assert world.visit(third) is Outcome.SUBMITTED
    world.time.pass_(days=DAYS - 1)
    assert world.visit(world.comes(4)) is Outcome.DUPLICATE
    assert len(world.partner.created) == 2


def test_without_a_rule_every_lead_is_sent(world: World) -> None:
    world.on_repeat("mark", days=0)
    assert [world.visit(world.comes(1)), world.visit(world.comes(2))] == [Outcome.SUBMITTED] * 2


def test_who_shall_be_sent_all_the_same_is_sent_with_a_note(world: World) -> None:
    world.on_repeat("send")
    first, second = world.comes(1), world.comes(2)
    world.visit(first)
    assert world.visit(second) is Outcome.RETRIED
    assert world.visit(second) is Outcome.SUBMITTED
    assert world.delivery(second).repeat_of == first.lead_id
    journey = world.store.journey(second.lead_id)
    assert journey is not None
    assert ("repeat", first.lead_id) in [(entry.what, entry.detail) for entry in journey.timeline]


def test_who_is_held_waits_for_an_operator_and_is_not_held_again(world: World) -> None:
    world.on_repeat("hold")
    first, second = world.comes(1), world.comes(2)
    world.visit(first)
    assert world.visit(second) is Outcome.FAILED
    assert world.dead_letters == ["same_person"]
    assert (world.delivery(second).state, world.delivery(second).attempts) == (State.FAILED, 0)


@pytest.mark.parametrize("state", ["rejected", "failed", "erased"])
def test_a_person_who_was_not_served_may_be_sent_again(world: World, state: str) -> None:
    first = world.comes(1)
    error = partner_errors.Rejected if state == "rejected" else partner_errors.Misconfigured
    world.partner.says = iter([None if state == "erased" else error(PARTNER, "create", "no")])
    world.visit(first)
    if state == "erased":
        keys = ({"pk": {"S": f"LEAD#{first.lead_id}"}, "sk": {"S": sk}} for sk in ("LEAD", f"DELIVERY#{PARTNER}"))
        for key in keys:
            aws.dynamodb().delete_item(TableName=TABLE, Key=key)
    assert world.visit(world.comes(2)) is Outcome.SUBMITTED
    assert world.visit(world.comes(3)) is Outcome.DUPLICATE


def test_of_two_at_once_one_is_the_first(world: World) -> None:
    arrived = [world.comes(number) for number in range(1, 5)]
    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(world.visit, arrived))
    assert outcomes.count(Outcome.SUBMITTED) == 1
    world.time.pass_(minutes=1)
    settled = [world.visit(one) for one in arrived]
    assert set(settled) <= {Outcome.DUPLICATE, Outcome.NO_ACTION}
    assert sorted(world.delivery(one).state for one in arrived) == [State.DUPLICATE] * 3 + [State.SUBMITTED]
    assert len(world.partner.created) == 1


def test_a_worker_that_dies_claims_for_its_successor(world: World) -> None:
    first = world.comes(1)
    with pytest.raises(Killed):
        world.visit(first, blade=Blade(at=3))
    second = world.comes(2)
    assert world.visit(second) is Outcome.WAITING
    world.time.pass_(minutes=9)
    assert world.visit(first) is Outcome.SUBMITTED
    assert world.visit(second) is Outcome.DUPLICATE


# Waiting for an earlier lead


def unsettled(world: World) -> Lead:
    """The first lead of a person, at a partner that is away."""
    first = world.comes(1)
    world.partner.says = iter([partner_errors.Unavailable(PARTNER, "create", "away")])
    assert world.visit(first) is Outcome.RETRIED
    return first


def test_a_repeat_of_an_unsettled_lead_waits_and_is_a_duplicate_once_the_first_is_submitted(world: World) -> None:
    first = unsettled(world)
    second = world.comes(2)
    assert world.visit(second) is Outcome.WAITING
    assert (world.delivery(second).state, world.delivery(second).waits_for) == (State.RECEIVED, first.lead_id)
    world.time.pass_(hours=1)
    assert [world.visit(first), world.visit(second)] == [Outcome.SUBMITTED, Outcome.DUPLICATE]
    assert (world.delivery(second).waits_for, world.delivery(second).repeat_of) == (None, first.lead_id)


@pytest.mark.parametrize("error", [partner_errors.Rejected, partner_errors.Misconfigured])
def test_a_repeat_is_taken_up_when_the_first_lead_ends_unserved(
    world: World, error: type[partner_errors.PartnerError]
) -> None:
    first = unsettled(world)
    second = world.comes(2)
    world.visit(second)
    world.time.pass_(hours=1)
    world.partner.says = iter([error(PARTNER, "create", "no")])
    world.visit(first)
    assert world.visit(second) is Outcome.SUBMITTED
    assert (world.partner.created, world.delivery(second).waits_for) == ([second.lead_id], None)
    assert world.visit(world.comes(3)) is Outcome.DUPLICATE


def test_a_repeat_of_an_unknown_lead_rests_in_the_index_until_an_operator_settles_it(world: World) -> None:
    first = world.comes(1)
    world.partner.says = iter([partner_errors.Unknown(PARTNER, "create", "lost")])
    assert world.visit(first) is Outcome.UNKNOWN
    second = world.comes(2)
    for _ in range(3):
        visit = world.submitter().process(second.lead_id, PARTNER, AMPLE)
        assert (visit.outcome, visit.retry_after) == (Outcome.WAITING, None)
        due_at = world.delivery(second).due_at
        assert due_at is not None
        assert world.time.now < due_at <= world.time.now + timedelta(hours=1)
        world.time.now = due_at
    assert world.delivery(second).version == 2, "it waits once, whatever the sweep finds"
    world.store.apply(operator_steps.resolve_not_found(world.delivery(first), world.time.now, "olena"))
    assert world.visit(second) is Outcome.SUBMITTED


def test_a_wait_is_short_at_first_and_grows_to_an_hour(world: World) -> None:
    unsettled(world)
    second = world.comes(2)
    waits = []
    for _ in range(40):
        again = world.submitter().process(second.lead_id, PARTNER, AMPLE).retry_after
        assert again is not None
        waits.append(again)
        world.time.now += again
    assert waits[0] == timedelta(seconds=5)
    assert waits[-1] == timedelta(hours=1)
    assert sorted(waits) == waits


FRIDAY_EVENING = datetime(2026, 3, 6, 17, tzinfo=UTC)  # 19:00 in Kyiv
MONDAY_MORNING = datetime(2026, 3, 9, 7, tzinfo=UTC)


@pytest.mark.parametrize("reason", ["closed", "capped", "paused"])
def test_a_repeat_waits_outside_of_the_queue_while_the_first_lead_waits_for_the_partner(
    world: World, reason: str
) -> None:
    intakes: dict[str, Any] = {"closed": {"hours": ["mon-fri 09:00-18:00"]}, "capped": {"per_day": 1}, "paused": None}
    world.settings, world.time.now = settings_with_intake(intakes[reason]), FRIDAY_EVENING
    world.on_repeat("mark")
    table = Table(aws.dynamodb(), TABLE)
    if reason == "capped":
        world.visit(world.comes(3, tax="3", phone="3"))
    elif reason == "paused":
        PartnerStates(table).pause(PARTNER, Pause("they asked us to", "olena", FRIDAY_EVENING))
    first, second = world.comes(1), world.comes(2)
    assert world.visit(first) is Outcome.WAITING
    for _ in range(3):
        again = world.submitter().process(second.lead_id, PARTNER, AMPLE)
        assert (again.outcome, again.retry_after) == (Outcome.WAITING, None), "it leaves the queue"
        world.time.pass_(hours=1)
    waiting = world.delivery(second)
    assert (waiting.waiting_reason, waiting.version) == (reason, 2)
    assert BacklogMonitor(table).oldest_waiting() is None, "no alarm in the night"

    world.time.now = MONDAY_MORNING
    PartnerStates(table).resume(PARTNER, MONDAY_MORNING)
    again = world.submitter().process(second.lead_id, PARTNER, AMPLE)
    assert (again.outcome, again.retry_after) == (Outcome.WAITING, timedelta(seconds=5)), "the first lead is next"
    assert (world.delivery(second).waiting_reason, world.delivery(second).waits_for) == (None, first.lead_id)
    world.time.pass_(seconds=5)
    assert [world.visit(first), world.visit(second)] == [Outcome.SUBMITTED, Outcome.DUPLICATE]
    assert (world.delivery(second).repeat_of, world.delivery(second).waiting_reason) == (first.lead_id, None)
    assert world.partner.created.count(second.lead_id) == 0


def test_a_repeat_that_waits_for_the_first_lead_leaves_the_queue_when_the_partner_closes(world: World) -> None:
    world.settings = settings_with_intake({"hours": ["mon-fri 09:00-18:00"]})
    world.on_repeat("mark")
    world.time.now = FRIDAY_EVENING - timedelta(hours=1, minutes=1)
    unsettled(world)
    second = world.comes(2)
    assert world.submitter().process(second.lead_id, PARTNER, AMPLE).retry_after is not None
    world.time.now = FRIDAY_EVENING
    for _ in range(2):
        assert world.submitter().process(second.lead_id, PARTNER, AMPLE).retry_after is None
    assert world.delivery(second).waiting_until == MONDAY_MORNING
    world.time.now = MONDAY_MORNING
    assert world.submitter().process(second.lead_id, PARTNER, AMPLE).retry_after is not None
    assert world.delivery(second).waiting_reason is None


def test_a_repeat_whose_lead_would_be_passed_on_waits_only_for_the_first_lead(world: World) -> None:
    """If the partner gets the first lead in the end, no other partner may get the second."""
    world.settings = settings_with_intake({"hours": ["mon-fri 09:00-18:00"], "when_closed": "next"})
    world.on_repeat("mark")
    world.time.now = FRIDAY_EVENING - timedelta(hours=1, minutes=1)
    unsettled(world)
    world.time.now = FRIDAY_EVENING
    chain: dict[str, Any] = {"fallbacks": {PARTNER: BROKER}, "next_on": {PARTNER: ("closed",)}}
    second = lead(2, received_at=FRIDAY_EVENING).model_copy(update=chain)
    world.store.accept(second, phone_hash=keyed_hash("k", "1"), tax_hash=keyed_hash("k", "3068208400"))
    assert world.submitter().process(second.lead_id, PARTNER, AMPLE).retry_after == timedelta(seconds=5)
    assert world.delivery(second).waiting_reason is None


def test_a_repeat_that_is_held_goes_to_an_operator_even_if_the_first_lead_is_unsettled(world: World) -> None:
    world.on_repeat("hold")
    unsettled(world)
    assert world.visit(world.comes(2)) is Outcome.FAILED


def test_a_duplicate_can_be_retried_and_then_claims_with_its_own_date_and_phone(world: World) -> None:
    world.visit(world.comes(1, tax="1", phone="1"))
    world.time.pass_(days=DAYS - 1)
    second = world.comes(2, tax="1", phone="2")
    assert world.visit(second) is Outcome.DUPLICATE
    world.store.apply(
        operator_steps.retry_by_operator(world.delivery(second), world.time.now, "olena", is_confirmed=False)
    )
    assert world.visit(second) is Outcome.SUBMITTED
    world.time.pass_(days=DAYS - 1)
    assert world.visit(world.comes(3, tax="3", phone="2")) is Outcome.DUPLICATE


def test_a_retried_duplicate_that_is_rejected_does_not_hide_the_lead_that_was_served(world: World) -> None:
    world.visit(world.comes(1, tax="1", phone="1"))
    second = world.comes(2, tax="1", phone="2")
    assert world.visit(second) is Outcome.DUPLICATE
    world.store.apply(
        operator_steps.retry_by_operator(world.delivery(second), world.time.now, "olena", is_confirmed=False)
    )
    world.partner.says = iter([partner_errors.Rejected(PARTNER, "create", "the partner rejected it")])
    assert world.visit(second) is Outcome.REJECTED
    assert world.visit(world.comes(3, tax="1", phone="3")) is Outcome.DUPLICATE
    assert world.visit(world.comes(4, tax="4", phone="2")) is Outcome.SUBMITTED  # nothing in common with the first


def test_a_repeat_that_is_sent_claims_with_its_own_date_and_phone(world: World) -> None:
    world.on_repeat("send")
    world.visit(world.comes(1, tax="1", phone="1"))
    world.time.pass_(days=DAYS - 1)
    second = world.comes(2, tax="1", phone="2")
    world.visit(second)
    assert world.visit(second) is Outcome.SUBMITTED
    world.on_repeat("mark")
    world.time.pass_(days=DAYS - 1)
    assert world.visit(world.comes(3, tax="3", phone="2")) is Outcome.DUPLICATE


def test_an_older_lead_that_is_sent_late_does_not_take_a_newer_leads_claim(world: World) -> None:
    world.visit(world.comes(1))
    world.time.pass_(days=1)
    second = world.comes(2)
    world.visit(second)
    world.time.pass_(days=DAYS)
    third = world.comes(3)
    world.visit(third)
    world.store.apply(
        operator_steps.retry_by_operator(world.delivery(second), world.time.now, "olena", is_confirmed=False)
    )
    world.visit(second)
    claims = ClaimRepository(Table(aws.dynamodb(), TABLE))
    newest = claims.first(world.delivery(world.comes(4)), timedelta(days=DAYS), timedelta(days=DAYS))
    assert newest is not None
    assert newest.lead_id == third.lead_id


@pytest.mark.parametrize("error", [partner_errors.Misconfigured, partner_errors.Rejected])
def test_a_retried_lead_whose_repeat_was_served_meanwhile_is_a_duplicate(
    world: World, error: type[partner_errors.PartnerError]
) -> None:
    first = unsettled(world)
    second = world.comes(2)
    world.visit(second)
    world.time.pass_(hours=1)
    world.partner.says = iter([error(PARTNER, "create", "no")])
    world.visit(first)
    assert world.visit(second) is Outcome.SUBMITTED
    retry = operator_steps.retry_by_operator(world.delivery(first), world.time.now, "olena", is_confirmed=False)
    world.store.apply(retry)
    assert world.visit(first) is Outcome.DUPLICATE
    assert world.delivery(first).repeat_of == second.lead_id
    again = operator_steps.retry_by_operator(world.delivery(first), world.time.now, "olena", is_confirmed=False)
    world.store.apply(again)
    assert world.visit(first) is Outcome.SUBMITTED, "an operator can send it all the same"


def test_nothing_is_claimed_for_a_person_who_was_erased_meanwhile(world: World) -> None:
    first = world.comes(1)
    delivery = world.delivery(first)
    Eraser(Table(aws.dynamodb(), TABLE)).erase(first.lead_id, "olena", world.time.now)
    aws.dynamodb().update_item(
        TableName=TABLE,
        Key={"pk": {"S": f"LEAD#{first.lead_id}"}, "sk": {"S": "LEAD"}},
        UpdateExpression="SET phone_hash = :hash",
        ExpressionAttributeValues={":hash": {"S": "read before"}},
    )
    assert ClaimRepository(Table(aws.dynamodb(), TABLE)).first(delivery, timedelta(days=1), timedelta(days=1)) is None
    found = aws.dynamodb().scan(TableName=TABLE)["Items"]
    assert not [item for item in found if item["sk"]["S"] == "CLAIM"]


# Falling back


def chained(world: World, **more: Any) -> Lead:
    arrived = world.comes(1, **more).model_copy(update={"fallbacks": {PARTNER: "matchtrade"}})
    aws.dynamodb().delete_item(TableName=TABLE, Key={"pk": {"S": f"LEAD#{arrived.lead_id}"}, "sk": {"S": "LEAD"}})
    assert world.store.accept(arrived, phone_hash=None) is None
    return arrived


def refusing(world: World) -> None:
    world.partner.says = iter([partner_errors.Rejected(PARTNER, "create", "no")])


def test_a_lead_that_one_partner_rejects_goes_to_the_next(world: World) -> None:
    arrived = chained(world)
    refusing(world)
    assert world.visit(arrived) is Outcome.REJECTED
    journey = world.store.journey(arrived.lead_id)
    assert journey is not None
    assert {name: one.state for name, one in journey.deliveries.items()} == {
        PARTNER: State.REJECTED,
        "matchtrade": State.RECEIVED,
    }
    assert journey.lead.partners == (PARTNER, "matchtrade")
    told = [(entry.what, entry.partner, entry.detail) for entry in journey.timeline]
    assert ("fallback", "matchtrade", "leadleader has rejected it") in told
    assert world.visit(arrived, "matchtrade") is Outcome.SUBMITTED
    assert world.visit(arrived) is Outcome.NO_ACTION


def test_the_fallback_partner_gets_all_fields_that_it_requires(world: World) -> None:
    arrived = chained(world, email=None)
    refusing(world)
    world.visit(arrived)
    assert world.store.delivery(arrived.lead_id, "matchtrade") is None


def test_a_worker_killed_while_it_falls_back_leaves_both_or_none(world: World) -> None:
    arrived = chained(world)
    for step in range(1, 20):
        refusing(world)
        try:
            world.visit(arrived, blade=Blade(at=step))
        except Killed:
            state = world.delivery(arrived).state
            opened = world.store.delivery(arrived.lead_id, "matchtrade")
            assert (state is State.REJECTED) == (opened is not None)
            if state is not State.RECEIVED:
                return
    raise AssertionError("no step was the last")


def test_the_order_is_followed_past_those_who_would_miss_something(shipped_settings: Settings) -> None:
    following: Callable[[Lead, str, NextOn], str | None] = fallback_finder(shipped_settings)
    chain = {"fallbacks": {"a": "matchtrade", "matchtrade": PARTNER}}
    assert following(lead().model_copy(update=chain), "a", NextOn.REJECTED) == "matchtrade"
    assert following(lead(email=None).model_copy(update=chain), "a", NextOn.REJECTED) == PARTNER
    assert following(lead(email=None, tax_number=None).model_copy(update=chain), "a", NextOn.REJECTED) is None
    assert following(lead(), "a", NextOn.REJECTED) is None

"""A person who comes twice, and a lead that falls back from one partner to the next."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest

from leadbridge import aws, errors
from leadbridge.budget import Budget
from leadbridge.leads.claims import Claims
from leadbridge.leads.delivery import Delivery, State
from leadbridge.leads.items import keyed_hash
from leadbridge.leads.lead import Lead
from leadbridge.leads.store import Store
from leadbridge.leads.submission import Outcome, Submitter
from leadbridge.settings import Settings
from leadbridge.submitting import Repeats, falls_back_on
from tests.blades import Blade, Killed, Ports
from tests.people import lead
from tests.unit.conftest import TABLE, Time

AMPLE = Budget(deadline=90.0, monotonic=lambda: 0.0)
PARTNER = "leadleader"
DAYS = 30


@dataclass
class Partner:
    """It takes every lead, or refuses as the test wants."""

    created: list[str] = field(default_factory=list)
    says: Iterator[errors.PartnerError | None] = field(default_factory=lambda: iter(()))
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

    store: Store
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
        ports = Ports(self.store, blade or Blade(at=0))
        submitter = Submitter(
            ledger=ports,
            partner=self.partner,
            settings=self.settings.partners[partner],
            clock=self.time,
            dead_letter=lambda _, reason: self.dead_letters.append(reason),
            repeats=Repeats(Claims(aws.dynamodb(), TABLE), self.settings),
            falls_back_on=falls_back_on(self.settings),
        )
        return submitter.visit(arrived.lead_id, partner, AMPLE).outcome

    def delivery(self, arrived: Lead, partner: str = PARTNER) -> Delivery:
        found = self.store.delivery(arrived.lead_id, partner)
        assert found is not None
        return found


@pytest.fixture
def world(store: Store, time: Time, shipped_settings: Settings) -> World:
    world = World(store, time, shipped_settings)
    world.on_repeat("mark")
    return world


def test_who_comes_twice_is_marked_and_not_sent(world: World) -> None:
    first, second = world.comes(1), world.comes(2)
    assert [world.visit(first), world.visit(second)] == [Outcome.SUBMITTED, Outcome.DUPLICATE]
    delivery = world.delivery(second)
    assert (delivery.state, delivery.repeat_of) == (State.DUPLICATE, first.lead_id)
    assert delivery.last_error == f"the same person came as {first.lead_id}"
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


def test_where_nobody_asks_everybody_is_sent(world: World) -> None:
    world.on_repeat("mark", days=0)
    assert [world.visit(world.comes(1)), world.visit(world.comes(2))] == [Outcome.SUBMITTED] * 2


def test_who_shall_be_sent_all_the_same_is_sent_with_a_note(world: World) -> None:
    world.on_repeat("send")
    first, second = world.comes(1), world.comes(2)
    world.visit(first)
    assert world.visit(second) is Outcome.COMES_AGAIN
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
    assert world.dead_letters == [f"held for an operator: the same person came as {first.lead_id}"]
    assert (world.delivery(second).state, world.delivery(second).attempts) == (State.FAILED, 0)


@pytest.mark.parametrize("state", ["rejected", "failed", "erased"])
def test_who_was_not_served_the_first_time_may_come_again(world: World, state: str) -> None:
    first = world.comes(1)
    error = errors.Rejected if state == "rejected" else errors.Misconfigured
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
    assert sorted(outcomes) == [Outcome.DUPLICATE] * 3 + [Outcome.SUBMITTED]
    assert len(world.partner.created) == 1


def test_a_worker_that_dies_claims_for_its_successor(world: World) -> None:
    first = world.comes(1)
    with pytest.raises(Killed):
        world.visit(first, blade=Blade(at=5))
    assert world.visit(world.comes(2)) is Outcome.DUPLICATE
    world.time.pass_(minutes=9)
    assert world.visit(first) is Outcome.SUBMITTED


# Falling back


def chained(world: World, **more: Any) -> Lead:
    arrived = world.comes(1, **more).model_copy(update={"fallbacks": {PARTNER: "matchtrade"}})
    aws.dynamodb().delete_item(TableName=TABLE, Key={"pk": {"S": f"LEAD#{arrived.lead_id}"}, "sk": {"S": "LEAD"}})
    assert world.store.accept(arrived, phone_hash=None) is None
    return arrived


def refusing(world: World) -> None:
    world.partner.says = iter([errors.Rejected(PARTNER, "create", "no")])


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
    assert ("falls_back", "matchtrade", "leadleader has rejected it") in told
    assert world.visit(arrived, "matchtrade") is Outcome.SUBMITTED
    assert world.visit(arrived) is Outcome.NOTHING_TO_DO


def test_a_lead_falls_back_on_nobody_who_would_miss_something(world: World) -> None:
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
    following: Callable[[Lead, str], str | None] = falls_back_on(shipped_settings)
    chain = {"fallbacks": {"a": "matchtrade", "matchtrade": PARTNER}}
    assert following(lead().model_copy(update=chain), "a") == "matchtrade"
    assert following(lead(email=None).model_copy(update=chain), "a") == PARTNER
    assert following(lead(email=None, tax_number=None).model_copy(update=chain), "a") is None
    assert following(lead(), "a") is None

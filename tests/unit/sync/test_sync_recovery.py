"""The sync of a broker's list: stopped anywhere, run twice, misled by moving rows, and in the end it has everything."""

from __future__ import annotations

import tracemalloc
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

import pytest

from leadbridge.domain.accounts.account import StoredAccount
from leadbridge.domain.clock import to_text
from leadbridge.domain.delivery import State
from leadbridge.domain.errors import partner_errors
from leadbridge.partners.matchtrade.answers import RawPage
from leadbridge.partners.matchtrade.listing import AccountPage, account_pages
from leadbridge.runtime.budget import Budget
from leadbridge.services.sync_accounts import ProcessedPage, SyncOutcome
from leadbridge.settings import Settings
from quality.testkit.fakes.blades import Blade, Killed
from quality.testkit.fakes.brokers import Broker
from quality.testkit.fixtures import Time
from quality.testkit.services import syncs
from quality.testkit.services.syncs import READINGS, TICK, World, fill


@pytest.fixture
def world(shipped_settings: Settings, time: Time) -> World:
    return syncs.world(shipped_settings, time)


@pytest.fixture(params=READINGS)
def either(shipped_settings: Settings, time: Time, request: pytest.FixtureRequest) -> World:
    """A world under each reading of `from` and `to`."""
    return syncs.world(shipped_settings, time, filters_on=request.param)


def standing(world: World) -> dict[str, Any]:
    """What is kept, without when it was written."""
    accounts = {
        uuid: (account.status, account.lead_id, account.is_pending, account.email)
        for uuid, account in world.book.all.items()
    }
    deliveries = [
        (found.state, found.account_uuid, found.partner_status) for found in map(world.delivery, world.book.leads)
    ]
    return {"accounts": accounts, "deliveries": deliveries, "told": sorted(world.notified), "happened": world.happened}


def test_the_first_sync_keeps_everything_and_says_that_it_is_whole(either: World) -> None:
    fill(either)
    report = either.run()
    assert report.outcome is SyncOutcome.COMPLETED
    assert report.state is not None
    assert (report.state.history, report.state.active_scans) == (1.0, {})
    assert either.book.all.keys() == either.broker.rows.keys()


def test_a_second_sync_with_nothing_new_writes_nothing(either: World) -> None:
    fill(either)
    ours = either.lead()
    either.submitted(ours, "ours")
    either.broker.add("ours", email="ours-1@example.com", updated="2026-03-01T12:00:00.123456Z")
    either.run()
    assert either.delivery(ours).partner_status == "NEW_CONTACT"
    written, before = either.book.written, standing(either)
    either.tick(200)  # the whole history is read twice more meanwhile
    assert (either.book.written, standing(either)) == (written, before)


def story(world: World, run: Callable[[], None]) -> dict[str, Any]:
    """Two leads, one whose reply was lost, and news of both in two chapters; `run` brings each to its end."""
    fill(world, 3)
    first, second = world.lead(1), world.lead(2)
    world.submitted(first, "first")
    world.broker.add("first", email="ours-1@example.com")
    world.unknown(second)
    world.broker.add("second", email="Ours-2@Example.com")
    run()
    world.broker.put("first", "CONTACTED")
    world.broker.put("second", "CONTACTED")
    world.broker.put("foreign-0", "ACTIVE_CLIENT")
    run()
    return standing(world)


def test_a_run_killed_at_any_step_is_followed_by_one_that_ends_the_same(shipped_settings: Settings) -> None:
    """And so is one killed at the same step of both chapters."""

    def undisturbed(world: World) -> Callable[[], None]:
        return lambda: (world.tick(3), None)[1]

    for reading in READINGS:
        calm = syncs.world(shipped_settings, Time(), filters_on=reading)
        expected = story(calm, undisturbed(calm))
        assert [told for told in expected["told"] if told[1] == "CONTACTED"] == expected["told"]
        assert len(expected["told"]) == 2
        killed = True
        step = 0
        while killed:
            step += 1
            world = syncs.world(shipped_settings, Time(), filters_on=reading)
            killed = False

            def run(world: World = world, step: int = step) -> None:
                nonlocal killed
                world.time.now += TICK
                for _ in range(2):
                    try:
                        world.run(Blade(at=step))
                    except Killed:
                        killed = True
                    world.time.now += TICK
                world.tick(2)

            assert story(world, run) == expected, f"{reading}: killed at step {step}"
        assert step > 40


def test_of_two_runs_at_once_the_second_does_nothing(world: World) -> None:
    fill(world)
    seen = []
    world.broker.before_page = lambda _: seen.append(world.sync().run("another", world.broker.budget(100)).outcome)
    assert world.run().outcome is SyncOutcome.COMPLETED
    assert set(seen) == {SyncOutcome.LOCKED}


def test_a_run_that_was_overtaken_moves_no_watermark_and_tells_no_more(world: World) -> None:
    fill(world)
    ours = world.lead()
    world.submitted(ours, "ours")
    world.broker.add("ours", email="ours-1@example.com")
    world.run()
    watermark = world.book.state.watermark
    world.time.now += TICK

    def sleep(_: int) -> None:
        """The lease runs out, and another run takes it and is still at work."""
        world.broker.before_page = lambda _: None
        world.time.pass_(minutes=6)
        assert world.book.take_lease("another", world.time.now, world.time.now + TICK) is not None
        world.broker.put("ours", "CONTACTED")

    world.broker.before_page = sleep
    zombie = world.run()
    assert zombie.outcome is SyncOutcome.LEASE_LOST
    assert (world.book.state.watermark, world.book.owner) == (watermark, "another")
    assert world.delivery(ours).partner_status == "NEW_CONTACT"


def test_a_run_that_was_killed_holds_the_lease_no_longer_than_until_the_next_tick(world: World) -> None:
    with pytest.raises(Killed):
        world.run(Blade(at=3))
    assert world.run().outcome is SyncOutcome.LOCKED
    assert world.tick().outcome is SyncOutcome.COMPLETED


def test_no_page_is_begun_without_time_for_it_and_for_what_is_on_it(world: World) -> None:
    fill(world)
    assert world.run(budget=world.broker.budget(world.broker.seconds_per_page + 19)).outcome is SyncOutcome.IN_PROGRESS
    assert world.broker.asked == []


@pytest.mark.parametrize(
    "error",
    [
        partner_errors.Unavailable,
        partner_errors.Unauthorized,
        partner_errors.Misconfigured,
        partner_errors.Rejected,
        partner_errors.RateLimited,
    ],
)
def test_an_error_ends_the_run_and_the_next_one_goes_on(world: World, error: type[partner_errors.PartnerError]) -> None:
    fill(world)
    world.broker.errors = iter([None, None, error("matchtrade", "list", "as the test wants")])
    report = world.run()
    assert (report.outcome, type(report.error)) == (SyncOutcome.FAILED, error)
    assert 0 < len(world.book.all) < 7
    assert world.tick().outcome is SyncOutcome.COMPLETED
    assert len(world.book.all) == 7


def test_a_partners_retry_after_is_respected(world: World) -> None:
    world.broker.errors = iter([partner_errors.RateLimited("matchtrade", "list", "slow down", retry_after=900.0)])
    assert world.run().outcome is SyncOutcome.FAILED
    assert [world.tick().outcome for _ in range(3)] == [SyncOutcome.PAUSED, SyncOutcome.PAUSED, SyncOutcome.COMPLETED]


def test_a_list_that_goes_in_circles_is_no_list(world: World) -> None:
    fill(world, 1)
    world.broker.in_circles = True
    report = world.run()
    assert (report.outcome, type(report.error)) == (SyncOutcome.FAILED, partner_errors.Unavailable)


def test_what_the_table_cannot_do_stops_the_run_and_the_next_one_goes_on(world: World) -> None:
    def away(accounts: Sequence[StoredAccount]) -> None:
        raise OSError("away")

    fill(world)
    keep = world.book.store
    world.book.store = away  # type: ignore[method-assign]
    with pytest.raises(OSError, match="away"):
        world.run()
    world.book.store = keep  # type: ignore[method-assign]
    assert world.tick().outcome is SyncOutcome.COMPLETED
    assert len(world.book.all) == 7


def test_unknown_deliveries_are_settled_by_the_list(either: World) -> None:
    unknown, uncertain = either.lead(1), either.lead(2)
    either.unknown(unknown)
    either.uncertain(uncertain)
    either.broker.add("u", email="ours-1@example.com", leadStatus=None)
    either.broker.add("v", email="ours-2@example.com")
    either.tick()
    for found, uuid, status in ((unknown, "u", None), (uncertain, "v", "NEW_CONTACT")):
        delivery = either.delivery(found)
        assert (delivery.state, delivery.account_uuid, delivery.partner_status) == (State.SUBMITTED, uuid, status)
    assert either.notified == []


@dataclass
class Endless:
    """A broker that gets an account a minute, and has none of them in memory."""

    seconds_per_page: float = 1.0

    def pages(
        self, since: datetime, until: datetime, budget: Budget, *, size: int, first_page: int = 0
    ) -> Iterator[AccountPage]:
        count = int((until - since) / timedelta(minutes=1))

        def read(number: int) -> RawPage:
            numbers = range(number * size, min(count, (number + 1) * size))
            made = {number: to_text(since + timedelta(minutes=number)) for number in numbers}
            rows = [{"uuid": at, "created": at, "updated": at, "email": f"{at}@example.com"} for at in made.values()]
            return RawPage(rows, -(-count // size), count)

        return account_pages(read, first_page=first_page)


def peak(world: World, accounts: int) -> int:
    """The most memory that a sync of so many accounts takes."""
    now = world.time.now
    world.planned(page_size=1000, window=timedelta(days=2), filters_on="changed")
    world.planned(since=(now - timedelta(minutes=accounts)).date())
    world.broker = cast("Broker", Endless())
    world.book.store = lambda accounts: None  # type: ignore[method-assign]
    world.notes = cast("list[ProcessedPage]", deque(maxlen=1))
    tracemalloc.start()
    report = world.run()
    taken = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert report.outcome is SyncOutcome.COMPLETED
    return taken


def test_memory_does_not_grow_with_the_number_of_accounts(shipped_settings: Settings) -> None:
    few, many = (peak(syncs.world(shipped_settings, Time()), accounts) for accounts in (1_000, 4_000))
    assert many < 1.3 * few

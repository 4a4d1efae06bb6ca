"""The sync of a broker's list: stopped anywhere, run twice, misled by moving rows, and in the end it has everything."""

from __future__ import annotations

import tracemalloc
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast

import pytest

from leadbridge import errors
from leadbridge.budget import Budget
from leadbridge.clock import to_text
from leadbridge.leads.delivery import State
from leadbridge.leads.intake import KeptAccount
from leadbridge.leads.passes import Kind
from leadbridge.leads.syncing import Outcome, PageTaken, Report
from leadbridge.partners.matchtrade.answers import Listed
from leadbridge.partners.matchtrade.listing import Page, listed
from leadbridge.settings import Settings
from tests.blades import Blade, Killed
from tests.brokers import Broker
from tests.unit import syncs
from tests.unit.conftest import Time
from tests.unit.syncs import TICK, World

READINGS = ("created", "changed")
LONG_AGO = datetime(2023, 3, 5, 9, tzinfo=UTC)


@pytest.fixture
def world(shipped_settings: Settings, time: Time) -> World:
    return syncs.world(shipped_settings, time)


@pytest.fixture(params=READINGS)
def either(shipped_settings: Settings, time: Time, request: pytest.FixtureRequest) -> World:
    """A world under each reading of `from` and `to`."""
    return syncs.world(shipped_settings, time, filters_on=request.param)


def fill(world: World, count: int = 7) -> None:
    """Foreign accounts through half a year."""
    for number in range(count):
        world.broker.add(f"foreign-{number}", world.time.now - timedelta(days=3 + 170 * number / count))


def slow(world: World, seconds: float = 30.0) -> None:
    """Each page costs as much time as it may."""
    world.broker.takes = world.broker.seconds_per_page = seconds


def until_whole(world: World, seconds: float, runs: int = 60) -> Iterator[Report]:
    """Runs of so many seconds each, until everything was read; what each came to before that."""
    for _ in range(runs):
        report = world.run(budget=world.broker.budget(seconds))
        if report.outcome is Outcome.WHOLE:
            return
        assert report.outcome is Outcome.GOES_ON
        yield report
    raise AssertionError("it does not come to an end")


def standing(world: World) -> dict[str, Any]:
    """What is kept, without when it was written."""
    accounts = {
        uuid: (account.status, account.lead_id, account.told_status, account.email)
        for uuid, account in world.book.all.items()
    }
    deliveries = [
        (found.state, found.account_uuid, found.partner_status) for found in map(world.delivery, world.book.leads)
    ]
    return {"accounts": accounts, "deliveries": deliveries, "told": sorted(world.told), "happened": world.happened}


def test_the_first_sync_keeps_everything_and_says_that_it_is_whole(either: World) -> None:
    fill(either)
    report = either.run()
    assert report.outcome is Outcome.WHOLE
    assert report.state is not None
    assert (report.state.history, report.state.under_way) == (1.0, {})
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
    assert world.run().outcome is Outcome.WHOLE
    assert set(seen) == {Outcome.HELD}


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
    assert zombie.outcome is Outcome.OVERTAKEN
    assert (world.book.state.watermark, world.book.owner) == (watermark, "another")
    assert world.delivery(ours).partner_status == "NEW_CONTACT"


def test_a_run_that_was_killed_holds_the_lease_no_longer_than_until_the_next_tick(world: World) -> None:
    with pytest.raises(Killed):
        world.run(Blade(at=3))
    assert world.run().outcome is Outcome.HELD
    assert world.tick().outcome is Outcome.WHOLE


def test_the_watermark_moves_only_when_the_window_is_whole(world: World) -> None:
    world.run()
    watermark = world.book.state.watermark
    for number in range(9):
        world.broker.add(f"new-{number}")
    slow(world)
    for _ in range(3):
        world.time.now += TICK
        report = world.run(budget=world.broker.budget(80))
        assert report.outcome is Outcome.GOES_ON
        assert world.book.state.watermark == watermark
    began = world.book.state.under_way[Kind.INCREMENTAL].begun_at
    slow(world, 0)
    assert world.run().outcome is Outcome.WHOLE
    assert began == watermark + TICK
    assert world.book.state.watermark == world.time.now
    assert len(world.book.all) == 9


def test_a_run_goes_on_where_the_last_one_stopped_but_for_a_page(world: World) -> None:
    world.planned(window=timedelta(days=9999), filters_on="changed")
    fill(world, 19)
    slow(world)
    read: list[list[int]] = []
    for _ in until_whole(world, 140):
        read.append([note.number for note in world.notes if note.kind is Kind.WHOLE])
        world.notes.clear()
    assert len(read) >= 2
    assert [pages[0] for pages in read[1:]] == [pages[-1] for pages in read[:-1]]
    assert len(world.book.all) == 19


def test_no_page_is_begun_without_time_for_it_and_for_what_is_on_it(world: World) -> None:
    fill(world)
    assert world.run(budget=world.broker.budget(world.broker.seconds_per_page + 19)).outcome is Outcome.GOES_ON
    assert world.broker.asked == []


def test_the_history_goes_on_however_much_is_read_anew(world: World) -> None:
    for number in range(40):
        world.broker.add(f"recent-{number}", world.time.now - timedelta(days=1))
    fill(world)
    slow(world, 20)
    progress = []
    for _ in range(12):
        world.run(budget=world.broker.budget(150))
        progress.append(world.book.state.history)
        world.time.now += TICK
    assert progress == sorted(progress)
    assert progress[-1] > 0.5


def test_the_first_sync_reports_its_progress(world: World) -> None:
    fill(world)
    world.planned(filters_on="changed")
    slow(world)
    shown = []
    for _ in until_whole(world, 80):
        shown.append(world.book.state.history)
        assert world.book.state.whole_ended_at is None
    assert shown == sorted(shown)
    assert 0 < shown[0] < shown[-1] < 1
    assert world.book.state.history == 1.0
    assert world.book.state.whole_ended_at is not None


@pytest.mark.parametrize("with_totals", [True, False])
@pytest.mark.parametrize("gone", [1, 3, 5])
def test_rows_that_go_while_no_run_looks_hide_no_others(world: World, gone: int, with_totals: bool) -> None:
    world.planned(window=timedelta(days=9999), filters_on="changed")
    world.broker.with_totals = with_totals
    fill(world, 12)
    order = sorted(world.broker.rows, key=lambda uuid: str(world.broker.rows[uuid]["created"]))
    slow(world)
    for _ in range(4):
        assert world.run(budget=world.broker.budget(80)).outcome is Outcome.GOES_ON
    for uuid in order[:gone]:
        del world.broker.rows[uuid]
    slow(world, 0)
    assert world.run().outcome is Outcome.WHOLE
    assert set(world.book.all) >= set(order)


def test_rows_that_keep_going_do_not_keep_a_pass_from_its_end(world: World) -> None:
    """Under `changed`, a row that changes leaves the past; the pass goes back by a page, not to the beginning."""
    world.planned(window=timedelta(days=9999), filters_on="changed")
    fill(world, 40)
    order = sorted(world.broker.rows, key=lambda uuid: str(world.broker.rows[uuid]["created"]))
    slow(world)
    for number in range(30):
        world.time.now += TICK
        world.broker.put(order[number], "CONTACTED")
        if world.run(budget=world.broker.budget(260)).outcome is Outcome.WHOLE:
            break
    assert world.book.state.whole_ended_at is not None
    assert {uuid: account.status for uuid, account in world.book.all.items()} == {
        uuid: row["leadStatus"] for uuid, row in world.broker.rows.items()
    }


def test_a_change_of_a_three_year_old_account_is_noticed_within_a_day(either: World) -> None:
    either.planned(since=date(2019, 1, 1), window=timedelta(days=365))
    now, either.time.now = either.time.now, LONG_AGO
    ours = either.lead()
    either.submitted(ours, "old")
    either.broker.add("old", email="ours-1@example.com")
    either.time.now = now
    fill(either)
    either.tick(150)
    either.broker.put("old", "ACTIVE_CLIENT")
    changed_at = either.time.now
    while either.delivery(ours).partner_status != "ACTIVE_CLIENT":
        either.tick()
        assert either.time.now - changed_at < timedelta(hours=24)
    assert either.told == [(ours.lead_id, "ACTIVE_CLIENT")]


def test_a_change_of_last_week_is_noticed_at_the_next_tick(either: World) -> None:
    ours = either.lead()
    either.submitted(ours, "ours")
    either.broker.add("ours", email="ours-1@example.com")
    either.tick()
    either.time.pass_(days=6)
    either.tick()
    either.broker.put("ours", "CONTACTED")
    either.tick()
    assert either.delivery(ours).partner_status == "CONTACTED"


def test_the_rolling_period_is_not_read_anew_where_the_list_filters_on_changes(either: World) -> None:
    fill(either)
    either.tick(3)
    kinds = {note.kind for note in either.notes}
    assert (Kind.ROLLING in kinds) == (either.plan.filters_on == "created")
    assert {Kind.INCREMENTAL, Kind.WHOLE} <= kinds


def test_a_partner_whose_clock_is_ahead_is_heard_at_once(either: World) -> None:
    either.run()
    either.broker.add("ahead", either.time.now + timedelta(hours=3))
    either.tick()
    assert "ahead" in either.book.all


def test_after_a_long_silence_all_that_came_meanwhile_is_read(either: World) -> None:
    either.run()
    for day in range(100):
        either.time.pass_(days=1)
        either.broker.add(f"day-{day}")
    either.tick()
    assert len(either.book.all) == 100


@pytest.mark.parametrize(
    "error", [errors.Unavailable, errors.Unauthorized, errors.Misconfigured, errors.Rejected, errors.RateLimited]
)
def test_an_error_ends_the_run_and_the_next_one_goes_on(world: World, error: type[errors.PartnerError]) -> None:
    fill(world)
    world.broker.errors = iter([None, None, error("matchtrade", "list", "as the test wants")])
    report = world.run()
    assert (report.outcome, type(report.error)) == (Outcome.FAILED, error)
    assert 0 < len(world.book.all) < 7
    assert world.tick().outcome is Outcome.WHOLE
    assert len(world.book.all) == 7


def test_a_partner_that_asks_us_to_wait_is_left_alone_so_long(world: World) -> None:
    world.broker.errors = iter([errors.RateLimited("matchtrade", "list", "slow down", retry_after=900.0)])
    assert world.run().outcome is Outcome.FAILED
    assert [world.tick().outcome for _ in range(3)] == [Outcome.RESTS, Outcome.RESTS, Outcome.WHOLE]


def test_a_list_that_goes_in_circles_is_no_list(world: World) -> None:
    fill(world, 1)
    world.broker.in_circles = True
    report = world.run()
    assert (report.outcome, type(report.error)) == (Outcome.FAILED, errors.Unavailable)


def test_what_the_table_cannot_do_stops_the_run_and_the_next_one_goes_on(world: World) -> None:
    def away(accounts: Sequence[KeptAccount]) -> None:
        raise OSError("away")

    fill(world)
    keep = world.book.keep
    world.book.keep = away  # type: ignore[method-assign]
    with pytest.raises(OSError, match="away"):
        world.run()
    world.book.keep = keep  # type: ignore[method-assign]
    assert world.tick().outcome is Outcome.WHOLE
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
    assert either.told == []


@dataclass
class Endless:
    """A broker that gets an account a minute, and has none of them in memory."""

    seconds_per_page: float = 1.0

    def pages(
        self, since: datetime, until: datetime, budget: Budget, *, size: int, first_page: int = 0
    ) -> Iterator[Page]:
        count = int((until - since) / timedelta(minutes=1))

        def read(number: int) -> Listed:
            numbers = range(number * size, min(count, (number + 1) * size))
            made = {number: to_text(since + timedelta(minutes=number)) for number in numbers}
            rows = [{"uuid": at, "created": at, "updated": at, "email": f"{at}@example.com"} for at in made.values()]
            return Listed(rows, -(-count // size), count)

        return listed(read, first_page=first_page)


def peak(world: World, accounts: int) -> int:
    """The most memory that a sync of so many accounts takes."""
    now = world.time.now
    world.planned(page_size=1000, window=timedelta(days=2), filters_on="changed")
    world.planned(since=(now - timedelta(minutes=accounts)).date())
    world.broker = cast("Broker", Endless())
    world.book.keep = lambda accounts: None  # type: ignore[method-assign]
    world.notes = cast("list[PageTaken]", deque(maxlen=1))
    tracemalloc.start()
    report = world.run()
    taken = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert report.outcome is Outcome.WHOLE
    return taken


def test_memory_does_not_grow_with_the_number_of_accounts(shipped_settings: Settings) -> None:
    few, many = (peak(syncs.world(shipped_settings, Time()), accounts) for accounts in (5_000, 20_000))
    assert many < 1.3 * few

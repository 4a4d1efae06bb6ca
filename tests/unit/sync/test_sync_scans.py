"""The passes over a broker's list: where each goes on, what it reads anew, and how far it has come."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest

from leadbridge.domain.accounts.scan import ScanKind
from leadbridge.services.sync_accounts import SyncOutcome, SyncReport
from leadbridge.settings import Settings
from quality.testkit.fixtures import Time
from quality.testkit.services import syncs
from quality.testkit.services.syncs import READINGS, TICK, World, fill, slow

LONG_AGO = datetime(2023, 3, 5, 9, tzinfo=UTC)


@pytest.fixture
def world(shipped_settings: Settings, time: Time) -> World:
    return syncs.world(shipped_settings, time)


@pytest.fixture(params=READINGS)
def either(shipped_settings: Settings, time: Time, request: pytest.FixtureRequest) -> World:
    """A world under each reading of `from` and `to`."""
    return syncs.world(shipped_settings, time, filters_on=request.param)


def until_whole(world: World, seconds: float, runs: int = 60) -> Iterator[SyncReport]:
    """Runs of so many seconds each, until everything was read; what each came to before that."""
    for _ in range(runs):
        report = world.run(budget=world.broker.budget(seconds))
        if report.outcome is SyncOutcome.COMPLETED:
            return
        assert report.outcome is SyncOutcome.IN_PROGRESS
        yield report
    raise AssertionError("it does not come to an end")


def test_the_watermark_moves_only_when_the_window_is_whole(world: World) -> None:
    world.run()
    watermark = world.book.state.watermark
    for number in range(9):
        world.broker.add(f"new-{number}")
    slow(world)
    for _ in range(3):
        world.time.now += TICK
        report = world.run(budget=world.broker.budget(80))
        assert report.outcome is SyncOutcome.IN_PROGRESS
        assert world.book.state.watermark == watermark
    began = world.book.state.active_scans[ScanKind.INCREMENTAL].started_at
    slow(world, 0)
    assert world.run().outcome is SyncOutcome.COMPLETED
    assert began == watermark + TICK
    assert world.book.state.watermark == world.time.now
    assert len(world.book.all) == 9


def test_a_run_goes_on_where_the_last_one_stopped_but_for_a_page(world: World) -> None:
    world.planned(window=timedelta(days=9999), filters_on="changed")
    fill(world, 19)
    slow(world)
    read: list[list[int]] = []
    for _ in until_whole(world, 140):
        read.append([note.number for note in world.notes if note.kind is ScanKind.FULL])
        world.notes.clear()
    assert len(read) >= 2
    assert [pages[0] for pages in read[1:]] == [pages[-1] for pages in read[:-1]]
    assert len(world.book.all) == 19


def test_the_history_goes_on_however_much_is_read_again(world: World) -> None:
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
        assert world.book.state.full_scan_finished_at is None
    assert shown == sorted(shown)
    assert 0 < shown[0] < shown[-1] < 1
    assert world.book.state.history == 1.0
    assert world.book.state.full_scan_finished_at is not None


@pytest.mark.parametrize("with_totals", [True, False])
@pytest.mark.parametrize("gone", [1, 3, 5])
def test_rows_that_go_while_no_run_looks_hide_no_others(world: World, gone: int, with_totals: bool) -> None:
    world.planned(window=timedelta(days=9999), filters_on="changed")
    world.broker.with_totals = with_totals
    fill(world, 12)
    order = sorted(world.broker.rows, key=lambda uuid: str(world.broker.rows[uuid]["created"]))
    slow(world)
    for _ in range(4):
        assert world.run(budget=world.broker.budget(80)).outcome is SyncOutcome.IN_PROGRESS
    for uuid in order[:gone]:
        del world.broker.rows[uuid]
    slow(world, 0)
    assert world.run().outcome is SyncOutcome.COMPLETED
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
        if world.run(budget=world.broker.budget(260)).outcome is SyncOutcome.COMPLETED:
            break
    assert world.book.state.full_scan_finished_at is not None
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
    assert either.notified == [(ours.lead_id, "ACTIVE_CLIENT")]


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


def test_the_rolling_period_is_not_read_again_where_the_list_filters_on_changes(either: World) -> None:
    fill(either)
    either.tick(3)
    kinds = {note.kind for note in either.notes}
    assert (ScanKind.ROLLING in kinds) == (either.plan.filters_on == "created")
    assert {ScanKind.INCREMENTAL, ScanKind.FULL} <= kinds


def test_changes_of_a_partner_with_a_fast_clock_are_processed_at_once(either: World) -> None:
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

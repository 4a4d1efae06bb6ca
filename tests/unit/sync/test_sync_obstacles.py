"""Passes that something stands in the way of: windows that cannot be listed, plans that change, wrong clocks."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from leadbridge.domain.accounts.scan import MAX_PAGE_FAILURES, ScanKind
from leadbridge.domain.errors import partner_errors
from leadbridge.services.sync_accounts import SyncOutcome
from leadbridge.settings import Settings
from quality.testkit.fixtures import Time
from quality.testkit.services import syncs
from quality.testkit.services.syncs import READINGS, TICK, World, fill, slow

DAY = timedelta(days=1)


@pytest.fixture
def world(shipped_settings: Settings, time: Time) -> World:
    return syncs.world(shipped_settings, time)


def spoil(world: World, days_ago: float, *, page: int = 0) -> None:
    """The window that lies so many days ago can no more be listed from this page on."""
    at = world.time.now - timedelta(days=days_ago)

    def refuse(_: int) -> None:
        since, until, number = world.broker.asked[-1]
        if since <= at < until and number >= page:
            raise partner_errors.Unavailable("matchtrade", "list", "the answer holds no accounts (HTTP 500)")

    world.broker.before_page = refuse


def repair(world: World) -> None:
    world.broker.before_page = lambda _: None


def test_a_window_that_cannot_be_listed_holds_up_none_behind_it(world: World) -> None:
    fill(world)
    spoil(world, 170)
    reports = [world.tick() for _ in range(MAX_PAGE_FAILURES)]
    assert {report.outcome for report in reports} == {SyncOutcome.FAILED}
    (skipped_windows,) = reports[-1].skipped_windows
    assert (skipped_windows.kind, skipped_windows.window.date()) == (ScanKind.FULL, world.plan.since)
    assert world.tick().outcome is SyncOutcome.COMPLETED
    recent = {uuid for uuid, row in world.broker.rows.items() if row["created"] > "2025-11"}
    assert 0 < len(recent) < 7
    assert set(world.book.all) == recent


def test_a_skipped_window_is_read_by_the_next_full_scan(world: World) -> None:
    fill(world)
    spoil(world, 170)
    world.tick(MAX_PAGE_FAILURES + 1)
    repair(world)
    assert len(world.book.all) < 7
    world.time.now += world.plan.full_scan_every
    world.tick()
    assert len(world.book.all) == 7
    assert world.book.state.full_scan_finished_at == world.time.now


def test_a_history_with_a_window_left_out_grows_old_until_it_is_whole(world: World) -> None:
    fill(world)
    began = world.time.now
    spoil(world, 170)
    world.run()
    world.tick(600)
    state = world.book.state
    assert (state.full_scan_finished_at, state.history_age(world.time.now)) == (None, world.time.now - began)
    assert world.time.now - state.watermark < TICK
    repair(world)
    world.time.now += world.plan.full_scan_every
    world.tick()
    assert world.book.state.history_age(world.time.now) == timedelta()
    world.time.now += DAY
    assert world.book.state.history_age(world.time.now) == DAY


def test_a_page_that_cannot_be_listed_gives_its_window_up_though_those_before_it_can(world: World) -> None:
    world.planned(window=9999 * DAY, filters_on="changed")
    fill(world)
    world.run()
    world.time.now += world.plan.full_scan_every
    spoil(world, 100, page=2)
    reports = [world.tick() for _ in range(MAX_PAGE_FAILURES)]
    assert [len(report.skipped_windows) for report in reports] == [0, 0, 1]
    assert ScanKind.FULL not in world.book.state.active_scans


def test_runs_that_fail_and_still_get_further_leave_nothing_out(world: World) -> None:
    world.planned(window=9999 * DAY, filters_on="changed")
    fill(world, 20)
    fails_at = iter(range(1, 9))
    at = next(fails_at)

    def refuse(_: int) -> None:
        nonlocal at
        if world.broker.asked[-1][2] == at:
            at = next(fails_at, 99)
            raise partner_errors.Unavailable("matchtrade", "list", "now and then")

    world.broker.before_page = refuse
    reports = [world.tick() for _ in range(8)]
    assert {(report.outcome, report.skipped_windows) for report in reports} == {(SyncOutcome.FAILED, ())}
    assert world.tick().outcome is SyncOutcome.COMPLETED
    assert len(world.book.all) == 20


def test_last_days_that_cannot_be_listed_do_not_hold_the_history_up(world: World) -> None:
    world.planned(rolling=20 * DAY)
    fill(world)
    spoil(world, 15)
    world.broker.add("old", world.time.now - 150 * DAY)
    report = world.tick()
    assert (report.outcome, type(report.error)) == (SyncOutcome.FAILED, partner_errors.Unavailable)
    assert "old" in world.book.all


@pytest.mark.parametrize(
    "error",
    [
        partner_errors.Misconfigured("matchtrade", "list", "wrong password"),
        partner_errors.Unauthorized("matchtrade", "list", "refused"),
        partner_errors.RateLimited("matchtrade", "list", "slow down"),
        partner_errors.Unavailable("matchtrade", "list", "busy", retry_after=60.0),
    ],
)
def test_a_partner_with_an_empty_list_skips_no_window(world: World, error: partner_errors.PartnerError) -> None:
    fill(world)

    def refuse(_: int) -> None:
        if world.broker.asked[-1][1] <= world.time.now:  # the whole pass
            raise error

    world.broker.before_page = refuse
    for _ in range(MAX_PAGE_FAILURES + 1):
        assert world.tick().skipped_windows == ()
    repair(world)
    world.tick(2)
    assert len(world.book.all) == 7


def test_news_that_cannot_be_listed_are_never_left_out(world: World) -> None:
    world.run()
    watermark = world.book.state.watermark
    world.broker.add("new")
    spoil(world, 0)
    for _ in range(MAX_PAGE_FAILURES + 1):
        assert world.tick().skipped_windows == ()
    assert world.book.state.watermark == watermark
    repair(world)
    world.tick()
    assert "new" in world.book.all


@pytest.mark.parametrize("change", [{"page_size": 8}, {"page_size": 1}, {"window": 61 * DAY}])
def test_a_plan_that_changes_in_the_middle_of_a_pass_loses_no_rows(world: World, change: dict[str, Any]) -> None:
    world.planned(window=9999 * DAY, filters_on="changed", page_size=2)
    fill(world, 40)
    slow(world)
    for _ in range(4):
        world.time.now += TICK
        world.run(budget=world.broker.budget(140))
    assert world.book.state.active_scans[ScanKind.FULL].page > 2
    world.planned(**change)
    slow(world, 0)
    assert world.tick().outcome is SyncOutcome.COMPLETED
    assert set(world.book.all) == set(world.broker.rows)


@pytest.mark.parametrize(("plan", "broker"), [READINGS, READINGS[::-1]])
def test_the_plan_holds_if_the_list_filters_otherwise_than_it_says(world: World, plan: Any, broker: Any) -> None:
    """A lead of three years ago, and a change of its account today."""
    world.planned(since=date(2019, 1, 1), window=365 * DAY, filters_on=plan)
    world.broker.filters_on = broker
    now, world.time.now = world.time.now, world.time.now - 1100 * DAY
    ours = world.lead()
    world.submitted(ours, "old")
    world.broker.add("old", email="ours-1@example.com")
    world.time.now = now
    fill(world)
    world.tick(150)
    world.broker.put("old", "ACTIVE_CLIENT")
    changed_at = world.time.now
    while world.delivery(ours).partner_status != "ACTIVE_CLIENT":
        world.tick()
        assert world.time.now - changed_at < DAY


@pytest.mark.parametrize("filters_on", READINGS)
def test_a_clock_that_was_ahead_silences_nothing(world: World, filters_on: str) -> None:
    """A worker has written times of two days from now; the next one's clock is right."""
    world.planned(filters_on=filters_on)
    world.run()
    ahead = world.time.now + 2 * DAY
    spoilt = replace(world.book.state, watermark=ahead, full_scan_started_at=ahead)
    assert world.book.take_lease("a worker", world.time.now, world.time.now) is not None
    world.book.release("a worker", spoilt)
    world.time.pass_(hours=1)
    world.broker.add("new")
    world.time.pass_(hours=1)
    world.broker.add("old", world.time.now - 150 * DAY, updated="2025-10-01T12:00:00Z")
    assert world.tick().outcome is SyncOutcome.COMPLETED
    assert world.book.all.keys() == {"new", "old"}
    assert world.book.state.watermark == world.book.state.full_scan_started_at == world.time.now

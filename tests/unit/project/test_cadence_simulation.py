"""The simulation of cadences: its working hours, and that it counts what the schedule does."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from leadbridge.settings.check_schedule import CheckSchedule
from leadbridge.settings.opening_hours import OpeningHours
from quality.benchmarks.cadence import (
    MONDAY,
    ZONE,
    Deal,
    after_working,
    deals,
    follow,
    most_checks,
    working_between,
)
from quality.benchmarks.report import limits
from quality.benchmarks.shipped import data, schedule

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
HOURS = OpeningHours.parse(data("cadence.toml")["working"], ZONE)


@given(st.timedeltas(timedelta(), 30 * DAY), st.timedeltas(timedelta(), 100 * HOUR))
def test_working_time_is_counted_as_it_was_added(offset: timedelta, time: timedelta) -> None:
    start = MONDAY + offset
    end = after_working(HOURS, start, time)
    assert working_between(HOURS, start, end) == time
    assert HOURS.last_open(end) == end


def test_the_weekend_counts_for_nothing() -> None:
    saturday = datetime(2026, 6, 6, 12, tzinfo=UTC)  # after closing
    assert working_between(HOURS, saturday, saturday + DAY) == timedelta()
    assert after_working(HOURS, saturday, HOUR) == datetime(2026, 6, 8, 7, tzinfo=UTC)


def test_a_delay_is_from_the_status_to_the_first_check_after_it() -> None:
    opened = MONDAY + 10 * HOUR
    deal = Deal(opened, (opened + 30 * MINUTE, opened + 3 * HOUR))
    schedule = CheckSchedule((HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR))
    checks, (first, final) = follow(deal, schedule, HOURS, random.Random(1))
    assert checks == 3
    assert 30 * 60 <= first.wall == first.working < 33 * 60
    assert 60 * 60 <= final.wall == final.working < 66 * 60
    assert (first.age, final.age) == (30 * 60, 3 * 3600)


def test_the_same_deals_are_invented_each_time() -> None:
    assert deals(20, HOURS) == deals(20, HOURS)
    assert all(deal.opened < deal.changes[0] <= deal.changes[1] for deal in deals(200, HOURS))


def test_the_shipped_cadence_keeps_its_budget() -> None:
    assert most_checks(schedule()) <= limits()["cadence"]["checks_in_14_days"].most

"""The schedule of status checks: what a partner's cadence and hours mean for each deal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadbridge.settings import Settings
from leadbridge.settings.check_schedule import HORIZON, CheckSchedule
from leadbridge.settings.opening_hours import Opening, OpeningHours, parse_hours
from quality.testkit.configuration import CONFIG
from tools.config import read_toml

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
KYIV = ZoneInfo("Europe/Kyiv")
START = datetime(2026, 1, 1, tzinfo=UTC)


def schedule(cadence: list[dict[str, str]], hours: list[str] | None = None, zone: str = "Europe/Kyiv") -> CheckSchedule:
    shipped: Any = read_toml(CONFIG, "prod")
    lender = shipped["partners"]["leadleader"]
    lender.update(cadence=cadence, time_zone=zone)
    lender.pop("hours", None)
    if hours is not None:
        lender["hours"] = hours
    found = Settings.model_validate(shipped).partners["leadleader"].check_schedule
    assert found is not None
    return found


SHARE = [{"every": "50%", "at_least": "10m", "at_most": "30d"}]
OFFICE = ["mon-fri 09:00-18:00", "sat 10:00-14:00"]

moments = st.datetimes(START.replace(tzinfo=None), datetime(2027, 12, 31)).map(lambda one: one.replace(tzinfo=UTC))  # noqa: DTZ001
zones = st.sampled_from(["UTC", "Europe/Kyiv", "America/Havana", "Australia/Lord_Howe", "Pacific/Apia"])
days = st.sampled_from(["mon-sun", "mon-fri", "sat", "sun", "sun,wed", "fri-mon"])


@st.composite
def opening_hours(draw: st.DrawFn) -> OpeningHours:
    if draw(st.booleans()):
        return OpeningHours()
    ends = sorted(draw(st.sets(st.integers(0, 24 * 60), min_size=2, max_size=4)))
    if len(ends) == 3:
        ends.pop()
    written = [f"{one // 60}:{one % 60:02}" for one in ends]
    lines = [f"{draw(days)} {start}-{end}" for start, end in zip(written[::2], written[1::2], strict=True)]
    return OpeningHours.parse(lines, draw(zones))


def test_a_share_of_the_age_is_kept_between_its_limits() -> None:
    ages = schedule(SHARE).ages
    assert [age / MINUTE for age in ages[:5]] == [10, 20, 30, 45, 67.5]
    assert ages[-1] <= HORIZON < ages[-1] + 30 * DAY
    assert ages[-1] - ages[-2] == 30 * DAY


def test_durations_alone_are_a_cadence_too() -> None:
    ages = schedule([{"until": "1h", "every": "2m"}, {"until": "1d", "every": "3h"}, {"every": "7d"}]).ages
    assert [age / MINUTE for age in ages[:31]] == [*range(2, 61, 2), 240]
    assert ages[-1] - ages[-2] == 7 * DAY


@pytest.mark.parametrize("every", ["1d", "5m"])
def test_a_cadence_with_too_many_checks_is_rejected(every: str) -> None:
    with pytest.raises(ValueError, match=r"more than 1000 times in 10 years; use a share"):
        schedule([{"every": every}])


def test_a_synced_partner_has_no_schedule() -> None:
    assert Settings.model_validate(read_toml(CONFIG, "prod")).partners["matchtrade"].check_schedule is None


@pytest.mark.parametrize(
    "line",
    ["mon-fri 9:00-18:00", "Mon - Fri  09:00 - 18:00", "Monday-Friday 9-18", "mon,tue, wed,thu-fri 9:00–18:00"],
)
def test_hours_are_read_as_people_type_them(line: str) -> None:
    assert parse_hours(line) == [Opening(day, 9 * 60, 18 * 60) for day in range(5)]


@pytest.mark.parametrize(
    ("followed_since", "due_at"),
    [
        ("2026-06-01 10:00", "2026-06-01 11:00"),  # a Monday
        ("2026-06-01 17:00", "2026-06-01 18:00"),  # the closing time still counts
        ("2026-06-01 17:01", "2026-06-02 09:00"),
        ("2026-06-05 17:01", "2026-06-06 10:00"),  # Saturday
        ("2026-06-06 13:01", "2026-06-08 09:00"),  # to Monday
        ("2026-03-28 12:59", "2026-03-28 13:59"),  # the night in which the clocks go forward follows
        ("2026-03-28 13:01", "2026-03-30 09:00"),
        ("2026-10-24 13:01", "2026-10-26 09:00"),  # and back
    ],
)
def test_a_check_waits_for_the_partner_to_open(followed_since: str, due_at: str) -> None:
    since, due = (datetime.fromisoformat(text).replace(tzinfo=KYIV) for text in (followed_since, due_at))
    assert schedule(SHARE, OFFICE).due_at(since, HOUR) == due


@given(opening_hours(), moments, moments, st.timedeltas(MINUTE, 40 * DAY))
def test_a_check_is_due_exactly_when_the_deal_is_in_the_opened_range(
    hours: OpeningHours, since: datetime, now: datetime, age: timedelta
) -> None:
    one = CheckSchedule((age,), hours)
    for moment in (now, one.due_at(since, age), one.due_at(since, age) - timedelta(microseconds=1)):
        assert (since <= one.opened_until(age, moment)) == (one.due_at(since, age) <= moment)


@given(opening_hours(), moments, st.timedeltas(timedelta(), 10 * DAY))
def test_the_opened_range_only_grows(hours: OpeningHours, now: datetime, later: timedelta) -> None:
    one = CheckSchedule((HOUR,), hours)
    assert one.opened_until(HOUR, now) <= one.opened_until(HOUR, now + later)
    assert one.opened_until(HOUR, now) <= now - HOUR


@given(opening_hours(), moments, st.timedeltas(timedelta(), 10 * DAY))
def test_the_next_check_is_the_first_that_is_not_due_yet(
    hours: OpeningHours, since: datetime, later: timedelta
) -> None:
    one = CheckSchedule((10 * MINUTE, HOUR, DAY, 3 * DAY), hours)
    now = since + later
    expected = min((due for age in one.ages if (due := one.due_at(since, age)) > now), default=None)
    assert one.next_check(since, now) == expected


@given(opening_hours(), moments, st.lists(st.timedeltas(timedelta(seconds=30), DAY), min_size=1, max_size=30))
def test_sweeps_leave_no_check_longer_than_the_precision_undone(
    hours: OpeningHours, start: datetime, pauses: list[timedelta]
) -> None:
    one = CheckSchedule((HOUR, 3 * HOUR), hours)
    age, now = one.ages[1], start
    assert one.precision(age) == 6 * MINUTE
    swept = one.opened_until(age, start)
    for pause in pauses:
        now += pause
        until = one.sweep_until(age, swept, now)
        assert swept <= until <= one.opened_until(age, now)
        swept = until
        assert one.opened_until(age, now) - swept < one.precision(age)
        if one.opened_until(age, now) < now - age:  # the partner is closed
            assert swept == one.opened_until(age, now)


SHIPPED = Settings.model_validate(read_toml(CONFIG, "prod")).partners["leadleader"]
FORTNIGHT = 14 * DAY
AT_LEAST = 30 * MINUTE  # as shipped


def checks_of(since: datetime) -> int:
    """The number of checks, as shipped, of a deal that stays open for 14 days."""
    assert SHIPPED.check_schedule is not None
    return SHIPPED.check_schedule.checks_until(since, FORTNIGHT)


@given(moments)
def test_a_deal_that_stays_open_for_14_days_is_checked_at_most_30_times(since: datetime) -> None:
    assert checks_of(since) <= 30


def test_no_opening_moment_of_a_week_leads_to_more_than_30_checks() -> None:
    monday = datetime(2026, 6, 1, tzinfo=KYIV)
    counts = [checks_of(monday + number * 20 * MINUTE) for number in range(7 * 72)]
    assert max(counts) <= 30
    assert max(counts) == 29  # what config/partners.toml says


@given(moments, st.timedeltas(timedelta(), FORTNIGHT))
def test_a_status_is_noticed_within_a_fifth_of_the_deals_age_or_after_the_next_opening(
    since: datetime, age: timedelta
) -> None:
    one = SHIPPED.check_schedule
    assert one is not None
    changed = since + age
    check = next(known for known in one.ages if one.due_at(since, known) >= changed)
    due = one.due_at(since, check)
    latest = changed + max(AT_LEAST + one.precision(AT_LEAST), age * 0.2)
    if due == since + check:
        assert due + one.precision(check) <= latest
    else:  # the partner is closed then, and the check follows when it opens
        assert due == one.hours.next_open(max(changed, since + check))
        assert since + check <= latest


@given(moments)
def test_hours_of_the_whole_week_are_always_open(now: datetime) -> None:
    hours = OpeningHours.parse(["mon-sun 00:00-24:00"], "Europe/Kyiv")
    assert hours.last_open(now) == now == hours.next_open(now)
    assert OpeningHours().last_open(now) == now == OpeningHours().next_open(now)
    assert len(hours.openings) == 7

"""The windows of caps, and when a partner takes leads: clock changes, hours, holidays."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from leadbridge.domain.admission import Wait, WaitReason, wait_for_partner
from leadbridge.domain.delivery import new_delivery
from leadbridge.domain.routing.intake import expected_end, find_refusal, intake_status, windows_at
from leadbridge.settings.intake import Intake
from quality.testkit.intake import partner_with_intake

KYIV = ZoneInfo("Europe/Kyiv")
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
ALL = {"per_hour": 2, "per_day": 5, "total": 100}
OFFICE: dict[str, Any] = {"hours": ["mon-fri 09:00-18:00"], "holidays": ["2026-12-25", "2026-12-28"]}

# The clocks of Beirut and Havana change at midnight; Apia has no 2011-12-30; Lord Howe's change by half an hour.
ZONES = ("UTC", "Europe/Kyiv", "Asia/Beirut", "America/Havana", "Pacific/Apia", "Australia/Lord_Howe", "Asia/Kolkata")
BY_ZONE = {zone: partner_with_intake(ALL, time_zone=zone) for zone in ZONES}
moments = st.datetimes(datetime(2011, 1, 1), datetime(2027, 12, 31)).map(lambda one: one.replace(tzinfo=UTC))  # noqa: DTZ001


def utc(text: str, zone: str = "Europe/Kyiv") -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def test_the_windows_of_a_moment() -> None:
    hour, day, total = windows_at(BY_ZONE["Europe/Kyiv"], utc("2026-11-28 00:30"))
    assert (hour.key, hour.limit, hour.ends_at) == ("2026-11-27T22", 2, utc("2026-11-28 01:00"))
    assert (day.key, day.limit, day.ends_at) == ("2026-11-28", 5, utc("2026-11-29 00:00"))
    assert (total.key, total.limit, total.ends_at) == ("total", 100, None)
    assert windows_at(partner_with_intake(None), utc("2026-11-28 00:30")) == ()


@given(st.sampled_from(ZONES), moments)
@example("Pacific/Apia", utc("2011-12-29 23:00", "Pacific/Apia"))
@example("Asia/Beirut", utc("2026-03-28 02:00", "Asia/Beirut"))
@example("Asia/Beirut", utc("2026-03-28 23:59", "Asia/Beirut"))
@example("Asia/Beirut", utc("2026-10-24 23:30", "Asia/Beirut").replace(tzinfo=UTC) + HOUR)
@example("America/Havana", utc("2026-11-01 00:30", "America/Havana") + HOUR)
def test_a_day_is_the_local_date_and_ends_when_the_next_one_begins(zone: str, now: datetime) -> None:
    day = windows_at(BY_ZONE[zone], now)[1]
    local = ZoneInfo(zone)
    assert day.key == now.astimezone(local).date().isoformat()
    assert day.starts_at is not None
    assert day.ends_at is not None
    assert day.starts_at <= now < day.ends_at <= now + 25 * HOUR
    assert day.starts_at.astimezone(local).date() == now.astimezone(local).date()
    assert day.ends_at.astimezone(local).date() > now.astimezone(local).date()
    assert (day.ends_at - MINUTE).astimezone(local).date() == now.astimezone(local).date()


@given(st.sampled_from(ZONES), moments)
def test_an_hour_of_utc_ends_within_an_hour_and_has_its_own_count(zone: str, now: datetime) -> None:
    hour = windows_at(BY_ZONE[zone], now)[0]
    assert hour.starts_at is not None
    assert hour.ends_at is not None
    assert hour.starts_at <= now < hour.ends_at == hour.starts_at + HOUR
    assert windows_at(BY_ZONE[zone], hour.ends_at)[0].key != hour.key


@pytest.mark.parametrize(
    ("counts", "until", "cap"),
    [
        ({"2026-11-27T10": 2}, "2026-11-27 13:00", "per_hour"),
        ({"2026-11-27": 5}, "2026-11-28 00:00", "per_day"),
        ({"2026-11-27T10": 2, "2026-11-27": 5}, "2026-11-28 00:00", "per_day"),
        ({"2026-11-27T10": 2, "total": 100}, None, "total"),
    ],
)
def test_a_full_window_refuses_leads_until_it_ends(counts: dict[str, int], until: str | None, cap: str) -> None:
    refusal = find_refusal(partner_with_intake(ALL), counts, utc("2026-11-27 12:10"))
    assert refusal is not None
    assert (refusal.reason, refusal.until, refusal.then) == ("capped", until and utc(until), "wait")
    assert refusal.data == {"cap": cap, "limit": ALL[cap]}
    assert find_refusal(partner_with_intake(ALL), counts, utc("2026-11-27 12:10"), tuple(counts)) is None


def test_a_window_that_ends_after_closing_time_refuses_until_the_next_opening() -> None:
    partner = partner_with_intake({"per_hour": 1, **OFFICE})
    refusal = find_refusal(partner, {"2026-11-27T15": 1}, utc("2026-11-27 17:30"))
    assert refusal is not None
    assert refusal.until == utc("2026-11-30 09:00")


@pytest.mark.parametrize(
    ("moment", "opening"),
    [
        ("2026-11-27 08:59", "2026-11-27 09:00"),
        ("2026-11-27 09:00", None),
        ("2026-11-27 17:59", None),
        ("2026-11-27 18:00", "2026-11-30 09:00"),
        ("2026-12-24 18:00", "2026-12-29 09:00"),  # a holiday, the weekend, and another holiday
        ("2026-12-25 12:00", "2026-12-29 09:00"),
        ("2026-03-27 18:00", "2026-03-30 09:00"),  # the clocks go forward
        ("2026-10-23 18:00", "2026-10-26 09:00"),  # and back
    ],
)
def test_a_partner_is_closed_outside_of_its_hours_and_on_holidays(moment: str, opening: str | None) -> None:
    refusal = find_refusal(partner_with_intake({**OFFICE, "when_closed": "hold"}), {}, utc(moment))
    assert (refusal and refusal.until) == (opening and utc(opening))
    assert refusal is None or (refusal.reason, refusal.then) == ("closed", "hold")


def test_holidays_alone_are_whole_days_of_the_partner() -> None:
    partner = partner_with_intake({"holidays": ["2026-10-25"]})  # of 25 hours
    assert find_refusal(partner, {}, utc("2026-10-24 23:59")) is None
    refusal = find_refusal(partner, {}, utc("2026-10-25 00:00"))
    assert refusal is not None
    assert refusal.until == utc("2026-10-26 00:00") == utc("2026-10-25 00:00") + 25 * HOUR


def test_many_holidays_delay_the_next_opening() -> None:
    days = [f"2026-{month:02}-{day:02}" for month in (3, 4, 5) for day in range(1, 29)]
    hours = Intake.model_validate({"hours": ["mon 10:00-11:00"], "holidays": days}).hours_in("UTC")
    assert hours.next_open(utc("2026-03-01 12:00")) == utc("2026-03-30 10:00", "UTC")


@given(st.sampled_from(ZONES), moments, st.sets(st.integers(0, 20), max_size=15))
def test_the_next_opening_is_open_and_nothing_before_it_is(zone: str, now: datetime, days: set[int]) -> None:
    first = now.astimezone(ZoneInfo(zone)).date()
    holidays = [(first + number * DAY).isoformat() for number in days]
    hours = Intake.model_validate({"hours": ["mon-sat 00:30-23:30"], "holidays": holidays}).hours_in(zone)
    opening = hours.next_open(now)
    assert opening is not None
    assert opening >= now
    assert hours.next_open(opening) == opening
    assert opening.astimezone(ZoneInfo(zone)).date().isoformat() not in holidays
    if opening > now:
        halfway = now + (opening - now) / 2
        assert hours.opened_at(halfway) is None
        assert hours.next_open(halfway) == opening


def test_the_room_is_that_of_the_fullest_window() -> None:
    now = utc("2026-11-27 12:10")
    partner = partner_with_intake({**ALL, **OFFICE})
    status = intake_status(partner, {"2026-11-27": 4, "2026-11-27T10": 1}, now)
    assert (status.refusal, status.room, status.since) == (None, 1, utc("2026-11-27 12:00"))
    status = intake_status(partner, {"2026-11-27": 5}, now)
    assert (status.room, status.refusal and status.refusal.reason) == (0, "capped")
    status = intake_status(partner_with_intake(OFFICE), {}, now)
    assert (status.room, status.since) == (None, utc("2026-11-27 09:00"))
    assert intake_status(partner_with_intake(None), {}, now).since is None


NOON = utc("2026-03-02 12:10")  # a Monday


@pytest.mark.parametrize(
    ("intake", "reason", "until", "expected"),
    [
        ({"per_hour": 1}, WaitReason.CAPPED, utc("2026-03-02 13:00"), utc("2026-03-02 13:00")),
        ({"per_hour": 1}, WaitReason.CAPPED, utc("2026-03-02 12:00"), utc("2026-03-02 13:00")),
        ({"per_day": 1}, WaitReason.CAPPED, utc("2026-03-02 00:00"), utc("2026-03-03 00:00")),
        ({"per_day": 1, **OFFICE}, WaitReason.CAPPED, utc("2026-03-02 00:00"), utc("2026-03-03 09:00")),
        ({"per_hour": 1, "per_day": 5}, WaitReason.CAPPED, utc("2026-03-02 12:00"), None),
        ({"hours": ["mon-sun 14:00-18:00"]}, WaitReason.CLOSED, utc("2026-03-02 09:00"), utc("2026-03-02 14:00")),
        (OFFICE, WaitReason.CLOSED, utc("2026-03-02 09:00"), None),
        (None, WaitReason.CAPPED, utc("2026-03-02 12:00"), None),
        ({"per_hour": 1}, WaitReason.CIRCUIT_OPEN, utc("2026-03-02 12:00"), None),
        ({"per_hour": 1}, WaitReason.PAUSED, None, None),
    ],
    ids=[
        *("it is not over", "the next hour is full", "the next day is full", "the office opens later", "either cap"),
        *("it is still closed", "it has opened", "the caps were removed", "the circuit", "a pause"),
    ],
)
def test_a_wait_is_never_shown_with_an_end_in_the_past(
    intake: dict[str, Any] | None, reason: WaitReason, until: datetime | None, expected: datetime | None
) -> None:
    wait = wait_for_partner(new_delivery("ld_1", "leadleader", "web", NOON - DAY), NOON - DAY, Wait(reason, until))
    assert expected_end(wait.after, partner_with_intake(intake), NOON) == expected
    assert expected_end(wait.after, None, NOON) in {None, until}

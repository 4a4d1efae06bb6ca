"""The delay and the number of status checks of several cadences, simulated over invented deals.

A round is a deal with two statuses. The same deals are simulated for each cadence with the product's own schedule. A
delay is the time from a status to the check that finds it. The result is the same on each machine.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import fmean, quantiles
from typing import Any
from zoneinfo import ZoneInfo

from leadbridge.settings import Partner
from leadbridge.settings.check_schedule import CheckSchedule
from leadbridge.settings.opening_hours import OpeningHours
from quality.benchmarks.measurement import Measurement
from quality.benchmarks.shipped import LENDER
from quality.testkit.template import ROOT
from tools.config import read_toml

SEED = 16
ZONE = "Europe/Kyiv"
MONDAY = datetime(2026, 6, 1, tzinfo=ZoneInfo(ZONE))
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
SWEEP = MINUTE  # find_due runs each minute
FORTNIGHT = 14 * DAY
PARTNER_CALLS = 2  # of a status check, and of a submission: a one-time token, and the request itself

# The partner's working hours in the simulation, which an operator knows only roughly.
WORKING = ("mon-fri 09:00-18:00", "sat 10:00-14:00")
LONG_DAYS = ("mon-sun 08:00-22:00",)
# Working hours until a status: median, and sigma of the logarithm.
FIRST, FINAL, SLOW = (1.0, 1.3), (20.0, 1.0), (110.0, 0.4)
SLOW_SHARE = 0.1  # of the deals that stay open for 14 days and more
NIGHT_WEIGHT = 0.15  # of an hour from 23:00 to 08:00, compared with one by day

# Shares of the deal's age to compare, with `at_least` and `at_most`.
SHARES = (
    *(("10%", "30m", "1d"), ("19%", "5m", "1d"), ("19%", "10m", "1d"), ("19%", "20m", "1d"), ("19%", "20m", "2d")),
    *(("19%", "20m", "14d"), ("30%", "30m", "1d")),
)

COLUMNS = (
    *("cadence", "checks per deal", "most in 14 days", "first status: mean, min"),
    *("mean, min", "95%, min", "mean of the age", "95% of the age"),
    *("clock: mean, min", "clock: 95%, min", "clock: 95% of the age"),
)

type Steps = list[dict[str, str]]


@dataclass(frozen=True)
class Candidate:
    """A cadence to compare. `working` are the partner's real working hours, `hours` those of the configuration."""

    title: str
    cadence: Steps
    hours: tuple[str, ...] = ()
    working: tuple[str, ...] = WORKING


@dataclass(frozen=True)
class Deal:
    """When a deal is opened and when its statuses are set."""

    opened: datetime
    changes: tuple[datetime, ...]


@dataclass(frozen=True)
class Delay:
    """The delay of one status in seconds: on the clock, and in the partner's working hours. `age` is the deal's."""

    wall: float
    working: float
    age: float


def share(every: str, at_least: str, at_most: str) -> Steps:
    """A share of the age. After five weeks, where `at_most` would mean too many checks, it is two weeks."""
    young = {"until": "35d", "every": every, "at_least": at_least, "at_most": at_most}
    return [young, {"every": every, "at_most": "14d"}]


def fixed(*steps: tuple[str, str]) -> Steps:
    """Durations by age: ("1h", "2m") is every two minutes for an hour. After the last step: each month."""
    return [*({"until": until, "every": every} for until, every in steps), {"every": "30d"}]


def shipped() -> dict[str, Any]:
    found: dict[str, Any] = read_toml(ROOT / "config", "prod")["partners"][LENDER]
    return found


def schedule(change: dict[str, Any]) -> CheckSchedule:
    """Return the schedule of the shipped partner after a change of its settings."""
    settings = {name: value for name, value in {**shipped(), **change}.items() if name != "hours" or value}
    found = Partner.model_validate(settings).check_schedule
    if found is None:
        raise ValueError("the shipped partner has no cadence")
    return found


def candidates() -> list[Candidate]:
    cadence, hours = shipped()["cadence"], tuple(shipped()["hours"])
    return [
        Candidate("until 0.2.0: 2m, 15m, 2h, 1d", fixed(("1h", "2m"), ("1d", "15m"), ("14d", "2h"), ("60d", "1d"))),
        Candidate("every hour", fixed(("35d", "1h")), hours),
        Candidate("as shipped, without hours", cadence),
        *(Candidate("{}, {} to {}".format(*step), share(*step), hours) for step in SHARES),
        Candidate("**as shipped** (19%, 30m to 1d)", cadence, hours),
        Candidate("as shipped; the partner works 08:00-22:00 every day", cadence, hours, LONG_DAYS),
        Candidate("the same, without hours", cadence, (), LONG_DAYS),
    ]


def deals(number: int, hours: OpeningHours) -> list[Deal]:
    """Return invented deals, the same ones for the same number and hours."""
    chance = random.Random(SEED)
    weights = [NIGHT_WEIGHT if hour in {23, *range(8)} else 1.0 for hour in range(24)]
    found = []
    for _ in range(number):
        hour = chance.choices(range(24), weights)[0]
        opened = MONDAY + chance.randrange(7) * DAY + timedelta(hours=hour, seconds=chance.randrange(3600))
        times = (FIRST, SLOW if chance.random() < SLOW_SHARE else FINAL)
        waits = [timedelta(hours=median * chance.lognormvariate(0, sigma)) for median, sigma in times]
        found.append(Deal(opened, tuple(sorted(after_working(hours, opened, wait) for wait in waits))))
    return found


def after_working(hours: OpeningHours, start: datetime, time: timedelta) -> datetime:
    """Return the moment at which this much working time has passed since `start`."""
    for begin, end in periods_from(hours, start):
        if time <= end - begin:
            return begin + time
        time -= end - begin
    raise ValueError("the partner does not work long enough")


def working_between(hours: OpeningHours, start: datetime, until: datetime) -> timedelta:
    """Return the working time between two moments."""
    total = timedelta()
    for begin, end in periods_from(hours, start):
        if begin >= until:
            break
        total += min(end, until) - begin
    return total


def periods_from(hours: OpeningHours, start: datetime) -> Iterator[tuple[datetime, datetime]]:
    day = start.astimezone(ZoneInfo(ZONE)).date()
    for number in range(3650):
        for begin, end in hours.periods(day + timedelta(days=number)):
            if end > start:
                yield max(begin, start), end


def follow(deal: Deal, one: CheckSchedule, hours: OpeningHours, chance: random.Random) -> tuple[int, list[Delay]]:
    """Return the number of checks of a deal until its final status is found, and the delay of each status."""
    delays: list[Delay] = []
    checks, last = 0, None
    for age in one.ages:
        due = one.due_at(deal.opened, age)
        if due == last:
            continue
        checks, last = checks + 1, due
        checked = due + chance.random() * max(SWEEP, one.precision(age))
        for changed in deal.changes[len(delays) :]:
            if changed > checked:
                break
            times = (checked - changed, working_between(hours, changed, checked), changed - deal.opened)
            delays.append(Delay(*(time.total_seconds() for time in times)))
        if len(delays) == len(deal.changes):
            break
    return checks, delays


def most_checks(one: CheckSchedule) -> int:
    """Return the largest number of checks of a deal that stays open for 14 days, over all opening moments of a week."""
    return max(one.checks_until(MONDAY + number * 30 * MINUTE, FORTNIGHT) for number in range(7 * 48))


def open_share(one: CheckSchedule) -> float:
    """Return the share of the week in which the partner changes statuses."""
    minutes = [MONDAY + number * MINUTE for number in range(7 * 24 * 60)]
    return sum(one.hours.next_open(moment) == moment for moment in minutes) / len(minutes)


def simulate(candidate: Candidate, number: int) -> tuple[str, ...]:
    """Return a row of the table."""
    working = OpeningHours.parse(candidate.working, ZONE)
    chance = random.Random(SEED)
    checked = schedule({"cadence": candidate.cadence, "hours": candidate.hours})
    followed = [follow(deal, checked, working, chance) for deal in deals(number, working)]
    delays = [delay for _, of_deal in followed for delay in of_deal]
    wall, in_hours = [one.wall / 60 for one in delays], [one.working / 60 for one in delays]
    shares = [one.working / one.age for one in delays]
    return (
        candidate.title,
        f"{fmean(checks for checks, _ in followed):.1f}",
        str(most_checks(checked)),
        f"{fmean(of_deal[0].working for _, of_deal in followed) / 60:,.0f}",
        f"{fmean(in_hours):,.0f}",
        f"{percentile(in_hours):,.0f}",
        f"{fmean(shares):.0%}",
        f"{percentile(shares):.0%}",
        f"{fmean(wall):,.0f}",
        f"{percentile(wall):,.0f}",
        f"{percentile([one.wall / one.age for one in delays]):.0%}",
    )


def percentile(values: Sequence[float]) -> float:
    return quantiles(values, n=20)[-1]


def measure(rounds: int) -> Iterator[Measurement]:
    rows = tuple(simulate(candidate, rounds) for candidate in candidates())
    most = most_checks(schedule({}))
    ratios = {"checks_in_14_days": float(most), "partner_calls_in_14_days": float(PARTNER_CALLS * (most + 1))}
    yield Measurement("cadence", f"{rounds} simulated deals with two statuses each", COLUMNS, rows, ratios)

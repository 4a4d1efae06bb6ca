"""Status checks: the delay and the number of them, simulated over invented deals, and how many a worker makes.

docs/benchmarks.md explains both. The simulation has the same result on each machine.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from math import ceil
from statistics import fmean, median, quantiles
from typing import Any
from zoneinfo import ZoneInfo

from leadbridge.domain.delivery import confirm, new_delivery, start_attempt
from leadbridge.partners.leadleader.kind import client
from leadbridge.services.check_status import Checker, StatusByDeal
from leadbridge.services.checks.batch import BATCH, CheckBatch
from leadbridge.services.worker import Outcome
from leadbridge.settings.check_schedule import CheckSchedule
from leadbridge.settings.opening_hours import OpeningHours
from quality.benchmarks.report import Measurement
from quality.benchmarks.shipped import CONCURRENCY, LENDER, data, parameter, schedule, settings
from quality.benchmarks.stack import servers
from quality.testkit.clients.leadleader import Vault, budget, lead
from quality.testkit.fakes.ledgers import Ledger

SEED = 16
ZONE = "Europe/Kyiv"
MONDAY = datetime(2026, 6, 1, tzinfo=ZoneInfo(ZONE))
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
SWEEP = MINUTE  # find_due runs each minute
FORTNIGHT = 14 * DAY
PARTNER_CALLS = 2  # of a status check, and of a submission: a one-time token, and the request itself
# Working hours until a status: median, and sigma of the logarithm.
FIRST, FINAL, SLOW = (1.0, 1.3), (20.0, 1.0), (110.0, 0.4)
SLOW_SHARE = 0.1  # of the deals that stay open for 14 days and more
NIGHT_WEIGHT = 0.15  # of an hour from 23:00 to 08:00, compared with one by day
CALL = 0.4  # seconds that the partner takes for one call
STATUS = "В обробці"
LEADS_A_DAY = 50_000


@dataclass(frozen=True)
class Deal:
    opened: datetime
    changes: tuple[datetime, ...]


@dataclass(frozen=True)
class Delay:
    """The delay of one status in seconds: on the clock, and in the partner's working hours. `age` is the deal's."""

    wall: float
    working: float
    age: float


def deals(number: int, hours: OpeningHours) -> list[Deal]:
    """Return invented deals, the same ones for the same number and hours."""
    chance = random.Random(SEED)
    weights = [NIGHT_WEIGHT if hour in {23, *range(8)} else 1.0 for hour in range(24)]
    found = []
    for _ in range(number):
        hour = chance.choices(range(24), weights)[0]
        opened = MONDAY + chance.randrange(7) * DAY + timedelta(hours=hour, seconds=chance.randrange(3600))
        times = (FIRST, SLOW if chance.random() < SLOW_SHARE else FINAL)
        waits = [timedelta(hours=middle * chance.lognormvariate(0, sigma)) for middle, sigma in times]
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


def simulate(number: int, title: str, working: Sequence[str], **changes: Any) -> dict[str, str]:
    """Return a row of the table: the partner's real working hours, and changes of the shipped settings."""
    hours, checked, chance = OpeningHours.parse(working, ZONE), schedule(**changes), random.Random(SEED)
    followed = [follow(deal, checked, hours, chance) for deal in deals(number, hours)]
    delays = [delay for _, of_deal in followed for delay in of_deal]
    wall, in_hours = [one.wall / 60 for one in delays], [one.working / 60 for one in delays]
    shares = [one.working / one.age for one in delays]
    return {
        "cadence": title,
        "checks per deal": f"{fmean(checks for checks, _ in followed):.1f}",
        "most in 14 days": str(most_checks(checked)),
        "first status: mean, min": f"{fmean(of_deal[0].working for _, of_deal in followed) / 60:,.0f}",
        "mean, min": f"{fmean(in_hours):,.0f}",
        "95%, min": f"{percentile(in_hours):,.0f}",
        "mean of the age": f"{fmean(shares):.0%}",
        "95% of the age": f"{percentile(shares):.0%}",
        "clock: mean, min": f"{fmean(wall):,.0f}",
        "clock: 95%, min": f"{percentile(wall):,.0f}",
        "clock: 95% of the age": f"{percentile([one.wall / one.age for one in delays]):.0%}",
    }


def percentile(values: Sequence[float]) -> float:
    return quantiles(values, n=20)[-1]


def cadence(rounds: int) -> list[Measurement]:
    known = data("cadence.toml")
    rows = [simulate(rounds, **{"working": known["working"], **candidate}) for candidate in known["candidates"]]
    most = most_checks(schedule())
    ratios = {"checks_in_14_days": float(most), "partner_calls_in_14_days": float(PARTNER_CALLS * (most + 1))}
    return [Measurement.of("cadence", f"{rounds} simulated deals with two statuses each", rows, ratios)]


def seconds_per_batch(rounds: int) -> float:
    """Return the median time of a full batch of submitted deliveries whose status is known."""
    partner, ledger, now, taken = settings().partners[LENDER], Ledger(), datetime(2026, 3, 2, 9, tzinfo=UTC), []
    with servers() as started:
        secret = started.secrets[LENDER]
        deals = client(LENDER, Vault(lambda: secret, secret), partner.timeouts, settings=partner)
        leads = [lead(f"ld_{number}") for number in range(BATCH)]
        for one in leads:
            deal_id = deals.authorize(budget()).create(one, budget())
            started.partners.post(f"leadleader/deals/{deal_id}", {"status": STATUS})
            new = new_delivery(one.lead_id, LENDER, one.source, now)
            submitted = confirm(start_attempt(new, now, MINUTE).after, now, deal_id, is_followed=True).after
            ledger.put(replace(submitted, partner_status=STATUS))
        started.partners.arm(LENDER, None, {"kind": "delay", "seconds": CALL}, times=None)
        checker = Checker(ledger, StatusByDeal(deals), partner, lambda: datetime.now(UTC))
        batch = CheckBatch(LENDER, tuple(one.lead_id for one in leads))
        for _ in range(rounds):
            began = time.monotonic()
            result = checker.process(batch, budget(120))
            taken.append(time.monotonic() - began)
            outcomes = {one.outcome for one in result.results.values()}
            if outcomes != {Outcome.UNCHANGED}:
                raise SystemExit(f"the checks ended as {outcomes}")
    return median(taken)


def checks(rounds: int) -> list[Measurement]:
    at_once, workers = settings().partners[LENDER].checks_at_once, parameter(CONCURRENCY[LENDER])
    taken = seconds_per_batch(rounds)
    rate, most, is_open = BATCH / taken, most_checks(schedule()), open_share(schedule())
    leads = rate * workers * is_open * 86_400 / most
    once = FORTNIGHT.days * LEADS_A_DAY / rate / workers / 3600
    rows = (
        ("statuses that one worker reads at a time (`checks_at_once`)", str(at_once)),
        ("workers (`LeadLeaderConcurrency`)", str(workers)),
        (f"seconds for a batch of {BATCH} deals", f"{taken:.2f}"),
        ("statuses a second, by one worker", f"{rate:.1f}"),
        ("statuses a second, by all", f"{rate * workers:.0f}"),
        (f"most checks of a deal that is open for {FORTNIGHT.days} days", str(most)),
        ("hours of a week in which the partner is open", f"{is_open * 7 * 24:.0f}"),
        (f"leads a day, if every deal is open for {FORTNIGHT.days} days", f"{leads:,.0f}"),
        ("hours to check all deals of 14 days once, at 50,000 leads a day", f"{once:.1f}"),
    )
    ideal = ceil(BATCH / at_once) * PARTNER_CALLS * CALL
    ratios = {"batch_of_ideal": taken / ideal, "leads_a_day": LEADS_A_DAY / leads}
    title = f"status checks of a partner that takes {CALL} s for a call"
    return [Measurement("checks", title, ("what", "value"), rows, ratios)]

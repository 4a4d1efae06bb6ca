"""`python -m quality.benchmarks.load_limits`: how many leads each limit carries, and which limit is the first.

Computed from the template's parameters, the shipped configuration, quality/benchmarks/measurements.json and
hot_keys.json, and AWS's quotas in quality/benchmarks/limits.toml. With --write the figures in docs/capacity.md are
replaced.
"""

from __future__ import annotations

import logging
import sys
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from math import ceil, floor
from typing import Any

from leadbridge.auth.secrets import CACHE_SECONDS
from leadbridge.settings import Settings
from leadbridge.settings.partners import Partner
from quality.benchmarks import cost, hot_keys
from quality.testkit.template import ROOT, template
from tools.config import read_toml

PAGE = ROOT / "docs" / "capacity.md"
BEGIN, END = "<!-- python -m quality.benchmarks.load_limits -->\n", "<!-- end -->\n"
RATES = (1, 10, 100, 1000)  # leads per second
DAY, WEEK = 86_400, 604_800  # seconds
EXPECTED = 50_000  # leads per day, for the delay of checks
DAYS_OPEN = 14  # of a deal whose status never becomes final
MONDAY = datetime(2026, 6, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
PARAMETERS = {"leadleader": "LeadLeaderConcurrency", "matchtrade": "MatchTradeConcurrency"}
MESSAGES = "LeelooConcurrency"
SECRETS = 2  # that a worker reads: the partner's and its own


@dataclass(frozen=True)
class Limit:
    """A limit of `value` units per second, of which one lead takes `need`. `change` says how to raise it."""

    what: str
    value: float
    need: float
    change: str

    @property
    def carries(self) -> float:
        """Leads per second."""
        return self.value / self.need


@cache
def quotas() -> dict[str, dict[str, Any]]:
    return tomllib.loads((ROOT / "quality" / "benchmarks" / "limits.toml").read_text(encoding="utf-8"))


@cache
def shipped() -> Settings:
    return Settings.model_validate(read_toml(ROOT / "config", "prod"))


def parameter(name: str) -> int:
    """The default of a parameter of the template."""
    return int(template()["Parameters"][name]["Default"])


def seconds(function: str) -> float:
    """The billed time of a function for one lead."""
    return cost.milliseconds(cost.measured()["functions"][function], cost.memory(function)) / 1000


def check_seconds(partner: Partner) -> float:
    """The time of one status check in a worker, which makes `checks_at_once` of them at a time.

    The processor's time cannot be shared.
    """
    usage, batch = cost.measured()["unchanged_batch"]["CheckStatus"], int(cost.measured()["batch"])
    own: float = usage["cpu_ms"] * max(1, cost.WHOLE_CORE / cost.memory("CheckStatus"))
    waits: float = usage["partner_calls"] * cost.assumed("partner_ms") / partner.checks_at_once
    return max(own, waits) / batch / 1000


def open_share(partner: Partner) -> float:
    """The share of the week in which the partner changes statuses."""
    schedule = partner.check_schedule
    assert schedule is not None
    minutes = [MONDAY + number * MINUTE for number in range(WEEK // 60)]
    return sum(schedule.hours.next_open(moment) == moment for moment in minutes) / len(minutes)


def checks_of_open_deal(partner: Partner) -> int:
    """The most checks of a deal that stays open for `DAYS_OPEN` days, whichever hour of the week it is opened in."""
    schedule = partner.check_schedule
    assert schedule is not None
    opened = [MONDAY + timedelta(hours=hour) for hour in range(7 * 24)]
    return max(schedule.checks_until(moment, timedelta(days=DAYS_OPEN)) for moment in opened)


def checks_per_second(name: str, partner: Partner) -> float:
    """The status checks that all workers of a partner make in a second of its hours."""
    return parameter(PARAMETERS[name]) / check_seconds(partner)


def own_limits() -> list[Limit]:
    """Return the limits of the shipped configuration."""
    found = [Limit("`ThrottleRate`, posts per second", parameter("ThrottleRate"), 1, "the parameter")]
    for name, partner in shipped().partners.items():
        at_once, taken = parameter(PARAMETERS[name]), seconds("SubmitLead")
        change = f"`{PARAMETERS[name]}`, if the partner agrees"
        found.append(Limit(f"submissions to `{name}`, {at_once} at a time", at_once, taken, change))
        if partner.check_schedule is not None:
            day = checks_per_second(name, partner) * open_share(partner)
            what = f"status checks at `{name}`, {at_once} × {partner.checks_at_once} at a time, in its hours"
            found.append(Limit(what, day, checks_of_open_deal(partner), f"{change}; `checks_at_once`; `cadence`"))
    at_once = parameter(MESSAGES)
    found.append(
        Limit(
            f"messages by Leeloo, {at_once} at a time", at_once, seconds("SendMessage"), f"`{MESSAGES}`, if it agrees"
        )
    )
    return found


def aws_limits() -> list[Limit]:
    """Return AWS's quotas, each with what one lead takes of it if the partners' concurrencies are raised."""
    functions = cost.measured()["functions"]
    writes, events = (sum(usage[name] for usage in functions.values()) for name in ("write_units", "events"))
    workers = sum(seconds(function) for function in functions)
    reads = workers * SECRETS / CACHE_SECONDS
    needs = {
        "lambda": workers,
        "gateway": 1,
        "table_at_first": writes,
        "table": writes,
        "key": max(hot_keys.stored().values()) / hot_keys.LEADS_PER_SECOND,
        "put_events": functions["PublishChanges"]["aws_calls"],
        "invocations": events,
        "kms": reads,
        "secrets": reads,
    }
    return [
        Limit(quotas()[name]["what"], quotas()[name]["value"], need, quotas()[name]["change"])
        for name, need in needs.items()
    ]


def page() -> str:
    return "\n".join([*per_partner(), *by_rate(), *keys(), *sources()])


def per_partner() -> list[str]:
    """Leads per day that the shipped concurrency carries."""
    rows = []
    for name, partner in shipped().partners.items():
        submissions = parameter(PARAMETERS[name]) / seconds("SubmitLead") * DAY
        if partner.check_schedule is None:
            rows.append(
                f"| `{name}` | {rounded(submissions)} | none: its list is read | | **{rounded(submissions)}** | |"
            )
            continue
        checks = checks_per_second(name, partner) * open_share(partner) * DAY
        per_lead = checks_of_open_deal(partner)
        hours = EXPECTED * DAYS_OPEN / checks_per_second(name, partner) / 3600
        leads = min(submissions, checks / per_lead)
        cells = [f"`{name}`", rounded(submissions), rounded(checks), str(per_lead), f"**{rounded(leads)}**"]
        rows.append(f"| {' | '.join([*cells, f'{hours:.1f} h'])} |")
    messages = rounded(parameter(MESSAGES) / seconds("SendMessage") * DAY)
    rows.append(f"| messages by Leeloo | | | | **{messages}** | |")
    delay = f"one check of every open deal, at {EXPECTED:,} leads per day"
    columns = ("partner", "submissions per day", "checks per day", "checks per deal, at most", "leads per day", delay)
    head = [f"| {' | '.join(columns)} |", "|---|---:|---:|---:|---:|---:|"]
    return ["### Leads per day", "", *head, *rows, ""]


def by_rate() -> list[str]:
    """Every limit, the lowest first, and by how much each must be raised for a rate."""
    limits = sorted((*own_limits(), *aws_limits()), key=lambda limit: limit.carries)
    rows = [
        f"| {limit.what} | {limit.value:,.0f} | {limit.carries:,.1f} | {' | '.join(needed(limit))} | {limit.change} |"
        for limit in limits
    ]
    rates = " | ".join(f"at {rate:,}" for rate in RATES)
    head = [
        f"| limit | shipped, or AWS's default | leads per second | {rates} | how to raise it |",
        f"|---|---:|---:|{'---:|' * len(RATES)}---|",
    ]
    return ["### Limits, the first one first", "", *head, *rows, ""]


def needed(limit: Limit) -> list[str]:
    """What the limit must be for each rate; a dot where it suffices."""
    return ["·" if rate <= limit.carries else f"**{rounded(limit.need * rate, up=True)}**" for rate in RATES]


def keys() -> list[str]:
    rates = sorted(hot_keys.stored().items(), key=lambda item: -item[1])
    rows = [f"| {name.replace(' ', ', ')} | {rate:,.0f} |" for name, rate in rates]
    head = [
        f"| index, partition | write units per second at {hot_keys.LEADS_PER_SECOND:,} leads per second |",
        "|---|---:|",
    ]
    return ["### Hottest keys", "", *head, *rows, ""]


def sources() -> list[str]:
    rows = [f"| {one['what']} | {one['source']} | {one['checked'] or 'not verified'} |" for one in quotas().values()]
    return ["### Sources", "", "| quota, in Frankfurt | source | read |", "|---|---|---|", *rows, ""]


def rounded(number: float, *, up: bool = False) -> str:
    """Two significant digits. What is needed is rounded up, what is carried down."""
    step = 10 ** max(0, len(str(int(number))) - 2)
    return f"{(ceil(number / step) if up else floor(number / step)) * step:,}"


def main(arguments: Iterable[str]) -> int:
    """Print the tables, or write them into the page."""
    logging.getLogger("samtranslator").setLevel(logging.ERROR)  # it warns of features without settings
    text = page()
    if "--write" not in arguments:
        sys.stdout.write(text)
        return 0
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}{text}{END}{rest.partition(END)[2]}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

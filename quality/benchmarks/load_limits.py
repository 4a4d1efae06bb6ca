"""`python -m quality.benchmarks.load_limits`: how many leads each limit carries, and which limit is the first.

From the template's parameters, the configuration, measurements.json, hot_keys.json, and AWS's quotas in limits.toml.
--write replaces the figures in docs/capacity.md.
"""

from __future__ import annotations

import sys
import tomllib
from dataclasses import dataclass
from functools import cache
from math import ceil, floor
from typing import Any

from leadbridge.auth.secrets import CACHE_SECONDS
from leadbridge.settings.partners import Partner
from quality.benchmarks import cost, hot_keys, page
from quality.benchmarks.cadence import FORTNIGHT, most_checks, open_share
from quality.benchmarks.measurement import section
from quality.benchmarks.shipped import CONCURRENCY, memory, parameter, settings
from quality.testkit.template import ROOT

PAGE, PART = ROOT / "docs" / "capacity.md", "python -m quality.benchmarks.load_limits"
RATES = (1, 10, 100, 1000)  # leads per second
DAY = 86_400  # seconds
EXPECTED = 50_000  # leads per day, for the delay of checks
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


def seconds(function: str) -> float:
    """The billed time of a function for one lead."""
    return cost.milliseconds(cost.measured()["functions"][function], memory(function)) / 1000


def checks_per_second(name: str, partner: Partner) -> float:
    """The status checks that all workers of a partner make in a second of its hours.

    A worker makes `checks_at_once` of them at a time, but they share its processor.
    """
    usage, batch = cost.measured()["unchanged_batch"]["CheckStatus"], int(cost.measured()["batch"])
    own: float = usage["cpu_ms"] * max(1, cost.WHOLE_CORE / memory("CheckStatus"))
    waits: float = usage["partner_calls"] * cost.assumed("partner_ms") / partner.checks_at_once
    return parameter(CONCURRENCY[name]) / (max(own, waits) / batch / 1000)


def own_limits() -> list[Limit]:
    """Return the limits of the shipped configuration."""
    found = [Limit("`ThrottleRate`, posts per second", parameter("ThrottleRate"), 1, "the parameter")]
    for name, partner in settings().partners.items():
        at_once, change = parameter(CONCURRENCY[name]), f"`{CONCURRENCY[name]}`, if the partner agrees"
        found.append(Limit(f"submissions to `{name}`, {at_once} at a time", at_once, seconds("SubmitLead"), change))
        if partner.check_schedule is not None:
            day = checks_per_second(name, partner) * open_share(partner.check_schedule)
            what = f"status checks at `{name}`, {at_once} × {partner.checks_at_once} at a time, in its hours"
            need = most_checks(partner.check_schedule)
            found.append(Limit(what, day, need, f"{change}; `checks_at_once`; `cadence`"))
    at_once, change = parameter(CONCURRENCY["leeloo"]), f"`{CONCURRENCY['leeloo']}`, if it agrees"
    return [*found, Limit(f"messages by Leeloo, {at_once} at a time", at_once, seconds("SendMessage"), change)]


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


def text() -> str:
    """The figures of docs/capacity.md."""
    delay = f"one check of every open deal, at {EXPECTED:,} leads per day"
    partners = "partner", "submissions per day", "checks per day", "checks per deal, at most", "leads per day", delay
    limits = "limit", "shipped, or AWS's default", "leads per second", *(f"at {rate:,}" for rate in RATES)
    keys = "index, partition", f"write units per second at {hot_keys.LEADS_PER_SECOND:,} leads per second"
    sources = [[one["what"], one["source"], one["checked"] or "not verified"] for one in quotas().values()]
    return "\n".join(
        [
            *section("Leads per day", partners, [*map(per_partner, settings().partners), per_message()]),
            *section("Limits, the first one first", (*limits, "how to raise it"), by_rate(), texts=(0, len(limits))),
            *section("Hottest keys", keys, hot_keys.rows(hot_keys.stored())),
            *section("Sources", ("quota, in Frankfurt", "source", "read"), sources, texts=(0, 1, 2)),
        ]
    ).strip()


def per_partner(name: str) -> list[str]:
    """Leads per day that the shipped concurrency carries for a partner."""
    partner = settings().partners[name]
    submissions = parameter(CONCURRENCY[name]) / seconds("SubmitLead") * DAY
    if partner.check_schedule is None:
        carried = rounded(submissions)
        return [f"`{name}`", carried, "none: its list is read", "", f"**{carried}**", ""]
    per_second, per_lead = checks_per_second(name, partner), most_checks(partner.check_schedule)
    checks = per_second * open_share(partner.check_schedule) * DAY
    hours = EXPECTED * FORTNIGHT.days / per_second / 3600
    leads = rounded(min(submissions, checks / per_lead))
    return [f"`{name}`", rounded(submissions), rounded(checks), str(per_lead), f"**{leads}**", f"{hours:.1f} h"]


def per_message() -> list[str]:
    carried = rounded(parameter(CONCURRENCY["leeloo"]) / seconds("SendMessage") * DAY)
    return ["messages by Leeloo", "", "", "", f"**{carried}**", ""]


def by_rate() -> list[list[str]]:
    """Every limit, the lowest first, and by how much each must be raised for a rate."""
    limits = sorted((*own_limits(), *aws_limits()), key=lambda limit: limit.carries)
    return [[one.what, f"{one.value:,.0f}", f"{one.carries:,.1f}", *needed(one), one.change] for one in limits]


def needed(limit: Limit) -> list[str]:
    """What the limit must be for each rate; a dot where it suffices."""
    return ["·" if rate <= limit.carries else f"**{rounded(limit.need * rate, up=True)}**" for rate in RATES]


def rounded(number: float, *, up: bool = False) -> str:
    """Two significant digits. What is needed is rounded up, what is carried down."""
    step = 10 ** max(0, len(str(int(number))) - 2)
    return f"{(ceil(number / step) if up else floor(number / step)) * step:,}"


if __name__ == "__main__":
    sys.exit(page.command(PAGE, PART, text))

"""`python -m quality.benchmarks.load_limits`: how many leads each limit carries, and which limit is the first.

From the template, the configuration, the stored measurements and rates, and AWS's quotas in limits.toml. --write
replaces the figures in docs/capacity.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor

from leadbridge.auth.secrets import CACHE_SECONDS
from quality.benchmarks import hot_keys
from quality.benchmarks.cadence import FORTNIGHT, LEADS_A_DAY, most_checks, open_share
from quality.benchmarks.cost import MEASURED, assumed, milliseconds
from quality.benchmarks.report import Rows, command
from quality.benchmarks.shipped import CONCURRENCY, WHOLE_CORE, data, memory, parameter, settings
from quality.testkit.template import ROOT

PAGE = ROOT / "docs" / "capacity.md"
RATES = (1, 10, 100, 1000)  # leads per second
DAY = 86_400  # seconds
SECRETS = 2  # that a worker reads: the partner's and its own
QUOTAS = data("limits.toml")


@dataclass(frozen=True)
class Limit:
    """A limit of `value` units per second, of which one lead takes `need`. `change` says how to raise it."""

    what: str
    value: float
    need: float
    change: str

    @property
    def carries(self) -> float:
        return self.value / self.need


def seconds(function: str) -> float:
    return milliseconds(MEASURED["functions"][function], memory(function)) / 1000


def limits_of(name: str) -> list[Limit]:
    """The limit of a partner's submissions, and that of its status checks if there are any."""
    partner, at_once = settings().partners[name], parameter(CONCURRENCY[name])
    change = f"`{CONCURRENCY[name]}`, if the partner agrees"
    found = [Limit(f"submissions to `{name}`, {at_once} at a time", at_once, seconds("SubmitLead"), change)]
    if schedule := partner.check_schedule:
        usage = MEASURED["unchanged_batch"]["CheckStatus"]
        # A worker makes `checks_at_once` checks at a time, but they share its processor.
        own = usage["cpu_ms"] * max(1, WHOLE_CORE / memory("CheckStatus"))
        waits = usage["partner_calls"] * assumed("partner_ms") / partner.checks_at_once
        rate = at_once / (max(own, waits) / MEASURED["batch"] / 1000) * open_share(schedule)
        what = f"status checks at `{name}`, {at_once} × {partner.checks_at_once} at a time, in its hours"
        found.append(Limit(what, rate, most_checks(schedule), f"{change}; `checks_at_once`; `cadence`"))
    return found


def own_limits() -> list[Limit]:
    posts = Limit("`ThrottleRate`, posts per second", parameter("ThrottleRate"), 1, "the parameter")
    return [posts, *(limit for name in settings().partners for limit in limits_of(name)), messages()]


def messages() -> Limit:
    at_once, change = parameter(CONCURRENCY["leeloo"]), f"`{CONCURRENCY['leeloo']}`, if it agrees"
    return Limit(f"messages by Leeloo, {at_once} at a time", at_once, seconds("SendMessage"), change)


def aws_limits() -> list[Limit]:
    """Return AWS's quotas, each with what one lead takes of it if the partners' concurrencies are raised."""
    functions = MEASURED["functions"]
    writes, events = (sum(usage[name] for usage in functions.values()) for name in ("write_units", "events"))
    workers = sum(seconds(function) for function in functions)
    reads = workers * SECRETS / CACHE_SECONDS
    needs = {
        "lambda": workers,
        "gateway": 1,
        "table_at_first": writes,
        "table": writes,
        "key": max(hot_keys.STORED.values()) / hot_keys.LEADS_PER_SECOND,
        "put_events": functions["PublishChanges"]["aws_calls"],
        "invocations": events,
        "kms": reads,
        "secrets": reads,
    }
    return [Limit(one["what"], one["value"], needs[name], one["change"]) for name, one in QUOTAS.items()]


def tables() -> dict[str, Rows]:
    of_messages = ["messages by Leeloo", "", "", "", f"**{rounded(messages().carries * DAY)}**", ""]
    limits = sorted((*own_limits(), *aws_limits()), key=lambda limit: limit.carries)
    return {
        "Leads per day": [*map(per_partner, settings().partners), of_messages],
        "Limits": [(one.what, f"{one.value:,.0f}", f"{one.carries:,.1f}", *needed(one), one.change) for one in limits],
        "Hottest keys": hot_keys.rows(hot_keys.STORED),
        "Sources": [(one["what"], one["source"], one["checked"] or "not verified") for one in QUOTAS.values()],
    }


def per_partner(name: str) -> list[str]:
    """Leads per day that the shipped concurrency carries for a partner."""
    submissions, *checks = limits_of(name)
    first = [f"`{name}`", rounded(submissions.carries * DAY)]
    leads = f"**{rounded(min(one.carries for one in (submissions, *checks)) * DAY)}**"
    schedule = settings().partners[name].check_schedule
    if schedule is None:
        return [*first, "none: its list is read", "", leads, ""]
    hours = LEADS_A_DAY * FORTNIGHT.days / checks[0].value * open_share(schedule) / 3600
    return [*first, rounded(checks[0].value * DAY), str(checks[0].need), leads, f"{hours:.1f} h"]


def needed(limit: Limit) -> list[str]:
    """What the limit must be for each rate; a dot where it suffices."""
    return ["·" if rate <= limit.carries else f"**{rounded(limit.need * rate, up=True)}**" for rate in RATES]


def rounded(number: float, *, up: bool = False) -> str:
    """Two significant digits. What is needed is rounded up, what is carried down."""
    step = 10 ** max(0, len(str(int(number))) - 2)
    return f"{(ceil(number / step) if up else floor(number / step)) * step:,}"


if __name__ == "__main__":
    command(PAGE, tables())

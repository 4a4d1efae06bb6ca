"""`python -m quality.benchmarks.cost`: the cost of a million leads a month on AWS, by service.

Quantities come from quality/benchmarks/measurements.json (`python -m quality.benchmarks.flow`), the table of cold
starts in docs/benchmarks.md, the template as SAM transforms it and the configuration; prices and what is assumed from
quality/benchmarks/cost.toml. With --write the figures in docs/cost.md are replaced.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from math import ceil
from statistics import fmean
from typing import Any

from leadbridge.settings import Settings
from quality.benchmarks.measurement import Measurement, run_alone
from quality.testkit.fakes.processed import of_type, processed
from quality.testkit.fakes.watched import observed_partners, query_of, synced_partners
from quality.testkit.template import ROOT, resources, role_statements, template
from tools.config import read_toml

LEADS = 1_000_000
MONTH = 30.44 * 86_400  # seconds
GB = 1024**3
AGREED_DOLLARS = 300  # for a million leads, status checks included
DAYS_OPEN = (3, 14)  # that deals stay open in the comparison with the budget
WHOLE_CORE = 1769  # MB of memory at which Lambda gives a function one core
MEMORIES = (128, 256, 512, 1024, 1769)
PAGE = ROOT / "docs" / "cost.md"
BEGIN, END = "<!-- python -m quality.benchmarks.cost -->\n", "<!-- end -->\n"
COLD_STARTS = ROOT / "docs" / "benchmarks.md"
UNITS = {"minute": 60, "hour": 3600, "day": 86_400}  # of a schedule's rate, in seconds

FUNCTIONS = resources("AWS::Serverless::Function")


@cache
def data() -> dict[str, Any]:
    return tomllib.loads((ROOT / "quality" / "benchmarks" / "cost.toml").read_text(encoding="utf-8"))


@cache
def measured() -> dict[str, Any]:
    path = ROOT / "quality" / "benchmarks" / "measurements.json"
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


@cache
def inits() -> dict[str, float]:
    """Milliseconds of each function's init, from the table of cold starts."""
    _, _, rest = COLD_STARTS.read_text(encoding="utf-8").partition("<!-- cold -->\n")
    table = [[cell.strip() for cell in line.split("|")[1:-1]] for line in rest.partition(END)[0].splitlines()]
    rows = [row for row in table if row]
    column = rows[0].index("init, ms")
    return {row[0]: float(row[column]) for row in rows if row[0] in FUNCTIONS}


def price(name: str, quantity: float) -> float:
    """Dollars for a quantity."""
    one = data()["prices"][name]
    return float(quantity * one["usd"] / one["per"])


def assumed(name: str) -> float:
    """A quantity that cannot be measured here."""
    return float(data()["assumed"][name]["value"])


@cache
def checks(days: float | None = None) -> int:
    """The number of status checks of a deal without a change, as shipped: the mean over opening moments of a week.

    The deal stays open for some `days`, or for those that are assumed.
    """
    schedule = Settings.model_validate(read_toml(ROOT / "config", "prod")).partners["leadleader"].check_schedule
    if schedule is None:
        return 0
    monday, is_open = datetime(2026, 6, 1, tzinfo=UTC), timedelta(days=days or assumed("days_open"))
    counts = [schedule.checks_until(monday + timedelta(hours=hour), is_open) for hour in range(7 * 24)]
    return round(fmean(counts))


def memory(function: str) -> int:
    """MB of memory, from the template."""
    of_all = template()["Globals"]["Function"]["MemorySize"]
    return int(FUNCTIONS[function]["Properties"].get("MemorySize", of_all))


@cache
def checks_at_once() -> int:
    """The number of statuses that one worker reads at a time, as shipped."""
    return Settings.model_validate(read_toml(ROOT / "config", "prod")).partners["leadleader"].checks_at_once


def milliseconds(taken: Mapping[str, float], megabytes: int) -> float:
    """Billed time of a function for one lead, or for a batch of status checks, which waits for many calls at a time."""
    own = taken["cpu_ms"] * max(1, WHOLE_CORE / megabytes)
    at_once = checks_at_once() if taken["partner_calls"] >= 2 * checks_at_once() else 1
    waits = taken["aws_calls"] * assumed("aws_ms") + taken["partner_calls"] / at_once * assumed("partner_ms")
    return max(taken["invocations"], ceil(max(own, waits) if at_once > 1 else own + waits))


def usage(*, polling: bool) -> tuple[Mapping[str, Mapping[str, float]], float]:
    """The measured usage by function, and how often it occurs for a lead: once, or for the lead's share of batches."""
    found = measured()
    return (found["unchanged_batch"], checks() / found["batch"]) if polling else (found["functions"], 1.0)


def gb_seconds(taken: Mapping[str, float], megabytes: int) -> float:
    return milliseconds(taken, megabytes) / 1000 * megabytes / 1024


def init_gb_seconds(function: str) -> float:
    """Average GB-seconds of init per invocation."""
    return assumed("cold_share") * inits()[function] / 1000 * memory(function) / 1024


def amount(quantity: Callable[[str, Mapping[str, float]], float], *, polling: bool) -> float:
    """The sum of a quantity over the functions for a million leads: of polling, or of everything else."""
    taken, times = usage(polling=polling)
    return sum(quantity(function, one) for function, one in taken.items()) * times * LEADS


def of(name: str) -> Callable[[str, Mapping[str, float]], float]:
    return lambda _function, taken: taken[name]


def from_queue(function: str, taken: Mapping[str, float]) -> float:
    """Invocations by queue messages."""
    return taken["invocations"] if queue_events(function) else 0


def queue_events(function: str) -> list[dict[str, Any]]:
    """The event source mappings of a function's queues."""
    events = FUNCTIONS[function]["Properties"].get("Events", {}).values()
    return [event["Properties"] for event in events if event["Type"] == "SQS"]


def cold_starts(function: str, taken: Mapping[str, float]) -> float:
    """GB-seconds of init for one lead."""
    return taken["invocations"] * init_gb_seconds(function)


def log_bytes(_function: str, taken: Mapping[str, float]) -> float:
    """Bytes of log, including Lambda's own lines."""
    return taken["log_bytes"] + taken["invocations"] * assumed("platform_log_bytes")


def traces(_function: str, taken: Mapping[str, float], times: float) -> float:
    """X-Ray traces of a function for a million leads spread over a month."""
    a_second = taken["invocations"] * times * LEADS / MONTH
    return (min(1, a_second) + assumed("traces_sampled") * max(0, a_second - 1)) * MONTH


def parts(*, polling: bool) -> dict[str, float]:
    """Dollars for a million leads, by service."""
    first = 0 if polling else LEADS
    taken, times = usage(polling=polling)
    kept = 0 if polling else measured()["kept_bytes"] * LEADS / GB
    months = template()["Parameters"]["RetentionDays"]["Default"] / 30.44
    logs = (amount(log_bytes, polling=polling) + first * assumed("access_log_bytes")) / GB
    log_months = template()["Parameters"]["LogRetentionDays"]["Default"] / 30.44
    return {
        "API Gateway": price("api_gateway", first),
        "Lambda, requests": price("lambda_request", amount(of("invocations"), polling=polling)),
        "Lambda, time": price("lambda_gb_s", amount(lambda name, one: gb_seconds(one, memory(name)), polling=polling)),
        "Lambda, init of cold starts": price("lambda_gb_s", amount(cold_starts, polling=polling)),
        "DynamoDB, writes": price("write_unit", amount(of("write_units"), polling=polling)),
        "DynamoDB, reads": price("read_unit", amount(of("read_units"), polling=polling)),
        "DynamoDB, kept for its whole time, with recovery": months * (price("storage", kept) + price("recovery", kept)),
        "SQS": price("sqs", 3 * amount(from_queue, polling=polling)),
        "EventBridge": price("event", amount(of("events"), polling=polling)),
        "CloudWatch Logs": price("log_in", logs) + log_months * price("log_kept", logs),
        "X-Ray": price("trace", sum(traces(name, one, times) for name, one in taken.items())),
        "data to partners": price(
            "transfer", amount(of("partner_calls"), polling=polling) * assumed("partner_bytes") / GB
        ),
    }


def fixed() -> dict[str, float]:
    """Dollars a month that do not depend on the number of leads."""
    secrets, dashboards = of_type("AWS::SecretsManager::Secret"), of_type("AWS::CloudWatch::Dashboard")
    alarms = alarm_metrics()
    consumers = [event for name in FUNCTIONS for event in queue_events(name)]
    return {
        f"{len(alarms)} alarms of {sum(alarms.values())} metrics": price("alarm", sum(alarms.values())),
        "metrics of our own": price("metric", assumed("metrics")),
        "the dashboard": price("dashboard", len(dashboards)),
        f"{len(secrets)} secrets": price("secret", len(secrets)),
        "reads of secrets, if every worker there may be is always at work": price("secret_call", secret_reads()),
        "the key and its requests": price("key", 1) + price("key_call", assumed("key_calls")),
        f"schedules: {', '.join(map(flow, ticks()))}": sum(
            tick_price(function) * times for function, times in ticks().items()
        ),
        f"reading {len(synced_partners())} broker's accounts, without what has changed": sync_price(),
        f"waiting at {len(consumers)} queues": price("sqs", len(consumers) * assumed("idle_polls")),
    }


def alarm_metrics() -> dict[str, int]:
    """The number of metrics of each alarm. Each metric is charged, also those that a query finds; formulas are free."""

    def metrics(alarm: dict[str, Any]) -> int:
        if "Metrics" not in alarm:
            return 1
        if any(query_of(one) for one in alarm["Metrics"]):
            return len(observed_partners())
        return sum("MetricStat" in one for one in alarm["Metrics"])

    return {name: metrics(alarm) for name, alarm in of_type("AWS::CloudWatch::Alarm").items()}


def ticks() -> dict[str, float]:
    """Calls a month of each scheduled function, the most frequent first."""
    found = {}
    for name, schedule in of_type("AWS::Scheduler::Schedule").items():
        rate = re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", schedule["ScheduleExpression"])
        if rate is None:
            raise ValueError(f"{name} has no rate")
        alias = processed()[schedule["Target"]["Arn"]["Ref"]]["Properties"]
        found[alias["FunctionName"]["Ref"]] = MONTH / (int(rate[1]) * UNITS[rate[2]])
    return dict(sorted(found.items(), key=lambda one: -one[1]))


def tick_price(function: str) -> float:
    """Dollars of one scheduled call without work. X-Ray records it, because it is the first of its second."""
    time = assumed("tick_ms") / 1000 * memory(function) / 1024 + init_gb_seconds(function)
    once = price("schedule", 1) + price("lambda_request", 1) + price("trace", 1)
    return once + price("lambda_gb_s", time) + price("read_unit", assumed("tick_reads"))


def sync_price() -> float:
    """Dollars a month of the runs that find nothing new: each tick sends one message for each synced partner."""
    times = ticks()["SyncAccounts"] * len(synced_partners())
    return times * (tick_price("SyncAccounts") - price("schedule", 1) + 3 * price("sqs", 1))


def flow(function: str) -> str:
    return str(FUNCTIONS[function]["Properties"]["Environment"]["Variables"]["LEADBRIDGE_FLOW"])


def secret_reads() -> float:
    """Reads of secrets a month: each worker reads each of its secrets at most once a minute."""
    readers = 0
    for name in FUNCTIONS:
        secrets = sum(
            len(one["Resource"]) if isinstance(one["Resource"], list) else 1
            for one in role_statements(name)
            if "secretsmanager:GetSecretValue" in one["Action"]
        )
        limits = [event["ScalingConfig"]["MaximumConcurrency"] for event in queue_events(name)]
        given = template()["Parameters"]
        workers = sum(given[limit["Ref"]]["Default"] if isinstance(limit, dict) else limit for limit in limits)
        readers += secrets * (workers or 1)
    return readers * MONTH / 60


def memories() -> list[tuple[int, float, float]]:
    """For each memory size: milliseconds of a form's post, and dollars of Lambda's time for a million leads."""
    found = []
    for megabytes in MEMORIES:
        answer = milliseconds(measured()["functions"]["ReceiveLead"], megabytes)
        time = sum(
            amount(lambda _name, one, megabytes=megabytes: gb_seconds(one, megabytes), polling=polling)  # type: ignore[misc]
            for polling in (False, True)
        )
        found.append((megabytes, answer, price("lambda_gb_s", time)))
    return found


def dollars(days: float) -> float:
    """Dollars for a million leads whose deals stay open for some days, without what a month costs anyway."""
    once, polled = (sum(parts(polling=polling).values()) for polling in (False, True))
    return once + polled * checks(days) / checks()


def measure(_rounds: int) -> Iterator[Measurement]:
    """The cost of a million leads, of what was agreed. It is computed from the stored measurements."""
    rows = tuple((f"{days} days", str(checks(days)), f"{dollars(days):,.0f}") for days in DAYS_OPEN)
    columns = ("deals stay open for", "status checks of a deal", "US dollars")
    ratios = {"of_agreed_dollars": dollars(max(DAYS_OPEN)) / AGREED_DOLLARS}
    yield Measurement("cost", "A million leads on AWS, from the form to the final status", columns, rows, ratios)


def main() -> int:
    """Print the tables, write them into the page, or compare the cost with the budget."""
    from quality.benchmarks.cost_page import page

    if "--into" in sys.argv[1:]:
        return run_alone(measure, rounds=1, described=__doc__)

    logging.getLogger("samtranslator").setLevel(logging.ERROR)  # it warns of features that it was given no settings for
    text = page()
    if "--write" not in sys.argv[1:]:
        print(text, end="")
        return 0
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}{text}{END}{rest.partition(END)[2]}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""`python -m quality.benchmarks.cost`: the cost of a million leads a month on AWS, by service.

From the stored measurements, the table of cold starts in docs/benchmarks.md, the template, the configuration, and
prices and assumptions in cost.toml. --write replaces the figures in docs/cost.md.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from math import ceil
from statistics import fmean
from typing import Any

from quality.benchmarks import report
from quality.benchmarks.report import Measurement, Rows, command
from quality.benchmarks.shipped import FUNCTIONS, LENDER, WHOLE_CORE, data, memory, parameter, schedule, settings
from quality.testkit.fakes.processed import of_type
from quality.testkit.fakes.watched import observed_partners, query_of, synced_partners
from quality.testkit.template import ROOT, role_statements
from quality.testkit.wiring import events

LEADS = 1_000_000
MONTH = 30.44 * 86_400  # seconds
GB = 1024**3
AGREED_DOLLARS = 300  # for a million leads, status checks included
DAYS_OPEN = (3, 14)  # that deals stay open in the comparison with the budget
MEMORIES = (128, 256, 512, 1024, 1769)
PAGE = ROOT / "docs" / "cost.md"
DATA, MEASURED = data("cost.toml"), data("measurements.json")

type Usage = Mapping[str, float]


@cache
def inits() -> dict[str, float]:
    """Milliseconds of each function's init, from the table of cold starts."""
    lines = report.parts(report.PAGE)["cold"].splitlines()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.startswith("|")]
    column = rows[0].index("init, ms")
    return {row[0]: float(row[column]) for row in rows if row[0] in FUNCTIONS}


def price(name: str, quantity: float) -> float:
    one = DATA["prices"][name]
    return float(quantity * one["usd"] / one["per"])


def assumed(name: str) -> float:
    return float(DATA["assumed"][name]["value"])


@cache
def checks(days: float | None = None) -> int:
    """The status checks of a deal that is open for some days, or for those assumed: the mean of a week's hours."""
    monday, is_open = datetime(2026, 6, 1, tzinfo=UTC), timedelta(days=days or assumed("days_open"))
    return round(fmean(schedule().checks_until(monday + timedelta(hours=hour), is_open) for hour in range(7 * 24)))


def milliseconds(taken: Usage, megabytes: int) -> float:
    """Billed time of a function for one lead, or for a batch of status checks, which waits for many calls at a time."""
    own = taken["cpu_ms"] * max(1, WHOLE_CORE / megabytes)
    at_once = settings().partners[LENDER].checks_at_once
    if taken["partner_calls"] < 2 * at_once:
        at_once = 1
    waits = taken["aws_calls"] * assumed("aws_ms") + taken["partner_calls"] / at_once * assumed("partner_ms")
    return max(taken["invocations"], ceil(max(own, waits) if at_once > 1 else own + waits))


def gb_seconds(taken: Usage, megabytes: int) -> float:
    return milliseconds(taken, megabytes) / 1000 * megabytes / 1024


def init_gb_seconds(function: str) -> float:
    return assumed("cold_share") * inits()[function] / 1000 * memory(function) / 1024


def usage(*, polling: bool) -> tuple[Mapping[str, Usage], float]:
    """The measured usage by function, and how often it occurs for a lead: once, or for the lead's share of batches."""
    return (MEASURED["unchanged_batch"], checks() / MEASURED["batch"]) if polling else (MEASURED["functions"], 1.0)


def amount(quantity: str | Callable[[str, Usage], float], *, polling: bool) -> float:
    """The sum of a quantity over the functions for a million leads: of polling, or of everything else."""
    taken, times = usage(polling=polling)
    each = (one[quantity] if isinstance(quantity, str) else quantity(name, one) for name, one in taken.items())
    return sum(each) * times * LEADS


def queue_events(function: str) -> list[dict[str, Any]]:
    return [event["Properties"] for name, _, event in events() if name == function and event["Type"] == "SQS"]


def by_service(*, polling: bool) -> dict[str, float]:
    taken, times = usage(polling=polling)
    total, first = partial(amount, polling=polling), 0 if polling else LEADS
    kept = 0 if polling else MEASURED["kept_bytes"] * LEADS / GB
    months, log_months = (parameter(name) / 30.44 for name in ("RetentionDays", "LogRetentionDays"))
    lambdas_own = total("invocations") * assumed("platform_log_bytes")
    logs = (total("log_bytes") + lambdas_own + first * assumed("access_log_bytes")) / GB
    init = total(lambda name, one: one["invocations"] * init_gb_seconds(name))
    from_queues = total(lambda name, one: one["invocations"] if queue_events(name) else 0)
    # X-Ray takes the first invocation of a function in each second, and a share of the others.
    invocations = [one["invocations"] * times * LEADS for one in taken.values()]
    traces = sum(min(MONTH, each) + assumed("traces_sampled") * max(0, each - MONTH) for each in invocations)
    return {
        "API Gateway": price("api_gateway", first),
        "Lambda, requests": price("lambda_request", total("invocations")),
        "Lambda, time": price("lambda_gb_s", total(lambda name, one: gb_seconds(one, memory(name)))),
        "Lambda, init of cold starts": price("lambda_gb_s", init),
        "DynamoDB, writes": price("write_unit", total("write_units")),
        "DynamoDB, reads": price("read_unit", total("read_units")),
        "DynamoDB, kept for its whole time, with recovery": months * (price("storage", kept) + price("recovery", kept)),
        "SQS": price("sqs", 3 * from_queues),
        "EventBridge": price("event", total("events")),
        "CloudWatch Logs": price("log_in", logs) + log_months * price("log_kept", logs),
        "X-Ray": price("trace", traces),
        "data to partners": price("transfer", total("partner_calls") * assumed("partner_bytes") / GB),
    }


def fixed() -> dict[str, float]:
    """Dollars a month that do not depend on the number of leads."""
    secrets, dashboards = of_type("AWS::SecretsManager::Secret"), of_type("AWS::CloudWatch::Dashboard")
    metrics = sum(alarm_metrics().values())
    queues = sum(len(queue_events(name)) for name in FUNCTIONS)
    flows = [FUNCTIONS[name]["Properties"]["Environment"]["Variables"]["LEADBRIDGE_FLOW"] for name in ticks()]
    # A run of sync_accounts that finds nothing new is one message for each synced partner.
    sync, synced = tick_price("SyncAccounts") - price("schedule", 1) + 3 * price("sqs", 1), len(synced_partners())
    return {
        f"{len(alarm_metrics())} alarms of {metrics} metrics": price("alarm", metrics),
        "metrics of our own": price("metric", assumed("metrics")),
        "the dashboard": price("dashboard", len(dashboards)),
        f"{len(secrets)} secrets": price("secret", len(secrets)),
        "reads of secrets, if every worker there may be is always at work": price("secret_call", secret_reads()),
        "the key and its requests": price("key", 1) + price("key_call", assumed("key_calls")),
        f"schedules: {', '.join(flows)}": sum(tick_price(name) * times for name, times in ticks().items()),
        f"reading {synced} broker's accounts, without what has changed": ticks()["SyncAccounts"] * synced * sync,
        f"waiting at {queues} queues": price("sqs", queues * assumed("idle_polls")),
    }


def alarm_metrics() -> dict[str, int]:
    """The number of metrics of each alarm. Each metric is charged, also those that a query finds; formulas are free."""

    def metrics(alarm: dict[str, Any]) -> int:
        if any(query_of(one) for one in alarm.get("Metrics", [])):
            return len(observed_partners())
        return sum("MetricStat" in one for one in alarm["Metrics"]) if "Metrics" in alarm else 1

    return {name: metrics(alarm) for name, alarm in of_type("AWS::CloudWatch::Alarm").items()}


def ticks() -> dict[str, float]:
    """Calls a month of each scheduled function, the most frequent first."""
    found = {}
    for function, _, event in events():
        if event["Type"] == "ScheduleV2":
            ((number, unit),) = re.findall(r"^rate\((\d+) (\w+?)s?\)$", event["Properties"]["ScheduleExpression"])
            found[function] = MONTH / timedelta(**{f"{unit}s": int(number)}).total_seconds()
    return dict(sorted(found.items(), key=lambda one: -one[1]))


def tick_price(function: str) -> float:
    """Dollars of one scheduled call without work. X-Ray records it, because it is the first of its second."""
    time = assumed("tick_ms") / 1000 * memory(function) / 1024 + init_gb_seconds(function)
    once = price("schedule", 1) + price("lambda_request", 1) + price("trace", 1)
    return once + price("lambda_gb_s", time) + price("read_unit", assumed("tick_reads"))


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
        workers = sum(parameter(limit["Ref"]) if isinstance(limit, dict) else limit for limit in limits)
        readers += secrets * (workers or 1)
    return readers * MONTH / 60


def lambda_dollars(megabytes: int) -> float:
    """Dollars of Lambda's time for a million leads, if all functions had this memory."""
    times = (amount(lambda _, one: gb_seconds(one, megabytes), polling=polling) for polling in (False, True))
    return price("lambda_gb_s", sum(times))


def dollars(days: float) -> float:
    once, polled = (sum(by_service(polling=polling).values()) for polling in (False, True))
    return once + polled * checks(days) / checks()


def cost(_rounds: int) -> list[Measurement]:
    rows = tuple((f"{days} days", str(checks(days)), f"{dollars(days):,.0f}") for days in DAYS_OPEN)
    columns = ("deals stay open for", "status checks of a deal", "US dollars")
    ratios = {"of_agreed_dollars": dollars(max(DAYS_OPEN)) / AGREED_DOLLARS}
    return [Measurement("cost", "A million leads on AWS, from the form to the final status", columns, rows, ratios)]


def tables() -> dict[str, Rows]:
    once, polled, monthly = by_service(polling=False), by_service(polling=True), fixed()
    way, vain, month = (sum(one.values()) for one in (once, polled, monthly))
    summary = {
        "a million leads, from the form to the final status, with two messages to each person": f"{way:,.0f}",
        f"asking {checks()} times in vain for the status of each, as `cadence` is shipped": f"{vain:,.0f}",
        "a million such checks": f"{vain / checks():,.2f}",
        "a month, whether leads come or not": f"{month:,.0f}",
        "one lead, of a million in a month": f"{(way + vain + month) / LEADS:.6f}",
    }
    services = [(name, f"{once[name]:,.2f}", f"{polled[name]:,.2f}") for name in once]
    months = [(name, f"{each:,.2f}") for name, each in monthly.items()]
    functions, batches = MEASURED["functions"], MEASURED["unchanged_batch"]
    usages = [(name, name, one) for name, one in functions.items()]
    usages += [(f"{name}, {MEASURED['batch']} checks in vain", name, one) for name, one in batches.items()]
    posts = {size: milliseconds(functions["ReceiveLead"], size) for size in MEMORIES}
    tasks = [(one, one["units_per_lead"]) for one in DATA["services"].values()]
    kinds, prices = DATA["resources"], DATA["prices"].values()
    return {
        "Measured": [(MEASURED["date"], MEASURED["machine"], str(MEASURED["leads"]))],
        "Summary": [(what, f"**{each}**") for what, each in summary.items()],
        "By part": [*services, ("**all**", f"**{way:,.2f}**", f"**{vain:,.2f}**")],
        "Each month": [*months, ("**all**", f"**{month:,.2f}**")],
        "What one lead takes": [taken(*one) for one in usages],
        "Memory": [(str(size), f"{post:.0f}", f"{lambda_dollars(size):,.0f}") for size, post in posts.items()],
        "The same": [
            (
                *(one["name"], f"{units} {one['unit']}s", f"{units * LEADS * one['usd'] / one['per']:,.0f}"),
                *(one["why"], one["source"]),
            )
            for one, units in tasks
        ],
        "Assumed": [(f"{one['value']:,}", one["why"]) for one in DATA["assumed"].values()],
        "Not counted": [(f"`{kind}`", one["not_counted"]) for kind, one in kinds.items() if "not_counted" in one],
        "Prices": [
            (one["what"], f"{one['usd']:.10g}", f"{one['per']:,}", one["source"], one["checked"] or "not verified")
            for one in prices
        ],
    }


def taken(title: str, function: str, one: Usage) -> tuple[str, ...]:
    sizes = str(memory(function)), f"{milliseconds(one, memory(function)):.0f}"
    calls = (f"{one[name]:g}" for name in ("aws_calls", "partner_calls"))
    units = (f"{one[name]:g}" for name in ("write_units", "read_units", "events"))
    return title, f"{one['invocations']:g}", f"{one['cpu_ms']:.1f}", *calls, *sizes, *units


def main() -> None:
    logging.getLogger("samtranslator").setLevel(logging.ERROR)  # it warns of features that it was given no settings for
    command(PAGE, tables())


if __name__ == "__main__":
    main()

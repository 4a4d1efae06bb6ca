"""Functions that read many rows: find_due and sync_accounts, each in a new process; and the operators' lists.

The fastest answer of a list counts: it is the one that nothing else on the machine has delayed.
"""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from math import ceil
from statistics import median
from typing import Any
from unittest.mock import patch

from leadbridge import settings
from leadbridge.domain.clock import to_text
from leadbridge.domain.delivery import State
from leadbridge.domain.fields.hashes import keyed_hash
from leadbridge.runtime.environment import LAMBDA_VARIABLE
from leadbridge.services.checks.batch import BATCH
from leadbridge.storage.table import Table
from leadbridge.storage.writes import put
from quality.benchmarks.report import Measurement, median_text
from quality.benchmarks.shipped import LENDER, data
from quality.benchmarks.stack import context, environment, in_new_process, load, peak_mib, servers
from quality.testkit.configuration import compiled_configuration
from quality.testkit.lambda_runtime.cloud import INDEX_KEY
from quality.testkit.lambda_runtime.samples import sample
from quality.testkit.many_leads import store_leads

START = datetime(2026, 1, 1, tzinfo=UTC)
SYNC_SECONDS = 75.0  # of an invocation, which begins no page in the last 53 of them
MAX_SYNC_RUNS = 500
ENVIRONMENT = {LAMBDA_VARIABLE: "on-demand", "POWERTOOLS_METRICS_DISABLED": "true", "POWERTOOLS_LOG_LEVEL": "ERROR"}
LEADS, PAGE, LIMIT_MS = 10_000, 50, 300
# Of a hundred leads 4 have failed, one is rejected, and of one the reply was lost: 400 of the inbox's leads.
KINDS = [State.FAILED] * 4 + [State.REJECTED, State.UNKNOWN]
KINDS += [*[State.SUBMITTED, State.CLOSED, State.RECEIVED] * 31, State.SUBMITTED]
LISTS: dict[str, dict[str, str]] = data("lists.toml")
EMPTY = {"needs_attention", "no_match", "search_nobody"}
NEXT_PAGE, INBOX = "next_page", "inbox"


def growth(rounds: int) -> list[Measurement]:
    rows, ratios = [], {}
    for run, sizes in ((find_due, (1_000, 10_000, 100_000)), (sync_accounts, (500, 5_000, 50_000))):
        name, (_, fewer, more) = run.__name__, sizes
        # The largest size is measured once: it takes a minute or more, and so has little noise.
        found = {size: [run(size) for _ in range(1 if size == more else rounds)] for size in sizes}
        cpu = {size: median(seconds for seconds, _ in runs) for size, runs in found.items()}
        peak = {size: median(mib for _, mib in runs) for size, runs in found.items()}
        for size in sizes:
            by_the_row = cpu[size] / size * 1e6
            rows.append((name, f"{size:,}", f"{cpu[size]:.2f}", f"{by_the_row:.0f}", f"{peak[size]:.1f}"))
        ratios[f"{name}_cpu"] = cpu[more] / more / (cpu[fewer] / fewer)
        ratios[f"{name}_memory"] = peak[more] / peak[fewer]
    columns = ("", "rows", "CPU, s", "CPU by the row, µs", "peak memory, MiB")
    title = f"A process each, medians of {rounds}, the largest once"
    return [Measurement("growth", title, columns, tuple(rows), ratios)]


def find_due(rows: int) -> tuple[float, float]:
    """CPU seconds and peak MiB of a run that queues all rows."""
    with servers() as started:
        cloud = started.backend().cloud
        writes = [
            put({"pk": f"LEAD#ld_{number:026d}", "sk": f"DELIVERY#{LENDER}", "due_shard": f"{LENDER}#0", "due_at": at})
            for number, at in ((number, to_text(START + timedelta(seconds=number))) for number in range(rows))
        ]
        Table(cloud.client("dynamodb"), cloud.ref("Leads")).batch_write(writes)
        limits = dict.fromkeys(("MAX_QUEUED", "MAX_QUEUED_CHECKS"), str(rows))
        with patch.dict(os.environ, cloud.environment("FindDue") | ENVIRONMENT | limits):
            return in_new_process(queue_all, ceil(rows / BATCH))


def sync_accounts(accounts: int) -> tuple[float, float]:
    """CPU seconds and peak MiB of the runs that read and store so many accounts."""
    with servers() as started:
        cloud = started.backend().cloud
        order = {"count": accounts, "start": "2019-01-01T00:00:00Z", "foreign": True}
        started.partners.post("matchtrade/accounts", order)
        with patch.dict(os.environ, cloud.environment("SyncAccounts") | ENVIRONMENT):
            found = in_new_process(sync_all)
        pages = cloud.client("dynamodb").get_paginator("scan").paginate(TableName=cloud.ref("Leads"), Select="COUNT")
        if sum(page["Count"] for page in pages) < accounts:
            raise SystemExit(f"fewer than {accounts} accounts were stored")
        return found


def queue_all(messages: int) -> tuple[float, float]:
    """Run find_due once. Returns its CPU seconds, and the peak memory."""
    settings._SHIPPED = compiled_configuration()
    app: Any = load("FindDue")
    began = time.process_time()
    queued = app.handler({}, context())["queued"]
    if queued != messages:
        raise SystemExit(f"{queued} messages were queued, and not {messages}")
    return time.process_time() - began, peak_mib()


def sync_all() -> tuple[float, float]:
    """Run sync_accounts until the whole list is read. Returns its CPU seconds, and the peak memory."""
    settings._SHIPPED = compiled_configuration()
    app: Any = load("SyncAccounts")
    run, outcomes = app.outcome_of, list[str]()
    app.outcome_of = lambda *given: outcomes.append(run(*given))
    began = time.process_time()
    for number in range(MAX_SYNC_RUNS):
        app.handler(sample("SyncAccounts", "broker"), context(SYNC_SECONDS, f"run-{number}"))
        if outcomes[-1] != "in_progress":
            break
    if outcomes[-1] != "completed":
        raise SystemExit(f"the sync did not end in {MAX_SYNC_RUNS} runs: {outcomes[-1]}")
    return time.process_time() - began, peak_mib()


def lists(rounds: int) -> list[Measurement]:
    with environment("ManageLeads") as on:
        app = on.apps["ManageLeads"]
        table = Table(on.cloud.client("dynamodb"), on.cloud.ref("Leads"))
        store_leads(table, 0, LEADS, partial(keyed_hash, INDEX_KEY), KINDS)
        requests = {name: ("/leads", {**query, "limit": str(PAGE)}) for name, query in LISTS.items()}
        _, first = read(app, *requests["all"])
        requests[NEXT_PAGE] = ("/leads", {"limit": str(PAGE), "cursor": first["cursor"]})
        requests[INBOX] = ("/inbox", {})
        queries: dict[str, int] = {}
        for name, request in requests.items():  # also the warm-up
            with patch.object(Table, "page", autospec=True, side_effect=Table.page) as page:
                _, answer = read(app, *request)
            queries[name] = page.call_count
            if not answer.get("leads", answer.get("groups")) and name not in EMPTY:
                raise SystemExit(f"{name} is empty")
        times: dict[str, list[float]] = {name: [] for name in requests}
        for _ in range(rounds):
            for name, request in requests.items():
                times[name].append(read(app, *request)[0])
    rows = tuple((name, f"{min(of):.0f}", median_text(of, 0), str(queries[name])) for name, of in times.items())
    ratios = {name: min(answers) / LIMIT_MS for name, answers in times.items()}
    title = f"manage_leads, warm, in one process, {LEADS:,} leads, pages of {PAGE}; the fastest of {rounds}"
    return [Measurement("lists", title, ("", "fastest, ms", "median, ms", "queries"), rows, ratios)]


def read(app: Any, resource: str, query: dict[str, str]) -> tuple[float, Any]:
    """Return the milliseconds of an answer, and what it is. Raises SystemExit if it is an error."""
    event = sample("ManageLeads", "list") | {"resource": resource, "path": resource, "queryStringParameters": query}
    began = time.perf_counter()
    answer = app.handler(event, context())
    taken = (time.perf_counter() - began) * 1000
    if answer["statusCode"] != 200:
        raise SystemExit(f"{resource} {query} was answered {answer}")
    return taken, json.loads(answer["body"])

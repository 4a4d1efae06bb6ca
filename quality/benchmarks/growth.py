"""Whether the cost of a row, and the memory, stay constant when a function reads many rows.

Each run is a new process, with AWS clients as on Lambda: find_due with all rows due, on an index with a constant time
for each page, where the emulated AWS would scan its whole table; and sync_accounts's first sync of a broker.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from math import ceil
from statistics import median
from typing import Any
from unittest.mock import patch

from devstack.clients import Emulator
from leadbridge import settings
from leadbridge.domain.clock import to_text
from leadbridge.runtime import aws
from leadbridge.runtime.environment import LAMBDA_VARIABLE
from leadbridge.services.checks.batch import BATCH
from leadbridge.storage import items
from quality.benchmarks.processes import in_new_process, peak_mib
from quality.benchmarks.report import Measurement
from quality.benchmarks.shipped import LENDER
from quality.benchmarks.stack import context, json_server, load, servers
from quality.testkit.configuration import compiled_configuration
from quality.testkit.lambda_runtime.cloud import Cloud, Event
from quality.testkit.lambda_runtime.samples import sample

WARM_UP = 100  # rows that find_due queues before the measurement
SHARD = f"{LENDER}#0"
START = datetime(2026, 1, 1, tzinfo=UTC)
SYNC_SECONDS = 75.0  # of an invocation, which begins no page in the last 53 of them
MAX_SYNC_RUNS = 500
ENVIRONMENT = {
    LAMBDA_VARIABLE: "on-demand",
    "POWERTOOLS_METRICS_DISABLED": "true",
    "POWERTOOLS_LOG_LEVEL": "ERROR",
}


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
    """CPU seconds and peak MiB of a run that queues all rows, after one that queues few."""
    with json_server(partial(index, WARM_UP)) as small, json_server(partial(index, rows)) as large:
        runs = [
            {"AWS_ENDPOINT_URL": url, "MAX_QUEUED": str(due), "MAX_QUEUED_CHECKS": str(due)}
            for url, due in ((small, WARM_UP), (large, rows))
        ]
        with patch.dict(os.environ, Cloud(Emulator(large), "growth", "prod").environment("FindDue") | ENVIRONMENT):
            return in_new_process(queue_all, runs)


def sync_accounts(accounts: int) -> tuple[float, float]:
    """CPU seconds and peak MiB of the runs that read and store so many accounts."""
    with servers() as started:
        cloud = started.backend().cloud
        started.partners.post(
            "matchtrade/accounts", {"count": accounts, "start": "2019-01-01T00:00:00Z", "foreign": True}
        )
        with patch.dict(os.environ, cloud.environment("SyncAccounts") | ENVIRONMENT):
            found = in_new_process(sync_all)
        pages = cloud.client("dynamodb").get_paginator("scan").paginate(TableName=cloud.ref("Leads"), Select="COUNT")
        if sum(page["Count"] for page in pages) < accounts:
            raise SystemExit(f"fewer than {accounts} accounts were stored")
        return found


def index(rows: int, operation: str, request: Event) -> Event:
    """The operations that find_due calls, on an index `due` with this number of rows. Raises LookupError for others."""
    match operation:
        case "Query":
            return page(rows, request)
        case "GetItem" | "PutItem":  # the progress of the checks
            return {}
        case "BatchGetItem":  # the partners' states
            return {"Responses": {}, "UnprocessedKeys": {}}
        case "GetQueueAttributes":
            return {"Attributes": dict.fromkeys(request["AttributeNames"], "0")}
        case "SendMessageBatch":
            return {"Successful": [{"Id": one["Id"], "MessageId": one["Id"]} for one in request["Entries"]]}
        case _:
            raise LookupError(f"{operation} is not supported here")


def page(rows: int, request: Event) -> Event:
    """One page of a shard of the lender's partition; other partitions are empty."""
    if SHARD not in (value.get("S") for value in request["ExpressionAttributeValues"].values()):
        return {"Items": [], "Count": 0, "ScannedCount": 0}
    begin = int(request["ExclusiveStartKey"]["pk"]["S"].rpartition("_")[2]) + 1 if "ExclusiveStartKey" in request else 0
    end = min(rows, begin + request.get("Limit", rows))
    keys = [{"pk": f"LEAD#ld_{number:026d}", "sk": f"DELIVERY#{LENDER}"} for number in range(begin, end)]
    times = [{"due_shard": SHARD, "due_at": to_text(START + timedelta(seconds=number))} for number in range(begin, end)]
    found = [items.encode(key | due) for key, due in zip(keys, times, strict=True)]
    more = {"LastEvaluatedKey": found[-1]} if end < rows else {}
    return {"Items": found, "Count": len(found), "ScannedCount": len(found), **more}


def queue_all(runs: list[Mapping[str, str]]) -> tuple[float, float]:
    """Run find_due once in each environment. Returns the CPU seconds of the last run, and the peak memory."""
    settings._SHIPPED = compiled_configuration()
    for environment in runs:
        os.environ |= environment
        aws.reset_clients()
        app: Any = load("FindDue")
        began = time.process_time()
        queued = app.handler({}, context())["queued"]
        if queued != ceil(int(environment["MAX_QUEUED"]) / BATCH):
            raise SystemExit(f"{queued} messages were queued: {environment}")
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

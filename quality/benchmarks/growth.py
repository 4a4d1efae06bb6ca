"""Whether the cost of a row, and the memory, stay constant when a function reads many rows.

Each run is a new process, with AWS clients as on Lambda: find_due with all rows due, on an index with a constant time
for each page, where the emulated AWS would scan its whole table; and sync_accounts's first sync of a broker.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from math import ceil
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from devstack.clients import Emulator
from devstack.workdir import PROJECT
from leadbridge.domain.clock import to_text
from leadbridge.runtime import aws
from leadbridge.runtime.environment import LAMBDA_VARIABLE
from leadbridge.services.checks.batch import BATCH
from leadbridge.storage import items
from quality.benchmarks.measurement import Measurement
from quality.benchmarks.processes import peak_mib
from quality.benchmarks.shipped import LENDER
from quality.benchmarks.stack import Context, json_server, load, servers, use_configuration
from quality.testkit.lambda_runtime.cloud import Cloud, Event
from quality.testkit.lambda_runtime.samples import sample

SIZES = {"find_due": (1_000, 10_000, 100_000), "sync_accounts": (500, 5_000, 50_000)}
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

type Found = dict[str, float]


def measure(rounds: int) -> Iterator[Measurement]:
    rows, ratios = [], {}
    for name, run in {"find_due": find_due, "sync_accounts": sync_accounts}.items():
        # The largest size is measured once: it takes a minute or more, and so has little noise.
        found = {size: [run(size) for _ in range(1 if size == SIZES[name][-1] else rounds)] for size in SIZES[name]}
        cpu = {size: median(one["cpu_seconds"] for one in runs) for size, runs in found.items()}
        peak = {size: median(one["peak_mib"] for one in runs) for size, runs in found.items()}
        rows += [
            (name, f"{size:,}", f"{cpu[size]:.2f}", f"{cpu[size] / size * 1e6:.0f}", f"{peak[size]:.1f}")
            for size in found
        ]
        _, fewer, more = SIZES[name]
        ratios[f"{name}_cpu"] = cpu[more] / more / (cpu[fewer] / fewer)
        ratios[f"{name}_memory"] = peak[more] / peak[fewer]
    columns = ("", "rows", "CPU, s", "CPU by the row, µs", "peak memory, MiB")
    yield Measurement("growth", f"A process each, medians of {rounds}, the largest once", columns, tuple(rows), ratios)


def find_due(rows: int) -> Found:
    with json_server(partial(index, WARM_UP)) as small, json_server(partial(index, rows)) as large:
        cloud = Cloud(Emulator(large), "growth", "prod")
        return in_worker("FindDue", cloud, {small: WARM_UP, large: rows})


def sync_accounts(accounts: int) -> Found:
    with servers() as started:
        cloud = started.backend().cloud
        started.partners.add_accounts(accounts, start="2019-01-01T00:00:00Z", foreign=True)
        found = in_worker("SyncAccounts", cloud, {})
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
    found = [
        items.encode(
            {
                "pk": f"LEAD#ld_{number:026d}",
                "sk": f"DELIVERY#{LENDER}",
                "due_shard": SHARD,
                "due_at": to_text(START + timedelta(seconds=number)),
            }
        )
        for number in range(begin, end)
    ]
    more = {"LastEvaluatedKey": found[-1]} if end < rows else {}
    return {"Items": found, "Count": len(found), "ScannedCount": len(found), **more}


def in_worker(function: str, cloud: Cloud, indexes: dict[str, int]) -> Found:
    """Run a function in a new process. `indexes` are the numbers of rows by URL, the measured one last."""
    command = [sys.executable, "-m", "quality.benchmarks.growth", function, json.dumps(indexes)]
    env = {**os.environ, **cloud.environment(function), **ENVIRONMENT}
    done = subprocess.run(command, env=env, cwd=PROJECT, check=True, stdout=subprocess.PIPE)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def work(function: str, indexes: str) -> None:
    """What a worker does. Prints its CPU time and memory."""
    with TemporaryDirectory() as folder:
        use_configuration(Path(folder))
        if function == "FindDue":
            began = [queue_all(url, rows) for url, rows in json.loads(indexes).items()][-1]
        else:
            began = sync_all()
    print(json.dumps({"cpu_seconds": time.process_time() - began, "peak_mib": peak_mib()}))


def queue_all(url: str, rows: int) -> float:
    """Run find_due once. Returns the CPU time before it."""
    os.environ |= {"AWS_ENDPOINT_URL": url, "MAX_QUEUED": str(rows), "MAX_QUEUED_CHECKS": str(rows)}
    aws.reset_clients()
    app: Any = load("FindDue")
    began = time.process_time()
    queued = app.handler({}, Context())["queued"]
    if queued != ceil(rows / BATCH):
        raise SystemExit(f"{queued} messages were queued for {rows} rows")
    return began


def sync_all() -> float:
    """Run sync_accounts until the whole list is read. Returns the CPU time before it."""
    app: Any = load("SyncAccounts")
    run, outcomes = app.outcome_of, list[str]()
    app.outcome_of = lambda *given: outcomes.append(run(*given))
    began = time.process_time()
    for number in range(MAX_SYNC_RUNS):
        app.handler(sample("SyncAccounts", "broker"), Context(time.monotonic() + SYNC_SECONDS, f"run-{number}"))
        if outcomes[-1] == "completed":
            return began
        if outcomes[-1] != "in_progress":
            raise SystemExit(outcomes[-1])
    raise SystemExit(f"the sync did not end in {MAX_SYNC_RUNS} runs")


if __name__ == "__main__":
    work(*sys.argv[1:])

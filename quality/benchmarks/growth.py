"""Whether the cost of a row, and the memory, stay constant when a function reads many rows.

python -m quality.benchmarks.growth [--rounds 3]

Each run is a new process: find_due with all of 1,000, 10,000 and 100,000 rows due, on an index with a constant time for
each page; and sync_accounts's first sync of 500, 5,000 and 50,000 accounts of a broker, on the emulated AWS, where more
take minutes. CPU time and memory are the function's process's. AWS clients are configured as on Lambda.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from devstack import services
from devstack.clients import CONFIG, CREDENTIALS, REGION, Emulator
from devstack.partners import stored_secrets
from devstack.sandbox.remote import Remote
from devstack.workdir import PROJECT, Workdir, choose_port, hold
from leadbridge.runtime.environment import LAMBDA_VARIABLE
from quality.benchmarks.in_process import Context, load, use_configuration
from quality.benchmarks.measurement import Measurement, run_alone
from quality.benchmarks.processes import peak_mib
from quality.testkit.lambda_runtime.samples import sample
from quality.testkit.template import table_definition

ROUNDS = 3
SIZES = {"find_due": (1_000, 10_000, 100_000), "sync_accounts": (500, 5_000, 50_000)}
WARM_UP = 100  # rows that find_due queues before the measurement
WORKER = "LEADBRIDGE_BENCHMARK_WORKER"
TABLE, PREFIX = "leads", "leadbridge"
SYNC_SECONDS = 75.0  # of an invocation, which begins no page in the last 53 of them
MAX_SYNC_RUNS = 500
ENVIRONMENT = {
    **CREDENTIALS,
    "AWS_DEFAULT_REGION": REGION,
    "TABLE_NAME": TABLE,
    "SECRETS_PREFIX": PREFIX,
    "LEADBRIDGE_ENVIRONMENT": "prod",
    "POWERTOOLS_METRICS_DISABLED": "true",
    "POWERTOOLS_LOG_LEVEL": "ERROR",
    LAMBDA_VARIABLE: "on-demand",
}

type Found = dict[str, float]


def measure(rounds: int) -> Iterator[Measurement]:
    functions = {"find_due": find_due, "sync_accounts": sync_accounts}
    found = {
        name: {rows: medians([run(rows) for _ in range(times(rounds, rows))]) for rows in SIZES[name]}
        for name, run in functions.items()
    }
    rows = [cells(name, size, one) for name, by_size in found.items() for size, one in by_size.items()]
    columns = ("", "rows", "CPU, s", "CPU by the row, µs", "peak memory, MiB")
    title = f"A process each, medians of {rounds}, the largest once"
    of_all = {line: ratio for name, by_size in found.items() for line, ratio in ratios(name, by_size).items()}
    yield Measurement("growth", title, columns, tuple(rows), of_all)


def times(rounds: int, rows: int) -> int:
    """The largest size is measured once: it takes a minute or more, and so has little noise."""
    return 1 if rows in {sizes[-1] for sizes in SIZES.values()} else rounds


def ratios(name: str, found: dict[int, Found]) -> dict[str, float]:
    """The growth of the cost of a row, and of the memory, from the middle size to the largest, ten times as many."""
    _, fewer, more = SIZES[name]
    by_row = {rows: one["cpu_seconds"] / rows for rows, one in found.items()}
    return {
        f"{name}_cpu": by_row[more] / by_row[fewer],
        f"{name}_memory": found[more]["peak_mib"] / found[fewer]["peak_mib"],
    }


def cells(name: str, rows: int, found: Found) -> tuple[str, ...]:
    seconds = found["cpu_seconds"]
    return (name, f"{rows:,}", f"{seconds:.2f}", f"{seconds / rows * 1e6:.0f}", f"{found['peak_mib']:.1f}")


def medians(runs: list[Found]) -> Found:
    return {name: median(one[name] for one in runs) for name in runs[0]}


def find_due(rows: int) -> Found:
    with long_index(WARM_UP) as small, long_index(rows) as large:
        return in_worker({"find_due": {str(WARM_UP): small, str(rows): large}})


def sync_accounts(accounts: int) -> Found:
    with TemporaryDirectory() as folder:
        workdir = Workdir(Path(folder))
        with (
            hold(workdir) as lock,
            services.sandbox(workdir, lock=lock) as (url, _),
            services.emulator(workdir, choose_port(), lock=lock) as (aws, _),
        ):
            client(aws, "dynamodb").create_table(**table_definition(TABLE))
            known = json.loads((workdir.sandbox / "secrets.json").read_text())
            secrets = {**stored_secrets(known), "index": {"key": "a key"}}
            for name in ("matchtrade", "index"):
                text = json.dumps(secrets[name])
                client(aws, "secretsmanager").create_secret(Name=f"{PREFIX}/{name}", SecretString=text)
            Remote(url).add_accounts(accounts, start="2019-01-01T00:00:00Z", foreign=True)
            found = in_worker({"sync_accounts": aws.url})
            pages = client(aws, "dynamodb").get_paginator("scan").paginate(TableName=TABLE, Select="COUNT")
            if sum(page["Count"] for page in pages) < accounts:
                raise SystemExit(f"fewer than {accounts} accounts were stored")
            return found


def client(aws: Emulator, service: str) -> Any:
    session: Any = aws.session
    return session.client(service, endpoint_url=aws.url, config=CONFIG)


def in_worker(task: dict[str, Any]) -> Found:
    """Run a task in a new process."""
    command, env = [sys.executable, "-m", "quality.benchmarks.growth"], {**os.environ, WORKER: json.dumps(task)}
    done = subprocess.run(command, env={**env, **ENVIRONMENT}, cwd=PROJECT, check=True, stdout=subprocess.PIPE)
    return dict(json.loads(done.stdout.splitlines()[-1]))


@contextmanager
def long_index(rows: int) -> Iterator[str]:
    """The URL of an index with this number of rows."""
    command = [sys.executable, "-m", "quality.benchmarks.long_index", str(rows)]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as served:
        try:
            assert served.stdout is not None
            yield served.stdout.readline().strip()
        finally:
            served.terminate()


def work(task: dict[str, Any]) -> Found:
    """The task of a worker."""
    with TemporaryDirectory() as folder:
        use_configuration(Path(folder))
        if "find_due" in task:
            began = [queue_all(int(rows), url) for rows, url in task["find_due"].items()][-1]
        else:
            began = sync_all(task["sync_accounts"])
    return {"cpu_seconds": time.process_time() - began, "peak_mib": peak_mib()}


def queue_all(rows: int, url: str) -> float:
    """Run find_due once. Returns the CPU time before it."""
    from leadbridge.runtime import aws
    from leadbridge.services.checks.batch import BATCH

    queues = {
        name: f"{url}/000000000000/{name}"
        for name in ("QUEUE_URL", "MESSAGE_QUEUE_URL", "FETCH_QUEUE_URL", "FEEDBACK_QUEUE_URL")
    }
    os.environ |= {"AWS_ENDPOINT_URL": url, "MAX_QUEUED": str(rows), "MAX_QUEUED_CHECKS": str(rows), **queues}
    aws.reset_clients()
    app: Any = load("FindDue")
    began = time.process_time()
    queued = app.handler({}, Context())["queued"]
    if queued != ceil(rows / BATCH):
        raise SystemExit(f"{queued} messages were queued for {rows} rows")
    return began


def sync_all(url: str) -> float:
    """Run sync_accounts until the whole list is read. Returns the CPU time before it."""
    os.environ |= {"AWS_ENDPOINT_URL": url, "LEADBRIDGE_FLOW": "sync_accounts", "QUEUE_URL": f"{url}/0/unused"}
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


def main() -> int:
    if WORKER in os.environ:
        sys.stdout.write(json.dumps(work(json.loads(os.environ[WORKER]))) + "\n")
        return 0
    return run_alone(measure, rounds=ROUNDS, described=__doc__)


if __name__ == "__main__":
    sys.exit(main())

"""Whether what reads many rows costs as much by the row, however many they are, in memory that stays as it is.

python -m quality.benchmarks.growth [--rounds 3]

Each in a new process, at 1,000, 10,000 and 100,000 rows: find_due with everything due at once and a queue that takes
it all, on an index that answers every page in the same time; and sync_accounts's first reading of a broker with so
many accounts, on the emulated AWS. CPU time and memory are the function's own process's.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from devstack.clients import CREDENTIALS, REGION
from devstack.workdir import PROJECT
from leadbridge import settings
from quality.benchmarks import matchtrade_sync
from quality.benchmarks.flow import LongContext, loaded
from quality.benchmarks.measurement import Part, run_alone
from quality.benchmarks.processes import peak_mib
from tools.config import ship

ROUNDS = 3
SIZES = (1_000, 10_000, 100_000)
WARM_UP = 100  # rows that a process queues before it is measured
WORKER = "LEADBRIDGE_BENCHMARK_ROWS"

type Found = dict[str, float]


def measured(rounds: int) -> Iterator[Part]:
    """Both, at each size."""
    found = {
        "find_due": {rows: medians([due_at(rows) for _ in range(times(rounds, rows))]) for rows in SIZES},
        "sync_accounts": {rows: medians([synced(rows) for _ in range(times(rounds, rows))]) for rows in SIZES},
    }
    rows = [shown(name, size, one) for name, by_size in found.items() for size, one in by_size.items()]
    columns = ("", "rows", "CPU, s", "CPU by the row, µs", "peak memory, MiB")
    title = f"A process each, medians of {rounds}, the largest once"
    of_all = {line: ratio for name, by_size in found.items() for line, ratio in ratios(name, by_size).items()}
    yield Part("growth", title, columns, tuple(rows), of_all)


def times(rounds: int, rows: int) -> int:
    """How often a size is measured: what takes a minute is not noisy."""
    return 1 if rows == SIZES[-1] else rounds


def ratios(name: str, found: dict[int, Found]) -> dict[str, float]:
    """How the cost of a row, and the memory of all, grow over the last tenfold."""
    _, fewer, more = SIZES
    by_row = {rows: one["cpu_seconds"] / rows for rows, one in found.items()}
    return {
        f"{name}_cpu": by_row[more] / by_row[fewer],
        f"{name}_memory": found[more]["peak_mib"] / found[fewer]["peak_mib"],
    }


def shown(name: str, rows: int, found: Found) -> tuple[str, ...]:
    """A row of the table."""
    seconds = found["cpu_seconds"]
    return (name, f"{rows:,}", f"{seconds:.2f}", f"{seconds / rows * 1e6:.0f}", f"{found['peak_mib']:.1f}")


def medians(runs: list[Found]) -> Found:
    """The median of each figure."""
    return {name: median(one[name] for one in runs) for name in runs[0]}


def due_at(rows: int) -> Found:
    """A tick of find_due that queues so many rows, in a process of its own."""
    with long_index(WARM_UP) as small, long_index(rows) as large:
        env = {**os.environ, **CREDENTIALS, WORKER: json.dumps({str(WARM_UP): small, str(rows): large})}
        done = subprocess.run(
            [sys.executable, "-m", "quality.benchmarks.growth"],
            env=env,
            cwd=PROJECT,
            check=True,
            stdout=subprocess.PIPE,
        )
    found: Found = json.loads(done.stdout.splitlines()[-1])
    return found


@contextmanager
def long_index(rows: int) -> Iterator[str]:
    """The address of an index of so many rows, for as long as the block lasts."""
    command = [sys.executable, "-m", "quality.benchmarks.long_index", str(rows)]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as served:
        try:
            assert served.stdout is not None
            yield served.stdout.readline().strip()
        finally:
            served.terminate()


def tick(addresses: dict[str, str]) -> Found:
    """In the worker: a small tick first, then the large one."""
    with TemporaryDirectory() as shipped:
        ship(PROJECT / "config", Path(shipped))
        settings._SHIPPED = Path(shipped)
        for rows, address in addresses.items():
            began, queued = queue_all(int(rows), address)
    return {"cpu_seconds": time.process_time() - began, "peak_mib": peak_mib(), "rows": float(queued)}


def queue_all(rows: int, address: str) -> tuple[float, int]:
    """One tick against one index; when it began, in CPU time."""
    from leadbridge.runtime import aws

    os.environ |= {
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": address,
        "LEADBRIDGE_ENVIRONMENT": "prod",
        "MOST_WAITING": str(rows),
        "POWERTOOLS_LOG_LEVEL": "ERROR",
        "POWERTOOLS_METRICS_DISABLED": "true",
        "SECRETS_PREFIX": "leadbridge",
        "TABLE_NAME": "leads",
        **{name: f"{address}/000000000000/{name}" for name in ("QUEUE_URL", "MESSAGE_QUEUE_URL", "FETCH_QUEUE_URL")},
    }
    aws.forget()
    app: Any = loaded("FindDue")
    began = time.process_time()
    queued = app.handler({}, LongContext())["queued"]
    if queued != rows:
        raise SystemExit(f"{queued} of {rows} were queued")
    return began, queued


def synced(accounts: int) -> Found:
    """The first reading of a broker with so many accounts."""
    found = matchtrade_sync.measured(accounts, kills=(), again=False)
    if found["kept"] != accounts:
        raise SystemExit(f"{found['kept']} of {accounts} accounts were kept")
    first: Found = found["first"]
    return first


def main() -> int:
    """Measure and print, or be the process that is measured."""
    if WORKER in os.environ:
        sys.stdout.write(json.dumps(tick(json.loads(os.environ[WORKER]))) + "\n")
        return 0
    return run_alone(measured, rounds=ROUNDS, described=__doc__)


if __name__ == "__main__":
    sys.exit(main())

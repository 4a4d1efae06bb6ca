"""How many leads a second one process receives, stores and submits, and what CPU time and memory each takes.

python -m benchmarks.throughput [--rounds 400]

One lead after the other, warm: the form's post, the transaction, the queue's message, the lender's two calls, the
transactions of the submission. Every write is durable before the next step begins: the emulated table keeps what it
is given in memory, so each write that it took is also put into a journal on this disk and synced there. The rate is
that of the machine with the emulated AWS and the partners on it; CPU time and memory are this process's own.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryFile
from typing import Any
from unittest.mock import patch

from botocore.client import BaseClient

from benchmarks.part import Part, run_alone
from benchmarks.processes import peak_mib
from benchmarks.road import message, post, road
from benchmarks.stage import HOME

ROUNDS, WARM_UP = 400, 50
WRITES = {"TransactWriteItems", "PutItem", "UpdateItem"}


@contextmanager
def durable() -> Iterator[list[float]]:
    """Sync every write to disk before its caller goes on; the seconds that each sync took."""
    of_aws, took = BaseClient._make_api_call, []  # type: ignore[attr-defined]

    with TemporaryFile(dir=HOME.root) as journal:

        def writing(client: Any, operation: str, asked: dict[str, Any]) -> Any:
            answer = of_aws(client, operation, asked)
            if operation in WRITES:
                began = time.perf_counter()
                journal.write(json.dumps([operation, asked], default=str).encode() + b"\n")
                journal.flush()
                os.fsync(journal.fileno())
                took.append(time.perf_counter() - began)
            return answer

        with patch.object(BaseClient, "_make_api_call", writing):
            yield took


def measured(leads: int) -> Iterator[Part]:
    """Leads one after the other."""
    seconds: list[float] = []
    with road() as on, durable() as synced:
        for number, event in enumerate([post(number) for number in range(WARM_UP + leads)], 1):
            if number == WARM_UP + 1:
                cpu, before = time.process_time(), peak_mib()
                began = time.perf_counter()
                synced.clear()
            first = time.perf_counter()
            on.submitted(message(on.received(event)))
            seconds.append(time.perf_counter() - first)
        wall, cpu, after = time.perf_counter() - began, time.process_time() - cpu, peak_mib()
        deals = len(on.partners.deals())
    if deals != WARM_UP + leads:
        raise SystemExit(f"{WARM_UP + leads} leads have become {deals} deals")
    rows = (
        ("leads a second", f"{leads / wall:.1f}"),
        ("from the post to the written answer of the lender, median, ms", f"{statistics.median(seconds) * 1000:.1f}"),
        ("CPU of this process for a lead, ms", f"{cpu / leads * 1000:.2f}"),
        ("durable writes for a lead", f"{len(synced) / leads:.0f}"),
        ("one sync to disk, median, ms", f"{statistics.median(synced) * 1000:.2f}"),
        ("peak resident memory, MiB", f"{after:.1f}"),
        (f"of it grown over {leads} leads, KiB a lead", f"{(after - before) * 1024 / leads:.2f}"),
    )
    title = f"{leads} leads, one after the other, received, stored and submitted in one process"
    yield Part("throughput", title, ("", "measured"), rows, {"memory": after / before})


def main() -> int:
    """Measure and print."""
    return run_alone(measured, rounds=ROUNDS, described=__doc__)


if __name__ == "__main__":
    sys.exit(main())

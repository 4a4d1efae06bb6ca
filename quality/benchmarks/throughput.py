"""How many leads a second one process receives, stores and submits, and what CPU time and memory each takes.

python -m quality.benchmarks.throughput [--rounds 1000]

One lead after the other, warm: the form's post, the transaction, the queue's message, the lender's two calls, the
transactions of the submission. Every write is durable before the next step begins: the emulated table keeps what it
is given in memory, so each write that it took is also put into a journal on this disk and synced there. The rate is
that of the machine with the emulated AWS and the partners on it; CPU time and memory are this process's own.

What a lead leaves in memory is the slope of a line through the resident memory after every tenth of the later leads,
each time with what is free given back. What a start and the first leads leave is over by then; no peak hides a leak.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from tempfile import TemporaryFile
from typing import Any
from unittest.mock import patch

from botocore.client import BaseClient

from quality.benchmarks.measurement import Part, run_alone
from quality.benchmarks.processes import kept_kib, peak_mib
from quality.benchmarks.runtime_stack import HOME
from quality.benchmarks.submission_path import message, post, road

ROUNDS, WARM_UP = 1000, 50
EVERY = 10  # leads between two looks at the memory
FEWEST = 100  # that a line can be drawn through
LATER = 0.75  # of the leads, the last ones, that the line is drawn through
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
    leads = max(FEWEST, leads)
    seconds: list[float] = []
    cpu = 0.0
    memory: list[tuple[int, float]] = []
    with road() as on, durable() as synced:
        for number, event in enumerate([post(number) for number in range(WARM_UP + leads)], 1):
            if number == WARM_UP + 1:
                seconds.clear()
                synced.clear()
                cpu = 0.0
            first, before = time.perf_counter(), time.process_time()
            on.submitted(message(on.received(event)))
            seconds.append(time.perf_counter() - first)
            cpu += time.process_time() - before
            if number > WARM_UP and number % EVERY == 0:
                memory.append((number, kept_kib()))
        deals = len(on.partners.deals())
    if deals != WARM_UP + leads:
        raise SystemExit(f"{WARM_UP + leads} leads have become {deals} deals")
    left = left_by_each(memory)
    rows = (
        ("leads a second", f"{leads / sum(seconds):.1f}"),
        ("from the post to the written answer of the lender, median, ms", f"{statistics.median(seconds) * 1000:.1f}"),
        ("CPU of this process for a lead, ms", f"{cpu / leads * 1000:.2f}"),
        ("durable writes for a lead", f"{len(synced) / leads:.0f}"),
        ("one sync to disk, median, ms", f"{statistics.median(synced) * 1000:.2f}"),
        ("peak resident memory, MiB", f"{peak_mib():.1f}"),
        (f"left in memory by each of the last {LATER:.0%} of the leads, KiB", f"{left:.2f}"),
    )
    title = f"{leads} leads, one after the other, received, stored and submitted in one process"
    yield Part("throughput", title, ("", "measured"), rows, {"kib_a_lead": left})


def left_by_each(memory: Sequence[tuple[int, float]]) -> float:
    """KiB that a lead leaves: the slope of a line through (leads, KiB resident after them), of the later ones."""
    later = memory[len(memory) - max(2, round(len(memory) * LATER)) :]
    return statistics.linear_regression(*zip(*later, strict=True)).slope


def main() -> int:
    """Measure and print."""
    return run_alone(measured, rounds=ROUNDS, described=__doc__)


if __name__ == "__main__":
    sys.exit(main())

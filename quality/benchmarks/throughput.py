"""How many leads a second one process receives, stores and submits, and what CPU time and memory each takes.

One lead after the other, warm. The emulated table is in memory, so each write is also synced to a journal on disk. The
rate is that of the machine including the emulated AWS and the partners; CPU time and memory are this process's.
"""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Iterator, Sequence
from tempfile import TemporaryFile

from quality.benchmarks.measurement import Measurement
from quality.benchmarks.processes import peak_mib, resident_kib
from quality.benchmarks.stack import HOME, environment, observed, post, submission
from quality.testkit.lambda_runtime.cloud import Event

WARM_UP = 50
EVERY = 10  # leads between two samples of the memory
MIN_LEADS = 100  # for a line
LATER = 0.75  # the share of the leads, the last ones, for the line
WRITES = {"TransactWriteItems", "PutItem", "UpdateItem"}


def measure(leads: int) -> Iterator[Measurement]:
    leads = max(MIN_LEADS, leads)
    seconds, cpu, synced = list[float](), list[float](), list[float]()
    memory: list[tuple[int, float]] = []
    with environment("ReceiveLead", "SubmitLead") as on, TemporaryFile(dir=HOME.root) as journal:

        def sync(_service: str, operation: str, request: Event, _answer: Event) -> None:
            if operation in WRITES:
                began = time.perf_counter()
                journal.write(json.dumps([operation, request], default=str).encode() + b"\n")
                journal.flush()
                os.fsync(journal.fileno())
                synced.append(time.perf_counter() - began)

        with observed(sync):
            for number, event in enumerate([post(number) for number in range(WARM_UP + leads)], 1):
                if number == WARM_UP + 1:
                    for values in (seconds, cpu, synced):
                        values.clear()
                first, before = time.perf_counter(), time.process_time()
                on.submit(submission(on.receive(event)))
                seconds.append(time.perf_counter() - first)
                cpu.append(time.process_time() - before)
                if number > WARM_UP and number % EVERY == 0:
                    memory.append((number, resident_kib()))
        deals = len(on.partners.deals())
    if deals != WARM_UP + leads:
        raise SystemExit(f"{WARM_UP + leads} leads have become {deals} deals")
    left = left_by_each(memory)
    rows = (
        ("leads a second", f"{leads / sum(seconds):.1f}"),
        ("from the post to the written answer of the lender, median, ms", f"{statistics.median(seconds) * 1000:.1f}"),
        ("CPU of this process for a lead, ms", f"{sum(cpu) / leads * 1000:.2f}"),
        ("durable writes for a lead", f"{len(synced) / leads:.0f}"),
        ("one sync to disk, median, ms", f"{statistics.median(synced) * 1000:.2f}"),
        ("peak resident memory, MiB", f"{peak_mib():.1f}"),
        (f"left in memory by each of the last {LATER:.0%} of the leads, KiB", f"{left:.2f}"),
    )
    title = f"{leads} leads, one after the other, received, stored and submitted in one process"
    yield Measurement("throughput", title, ("", "measured"), rows, {"kib_a_lead": left})


def left_by_each(memory: Sequence[tuple[int, float]]) -> float:
    """KiB that a lead leaves: the slope of a line through (leads, resident KiB) of the later leads."""
    later = memory[len(memory) - max(2, round(len(memory) * LATER)) :]
    return statistics.linear_regression(*zip(*later, strict=True)).slope

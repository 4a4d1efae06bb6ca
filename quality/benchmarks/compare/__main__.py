"""`make bench-compare`: leadbridge, n8n and Node-RED with the same flow, in one run on one machine.

The systems take turns in rounds, so that a disturbance of the machine affects all. Exits with 1 if leadbridge's CPU
time for a lead is over its share of n8n's in quality/benchmarks/budget.toml.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from itertools import count, islice
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Any

from devstack.workdir import LocalError, wait_until
from quality.benchmarks.__main__ import show, verdict
from quality.benchmarks.compare.systems import FOLDER, VERSIONS, Leadbridge, Server, System, install, missing
from quality.benchmarks.report import Measurement
from quality.benchmarks.shipped import LENDER, data
from quality.benchmarks.stack import Servers, cpu_seconds, peak_mib, runtime_stack, under

NAME = "compare"
CONCURRENCY = 16
ALONE, BUSY = 100, 170  # leads of a round, one after the other and at this concurrency
TIMEOUT = 180.0  # seconds for all leads of a phase to reach the partner
# A system is idle when it used less than this share of a core for so long. The wait for that is limited.
IDLE_SHARE, IDLE_SECONDS, IDLE_TIMEOUT = 0.1, 0.4, 30.0

type Phases = Sequence[Phase]


@dataclass(frozen=True)
class Phase:
    """What a number of leads took. CPU in milliseconds for a lead; latencies in seconds, by lead."""

    cpu: float
    aws_cpu: float
    rate: float
    latencies: tuple[float, ...]


def run(servers: Servers, system: System, numbers: Sequence[int], concurrency: int) -> Phase:
    """Post leads: so many at a time, or each when the partner has the one before."""

    def deals() -> list[dict[str, Any]]:
        return servers.partners.rows("leadleader/deals")

    def wait_for(amount: int) -> None:
        otherwise = f"{amount} leads did not reach the partner in {TIMEOUT:g} s."
        wait_until(lambda: len(deals()) >= amount, timeout=TIMEOUT, interval=0.01, otherwise=otherwise)

    def send(number: int) -> None:
        posted[number] = time.time()
        system.post(number)

    def aws_cpu() -> float:
        return cpu_seconds(under(servers.aws_child.guard.pid))

    servers.partners.reset()
    posted: dict[int, float] = {}
    before, aws = idle(system), aws_cpu()
    if concurrency == 1:
        for done, number in enumerate(numbers, 1):
            send(number)
            wait_for(done)
    else:
        with ThreadPoolExecutor(concurrency) as senders:
            list(senders.map(send, numbers))
        wait_for(len(numbers))
    used = idle(system) - before
    received = [(int(one["clientInfo"]["telephone"][3:]), one["created_at"]) for one in deals()]
    created = {number: datetime.fromisoformat(at).timestamp() for number, at in received}
    if sorted(number for number, _ in received) != sorted(numbers):
        raise LocalError(f"{len(numbers)} leads have become {len(received)} deals")
    return Phase(
        used / len(numbers) * 1000,
        (aws_cpu() - aws) / len(numbers) * 1000,
        len(numbers) / (max(created.values()) - min(posted.values())),
        tuple(created[number] - at for number, at in posted.items()),
    )


def idle(system: System) -> float:
    """Wait until a system has finished its work for the last lead. Returns its CPU seconds so far."""
    deadline, used = time.monotonic() + IDLE_TIMEOUT, cpu_seconds(system.processes())
    while time.monotonic() < deadline:
        time.sleep(IDLE_SECONDS)
        before, used = used, cpu_seconds(system.processes())
        if used - before < IDLE_SHARE * IDLE_SECONDS:
            break
    return used


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m quality.benchmarks.compare", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="rounds (3)")
    parser.add_argument("--write", action="store_true", help="update the table in docs/benchmarks.md")
    given = parser.parse_args(arguments)
    if reason := missing():
        print(f"Skipped: {reason}.")
        return 0
    try:
        install()
        found = measure(max(1, given.rounds))
    except LocalError as error:
        print(error, file=sys.stderr)
        return 1
    show(found.title, found.columns, found.rows)
    return int(verdict([found], [NAME], write=given.write))


def measure(rounds: int) -> Measurement:
    numbers = count(1)  # each lead has its own in the whole run
    with (
        runtime_stack() as (servers, workshop),
        TemporaryDirectory(prefix="run-", dir=FOLDER) as runs,
        ExitStack() as stack,
    ):
        secret = {**servers.secrets[LENDER], "webhook_token": "a token of the benchmark"}
        systems: list[System] = [Leadbridge(stack, workshop, servers.backend().cloud, CONCURRENCY)]
        systems += [Server(name, stack, Path(runs), secret, lock=servers.lock) for name in ("n8n", "node-red")]
        phases: dict[str, tuple[list[Phase], list[Phase]]] = {system.name: ([], []) for system in systems}
        for number, system in enumerate(systems * (rounds + 1)):
            for found, amount, at_once in zip(phases[system.name], (ALONE, BUSY), (1, CONCURRENCY), strict=True):
                phase = run(servers, system, list(islice(numbers, amount)), at_once)
                if number >= len(systems):  # the first round is the warm-up
                    found.append(phase)
                # A system that is not warm yet improves from round to round.
                print(f"{system.name}, {at_once} at a time: {phase.cpu:.1f} ms of CPU for a lead", flush=True)
        peaks = {system.name: [mib for pid in system.processes() if (mib := peak_mib(pid))] for system in systems}
    return table(phases, peaks, rounds)


def table(phases: Mapping[str, tuple[Phases, Phases]], peaks: Mapping[str, list[float]], rounds: int) -> Measurement:
    """Compare the phases: one lead after the other, and many at a time. `peaks` are MiB by process."""

    def row(title: str, value: Callable[[Phases], float], at_once: int, digits: int = 0) -> tuple[str, ...]:
        return (title, *(f"{value(both[at_once > 1]):,.{digits}f}" for both in phases.values()))

    def rate(found: Phases) -> float:
        return median(one.rate for one in found)

    ours, n8ns, *_ = phases.values()
    shares = [cpu(our) / cpu(its) for our, its in zip(ours, n8ns, strict=True)]
    others = [""] * (len(phases) - 1)
    published = data("measurements.json")["functions"]["PublishChanges"]["cpu_ms"]
    many = f"concurrency {CONCURRENCY}"
    rows = (
        row("CPU for a lead, one after the other, ms", cpu, 1, 1),
        row(f"CPU for a lead, {many}, ms", cpu, CONCURRENCY, 1),
        ("publish_changes in addition, in the benchmark's process, ms", f"{published:.1f}", *others),
        ("the emulated AWS in addition, ms", f"{median(one.aws_cpu for one in ours[1]):.1f}", *others),
        row("leads a second of CPU time", lambda found: 1000 / cpu(found), CONCURRENCY),
        row(f"leads a second, {many}, on this machine with everything else", rate, CONCURRENCY),
        row("post to partner, one after the other, median, ms", lambda found: median(latencies(found)), 1),
        row("95th percentile", late, 1),
        row(f"post to partner, {many}, median, ms", lambda found: median(latencies(found)), CONCURRENCY),
        row("95th percentile", late, CONCURRENCY),
        ("processes", *(str(len(peaks[name])) for name in phases)),
        ("peak resident memory, all of them, MiB", *(f"{sum(peaks[name]):,.0f}" for name in phases)),
    )
    leads = f"{rounds * ALONE} leads of each system one after the other, {rounds * BUSY} at {many}"
    title = f"{leads}, in turns; Node.js {VERSIONS['node']}"
    return Measurement(NAME, title, ("", *phases), rows, {"cpu_of_n8n": max(shares)})


def cpu(phases: Phases) -> float:
    return median(one.cpu for one in phases)


def latencies(phases: Phases) -> list[float]:
    """Milliseconds from the post to the partner."""
    return [seconds * 1000 for one in phases for seconds in one.latencies]


def late(phases: Phases) -> float:
    return quantiles(latencies(phases), n=20, method="inclusive")[-1]


if __name__ == "__main__":
    sys.exit(main())

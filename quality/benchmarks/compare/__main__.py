"""`make bench-compare`: leadbridge, n8n and Node-RED with the same flow, in one run on one machine.

The systems take turns in rounds, so that a disturbance of the machine affects all. Exits with 1 if leadbridge's CPU
time for a lead is over its share of n8n's in quality/benchmarks/budget.toml.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory

from devstack.workdir import LocalError
from quality.benchmarks.__main__ import show, verdict
from quality.benchmarks.compare.install import FOLDER, VERSIONS, install, missing
from quality.benchmarks.compare.load import Load, Phase
from quality.benchmarks.compare.systems import Leadbridge, Server, System
from quality.benchmarks.processes import peak_mib
from quality.benchmarks.report import Measurement
from quality.benchmarks.shipped import LENDER, data
from quality.benchmarks.stack import runtime_stack

NAME = "compare"
CONCURRENCY = 16
ALONE, BUSY = 100, 170  # leads of a round, one after the other and at this concurrency
WARM_UP = 200  # leads of each system before the first round
TOKEN = "a token of the benchmark alone"

type Phases = Sequence[Phase]


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
    show(found.title, found.columns, ((row, "") for row in found.rows))
    return int(verdict([found], [NAME], write=given.write))


def measure(rounds: int) -> Measurement:
    with ExitStack() as stack:
        servers, workshop = stack.enter_context(runtime_stack())
        load = Load(servers.partners, servers.aws_child.guard.pid)
        secret = {**servers.secrets[LENDER], "webhook_token": TOKEN}
        runs = Path(stack.enter_context(TemporaryDirectory(prefix="run-", dir=FOLDER)))
        ours = Leadbridge(stack, workshop, servers.backend().cloud, CONCURRENCY)
        ours.warm_up(load.numbers(CONCURRENCY))
        theirs = [Server(name, stack, runs, secret, lock=servers.lock) for name in ("n8n", "node-red")]
        systems: list[System] = [ours, *theirs]
        for system in systems:
            load.run(system, ALONE, 1)
            load.run(system, WARM_UP, CONCURRENCY)
        phases: dict[str, tuple[list[Phase], list[Phase]]] = {system.name: ([], []) for system in systems}
        for system in systems * rounds:
            for found, amount, at_once in zip(phases[system.name], (ALONE, BUSY), (1, CONCURRENCY), strict=True):
                found.append(load.run(system, amount, at_once))
                # A system that is not warm yet improves from round to round.
                print(f"{system.name}, {at_once} at a time: {found[-1].cpu:.1f} ms of CPU for a lead", flush=True)
        peaks = {system.name: [mib for pid in system.processes() if (mib := peak_mib(pid))] for system in systems}
    return table(phases, peaks, rounds)


def table(phases: Mapping[str, tuple[Phases, Phases]], peaks: Mapping[str, list[float]], rounds: int) -> Measurement:
    """Compare the phases: one lead after the other, and many at a time. `peaks` are MiB by process."""

    def row(title: str, value: Callable[[Phases], float], at_once: int, digits: int = 0) -> tuple[str, ...]:
        return (title, *(f"{value(both[at_once > 1]):,.{digits}f}" for both in phases.values()))

    def only_ours(title: str, value: float) -> tuple[str, ...]:
        return (title, *(f"{value:.1f}" if name == "leadbridge" else "" for name in phases))

    shares = [cpu(ours) / cpu(n8ns) for ours, n8ns in zip(phases["leadbridge"], phases["n8n"], strict=True)]
    published = data("measurements.json")["functions"]["PublishChanges"]["cpu_ms"]
    many = f"concurrency {CONCURRENCY}"
    rows = (
        row("CPU for a lead, one after the other, ms", cpu, 1, 1),
        row(f"CPU for a lead, {many}, ms", cpu, CONCURRENCY, 1),
        only_ours("publish_changes in addition, in the benchmark's process, ms", published),
        only_ours("the emulated AWS in addition, ms", median(one.aws_cpu for one in phases["leadbridge"][1])),
        row("leads a second of CPU time", lambda found: 1000 / cpu(found), CONCURRENCY),
        row(
            f"leads a second, {many}, on this machine with everything else",
            lambda found: median(one.rate for one in found),
            CONCURRENCY,
        ),
        row("post to partner, one after the other, median, ms", lambda found: median(latencies(found)), 1),
        row("95th percentile", late, 1),
        row(f"post to partner, {many}, median, ms", lambda found: median(latencies(found)), CONCURRENCY),
        row("95th percentile", late, CONCURRENCY),
        ("processes", *(str(len(peaks[name])) for name in phases)),
        ("peak resident memory, all of them, MiB", *(f"{sum(peaks[name]):,.0f}" for name in phases)),
    )
    titles = {"n8n": f"n8n {VERSIONS['n8n']}", "Node-RED": f"Node-RED {VERSIONS['node-red']}"}
    leads = f"{rounds * ALONE} leads of each system one after the other, {rounds * BUSY} at {many}"
    columns = ("", *(titles.get(name, name) for name in phases))
    title = f"{leads}, in turns; Node.js {VERSIONS['node']}"
    return Measurement(NAME, title, columns, rows, {"cpu_of_n8n": max(shares)})


def cpu(phases: Phases) -> float:
    return median(one.cpu for one in phases)


def latencies(phases: Phases) -> list[float]:
    """Milliseconds from the post to the partner."""
    return [seconds * 1000 for one in phases for seconds in one.latencies]


def late(phases: Phases) -> float:
    return quantiles(latencies(phases), n=20, method="inclusive")[-1]


if __name__ == "__main__":
    sys.exit(main())

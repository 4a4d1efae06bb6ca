"""`make bench-compare`: leadbridge, n8n and Node-RED with the same flow, in one run on one machine.

python -m quality.benchmarks.compare [--rounds 3] [--alone 100] [--busy 170] [--write]

The flow: a form's post, its validation, Lead Leader's authorization (two RSA encryptions, two signatures), the create
at the same partner sandbox. n8n and Node-RED are installed from npm, in the versions of versions.toml. The systems take
turns in rounds, so that a disturbance of the machine affects all. Exits with 1 if leadbridge's CPU time for a lead is
over its share of n8n's in quality/benchmarks/budget.toml. `--write` updates the table in docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from devstack.workdir import LocalError
from quality.benchmarks import page
from quality.benchmarks.__main__ import show
from quality.benchmarks.budget import check, limits
from quality.benchmarks.compare.functions import Leadbridge
from quality.benchmarks.compare.install import FOLDER, install, missing, versions
from quality.benchmarks.compare.rounds import (
    CONCURRENCY,
    CONFIRMED,
    KILLS,
    PARTNER_SECONDS,
    POSTED,
    Load,
    Losses,
    Usage,
)
from quality.benchmarks.compare.servers import N8n, NodeRed, System
from quality.benchmarks.compare.usage import cpu_seconds, peak_memory, wait_until_idle
from quality.benchmarks.measurement import Measurement
from quality.benchmarks.runtime_stack import runtime_stack

NAME = "compare"
WARM_UP = 200  # leads of each system before the first round
TOKEN = "a token of the benchmark alone"
PUBLISHED = 100  # leads whose changes are published


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m quality.benchmarks.compare", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--rounds", type=int, default=3, help="rounds (3)")
    parser.add_argument("--alone", type=int, default=100, help="leads one after the other in a round (100)")
    parser.add_argument("--busy", type=int, default=170, help=f"leads at concurrency {CONCURRENCY} in a round (170)")
    parser.add_argument("--write", action="store_true", help="update the table in docs/benchmarks.md")
    given = parser.parse_args(arguments)
    if reason := missing():
        print(f"Skipped: {reason}.")
        return 0
    try:
        install()
        measured = measure(max(1, given.rounds), max(1, given.alone), max(CONCURRENCY, given.busy))
    except LocalError as error:
        print(error, file=sys.stderr)
        return 1
    measured.show(Console())
    lines = check({NAME: measured.ratios}, limits(), {NAME})
    show(lines)
    if given.write:
        page.write({NAME: measured})
    return int(any(line.verdict.is_bad for line in lines))


def measure(rounds: int, alone: int, busy: int) -> Measurement:
    with ExitStack() as stack:
        set_up = stack.enter_context(runtime_stack())
        assert set_up.aws_child is not None
        load = Load(set_up.partners, set_up.aws_child.guard.pid)
        secret = {**set_up.secrets["leadleader"], "webhook_token": TOKEN}
        runs = Path(stack.enter_context(TemporaryDirectory(prefix="run-", dir=FOLDER)))
        lock = set_up.workshop.lock
        ours = Leadbridge(stack, set_up, CONCURRENCY)
        n8n = N8n(stack, runs / "n8n", secret, lock=lock)
        systems: list[System] = [ours, n8n, NodeRed(stack, runs / "node-red", secret, lock=lock)]
        ours.warm_up(load.numbers(CONCURRENCY))
        for system in systems:
            load.run(system, Usage(), alone, WARM_UP)
        usages = {system.name: Usage() for system in systems}
        for _ in range(rounds):
            for system in systems:
                load.run(system, usages[system.name], alone, busy)
                report(system, usages[system.name])
        memory = {one.name: (len(one.processes()), peak_memory(one.processes())) for one in systems}
        published = publishing(ours)
        losses = {(one.name, at_end): load.kill(one, at_end=at_end) for one in systems for at_end in one.answers}
    return table(usages, memory, losses, published, rounds * alone, rounds * busy)


def report(system: System, usage: Usage) -> None:
    """Print a round's CPU time: a system that is not warm yet improves from round to round."""
    print(
        f"{system.name}: {usage.alone_cpu[-1]:.1f} and {usage.busy_cpu[-1]:.1f} ms of CPU for a lead, one after the "
        f"other and at concurrency {CONCURRENCY}",
        file=sys.stderr,
        flush=True,
    )


def publishing(ours: Leadbridge) -> float:
    """CPU milliseconds of publish_changes for a lead."""
    numbers = list(ours.leads)[-PUBLISHED:]
    ours.publish_all(numbers[:10])
    before = wait_until_idle(ours.publishers)
    ours.publish_all(numbers)
    return (cpu_seconds(ours.publishers()) - before) / len(numbers) * 1000


def table(
    usages: Mapping[str, Usage],
    memory: Mapping[str, tuple[int, float]],
    losses: Mapping[tuple[str, bool], Losses],
    published: float,
    alone: int,
    busy: int,
) -> Measurement:
    names = list(usages)
    ours, n8n = usages["leadbridge"], usages["n8n"]
    share = max(middle(ours.alone_cpu) / middle(n8n.alone_cpu), middle(ours.busy_cpu) / middle(n8n.busy_cpu))

    def row(title: str, value: Callable[[Usage], str]) -> tuple[str, ...]:
        return (title, *(value(usages[name]) for name in names))

    def only_ours(title: str, value: float) -> tuple[str, ...]:
        return (title, *(f"{value:.1f}" if name == "leadbridge" else "" for name in names))

    rows = [
        row("CPU for a lead, one after the other, ms", lambda one: f"{middle(one.alone_cpu):.1f}"),
        row(f"CPU for a lead, concurrency {CONCURRENCY}, ms", lambda one: f"{middle(one.busy_cpu):.1f}"),
        only_ours("publish_changes in addition, ms", published),
        only_ours("the emulated AWS in addition, ms", middle(ours.busy_aws_cpu)),
        row("leads a second of CPU time", lambda one: f"{1000 / middle(one.busy_cpu):.0f}"),
        row(
            f"leads a second, concurrency {CONCURRENCY}, on this machine with everything else",
            lambda one: f"{middle(one.rate):.0f}",
        ),
        row("post to partner, one after the other, median, ms", lambda one: f"{middle(one.alone_latency) * 1000:.0f}"),
        row("95th percentile", lambda one: f"{late(one.alone_latency) * 1000:.0f}"),
        row(
            f"post to partner, concurrency {CONCURRENCY}, median, ms",
            lambda one: f"{middle(one.busy_latency) * 1000:.0f}",
        ),
        row("95th percentile", lambda one: f"{late(one.busy_latency) * 1000:.0f}"),
        ("processes", *(str(memory[name][0]) for name in names)),
        ("peak resident memory, all of them, MiB", *(f"{memory[name][1]:,.0f}" for name in names)),
    ]
    for at_end in (False, True):
        when = "answers when the partner has the lead" if at_end else "answers when the lead is valid"
        found = [losses.get((name, at_end)) for name in names]
        rows += [
            (f"killed, {when}: confirmed leads", *cells(found, lambda one: str(one.confirmed))),
            ("… did not reach the partner", *cells(found, lambda one: f"**{one.lost}**")),
            ("… of these, still in its storage", *cells(found, lambda one: str(one.recorded))),
            ("… reached the partner twice", *cells(found, lambda one: f"**{one.twice}**")),
            (
                "… listed for a person to check",
                *cells(found, lambda one: "no list" if one.unsettled is None else str(one.unsettled)),
            ),
        ]
    installed = versions()
    titles = {"n8n": f"n8n {installed['n8n']}", "Node-RED": f"Node-RED {installed['node-red']}"}
    title = (
        f"{alone} leads of each system one after the other, {busy} at concurrency {CONCURRENCY}, in turns; "
        f"Node.js {installed['node']}"
    )
    note = (
        f"Killed, {KILLS} times: SIGKILL when {CONFIRMED} of {POSTED} leads are confirmed, and the partner takes "
        f"{PARTNER_SECONDS:g} s for each call; then a restart, and a second post of each unconfirmed lead."
    )
    columns = ("", *(titles.get(name, name) for name in names))
    return Measurement(NAME, title, columns, tuple(rows), {"cpu_of_n8n": share}, (note,))


def cells(found: Sequence[Losses | None], value: Callable[[Losses], str]) -> list[str]:
    return ["–" if one is None else value(one) for one in found]


def middle(values: Sequence[float]) -> float:
    return statistics.median(values)


def late(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=20, method="inclusive")[-1]


if __name__ == "__main__":
    sys.exit(main())

"""`make bench`: all measurements, each in its own process, and whether they are within quality/benchmarks/budget.toml.

Exit 1 if a ratio is over its limit, or missing.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module

from rich.console import Console
from rich.table import Table

from quality.benchmarks import report
from quality.benchmarks.report import BUDGET, GOOD, Measurement, Rows, Verdict, check, limits
from quality.benchmarks.stack import in_new_process

# The measurements: the module, the rounds, and the tables of the budget. What a round is, each module says.
RUNS = {
    "cold": ("cold", 12, ("cold", "memory")),
    "warm": ("leads", 150, ("warm",)),
    "throughput": ("leads", 1000, ("throughput",)),
    "reception": ("leads", 150, ("reception",)),
    "growth": ("growth", 3, ("growth",)),
    "lists": ("growth", 10, ("lists",)),
    "cadence": ("cadence", 1000, ("cadence",)),
    "checks": ("cadence", 2, ("checks",)),
    "hot_keys": ("hot_keys", 1, ("keys",)),
    "cost": ("cost", 1, ("cost",)),
}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m quality.benchmarks", description=__doc__)
    parser.add_argument("--only", default=",".join(RUNS), help="some of: " + ", ".join(RUNS))
    parser.add_argument("--scale", type=float, default=1.0, help="the share of the usual rounds")
    parser.add_argument("--write", action="store_true", help="update the tables in docs/benchmarks.md")
    given = parser.parse_args(arguments)
    names = [name.strip() for name in given.only.split(",") if name.strip()]
    if unknown := [name for name in names if name not in RUNS]:
        parser.error(f"unknown measurements: {', '.join(unknown)}; there are {', '.join(RUNS)}")
    found = [one for name in names for one in run(name, given.scale)]
    is_broken = verdict(found, [part for name in names for part in RUNS[name][2]], write=given.write)
    if others := report.of_other_code():
        print(f"Tables of other code: {', '.join(others)}. Update: make bench WRITE=1 (compare: make bench-compare).")
    return int(is_broken)


def run(name: str, scale: float) -> list[Measurement]:
    module, rounds, _ = RUNS[name]
    work: Callable[[int], list[Measurement]] = getattr(import_module(f"quality.benchmarks.{module}"), name)
    found = in_new_process(work, max(1, round(rounds * scale)))
    for one in found:
        show(one.title, one.columns, one.rows)
    return found


def verdict(found: Sequence[Measurement], parts: Iterable[str], *, write: bool) -> bool:
    """Print the verdict on each ratio, and optionally write the tables. Returns whether the budget is broken."""
    ratios: dict[str, dict[str, float]] = {part: {} for part in parts}
    lines = check(ratios | {one.name: one.ratios for one in found}, limits())
    show("the budget", BUDGET, lines)
    if write:
        report.write(found)
    return any(line[-1] not in GOOD for line in lines)


def show(title: str, columns: Sequence[str], rows: Rows) -> None:
    table = Table(*columns, title=title, title_justify="left")
    table.columns[0].overflow = "fold"
    for row in rows:
        table.add_row(*row, style="bold red" if row[-1] in {*Verdict} - GOOD else "")
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main())

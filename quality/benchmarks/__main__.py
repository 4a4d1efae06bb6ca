"""`make bench`: all measurements, and whether they are within the budget.

Each module runs in its own process and prints its table. Then every ratio is compared with
quality/benchmarks/budget.toml; exit 1 if one is over its limit, or missing.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

from devstack.workdir import PROJECT
from quality.benchmarks import page
from quality.benchmarks.budget import check, limits
from quality.benchmarks.measurement import JSON, Measurement

# The modules, their rounds, and the tables of the budget that each measures. What a round is, each module says.
RUNS = {
    "cold": (12, ("cold", "memory")),
    "warm": (150, ("warm",)),
    "throughput": (1000, ("throughput",)),
    "reception": (150, ("reception",)),
    "growth": (3, ("growth",)),
    "lists": (10, ("lists",)),
    "cadence": (1000, ("cadence",)),
    "checks": (2, ("checks",)),
    "hot_keys": (1, ("keys",)),
    "cost": (1, ("cost",)),
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
    measured = {one.name: one for name in names for one in run(name, given.scale)}
    is_bad = verdict(measured, {part for name in names for part in RUNS[name][1]}, write=given.write)
    if others := page.of_other_code():
        print(f"Tables in docs/benchmarks.md of other code: {', '.join(others)}. Update them: make bench WRITE=1.")
        if "compare" in others:
            print("For the table compare: make bench-compare WRITE=1.")
    return int(is_bad)


def run(name: str, scale: float) -> list[Measurement]:
    """Run one module. An error stops everything."""
    rounds, produced = RUNS[name]
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "quality.benchmarks.measurement", name, str(max(1, round(rounds * scale)))]
        subprocess.run([*command, folder], cwd=PROJECT, check=True)
        return [JSON.validate_json((Path(folder) / f"{one}.json").read_bytes()) for one in produced]


def verdict(measured: Mapping[str, Measurement], parts: set[str], *, write: bool) -> bool:
    """Print the verdict on each ratio, and optionally write the tables. Returns whether the budget is broken."""
    lines = check({name: one.ratios for name, one in measured.items()}, limits(), parts)
    table = Table(*page.BUDGET, title="the budget", title_justify="left")
    for line in lines:
        table.add_row(*line.cells(), style="bold red" if line.verdict.is_bad else "")
    Console().print(table)
    if write:
        page.write(measured)
    return any(line.verdict.is_bad for line in lines)


if __name__ == "__main__":
    sys.exit(main())

"""`make bench`: everything that is measured, one part after the other, and whether it stays within the budget.

python -m quality.benchmarks [--only cold,warm] [--scale 1.0] [--write]

Each part runs in a process of its own, and prints its table. Then every ratio is held against
quality/benchmarks/budget.toml; exit 1 if one is broken, or missing. `--scale 0.3` takes 0.3 times as many rounds,
quicker and less sure. `--write` puts the tables into docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

from devstack.workdir import PROJECT
from quality.benchmarks import cold, growth, page, reception, throughput, warm
from quality.benchmarks.budget import Line, check, limits
from quality.benchmarks.measurement import Part

# What is run, how many rounds of it are enough, and the parts of the budget that come of it.
RUNS = {
    "cold": (cold.ROUNDS, ("cold", "memory")),
    "warm": (warm.ROUNDS, ("warm",)),
    "throughput": (throughput.ROUNDS, ("throughput",)),
    "reception": (reception.ROUNDS, ("reception",)),
    "growth": (growth.ROUNDS, ("growth",)),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, check, write."""
    parser = argparse.ArgumentParser(prog="python -m quality.benchmarks", description=__doc__)
    parser.add_argument("--only", default=",".join(RUNS), help="some of: " + ", ".join(RUNS))
    parser.add_argument("--scale", type=float, default=1.0, help="how many rounds, of those that are enough")
    parser.add_argument("--write", action="store_true", help="write the tables into docs/benchmarks.md")
    given = parser.parse_args(arguments)
    names = [name.strip() for name in given.only.split(",") if name.strip()]
    if unknown := [name for name in names if name not in RUNS]:
        parser.error(f"there is no {', '.join(unknown)}")
    parts = {part.name: part for name in names for part in run(name, given.scale)}
    lines = check(
        {name: part.ratios for name, part in parts.items()}, limits(), {one for name in names for one in RUNS[name][1]}
    )
    show(lines)
    if given.write:
        page.write(parts)
    if others := page.of_other_code():
        print(f"docs/benchmarks.md has tables of other code than this: {', '.join(others)} (make bench WRITE=1)")
    return int(any(line.verdict.is_bad for line in lines))


def run(name: str, scale: float) -> list[Part]:
    """Run one module; what it measured. What fails to measure stops everything."""
    rounds, produced = RUNS[name]
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-m", f"quality.benchmarks.{name}", "--rounds", str(max(1, round(rounds * scale)))]
        subprocess.run([*command, "--into", folder], cwd=PROJECT, check=True)
        return [Part.read(Path(folder) / f"{part}.json") for part in produced]


def show(lines: Sequence[Line]) -> None:
    """Print what is said of each ratio."""
    table = Table("budget", "measured", "most", "noise", "verdict", title="the budget", title_justify="left")
    for line in lines:
        verdict = f"[bold red]{line.verdict}[/]" if line.verdict.is_bad else line.verdict.value
        table.add_row(*page.cells(line)[:-1], verdict)
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main())

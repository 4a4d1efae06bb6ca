"""The result of a measurement: a table, and the ratios of the budget.

Each module runs in its own process, `python -m quality.benchmarks.cold [--rounds 12] [--into FOLDER]`.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Measurement:
    """`name` is the table in budget.toml; `ratios` are by name there. `columns` after the first are figures."""

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    ratios: dict[str, float]
    notes: tuple[str, ...] = field(default=())

    @classmethod
    def read(cls, file: Path) -> Measurement:
        found = json.loads(file.read_text(encoding="utf-8"))
        rows = tuple(tuple(row) for row in found.pop("rows"))
        return cls(columns=tuple(found.pop("columns")), notes=tuple(found.pop("notes")), rows=rows, **found)

    def write(self, file: Path) -> None:
        file.write_text(json.dumps(asdict(self), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")

    def show(self, console: Console) -> None:
        table = Table(*self.columns, title=self.title, title_justify="left")
        table.columns[0].overflow = "fold"
        for row in self.rows:
            table.add_row(*row)
        console.print(table)
        for note in self.notes:
            console.print(note, style="dim")

    def markdown(self) -> list[str]:
        head = [f"| {' | '.join(self.columns)} |", f"|---{'|---:' * (len(self.columns) - 1)}|"]
        notes = [line for note in self.notes for line in ("", note)]
        return [f"{self.title}.", "", *head, *(f"| {' | '.join(row)} |" for row in self.rows), *notes]


def run_alone(measure: Callable[[int], Iterable[Measurement]], *, rounds: int, described: str | None) -> int:
    """A module's command: measure, print, and optionally write to a folder."""
    parser = argparse.ArgumentParser(description=described, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=rounds, help=f"the number of rounds ({rounds})")
    parser.add_argument("--into", type=Path, help="a folder for the results as JSON")
    given = parser.parse_args()
    console = Console()
    for measurement in measure(max(1, given.rounds)):
        measurement.show(console)
        if given.into is not None:
            measurement.write(given.into / f"{measurement.name}.json")
    return 0


def median_text(values: Sequence[float], digits: int = 1) -> str:
    """A median for a table."""
    return f"{statistics.median(values):,.{digits}f}"

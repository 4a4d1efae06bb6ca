"""The result of a measurement: a table, and the ratios of the budget.

`python -m quality.benchmarks.measurement NAME ROUNDS FOLDER` runs `measure` of the module NAME in this process, prints
the tables and writes them to the folder as JSON.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from pydantic import TypeAdapter
from pydantic_core import to_json
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
    notes: tuple[str, ...] = ()

    def show(self, console: Console) -> None:
        table = Table(*self.columns, title=self.title, title_justify="left")
        table.columns[0].overflow = "fold"
        for row in self.rows:
            table.add_row(*row)
        console.print(table)
        for note in self.notes:
            console.print(note, style="dim")

    def markdown(self) -> list[str]:
        notes = [line for note in self.notes for line in ("", note)]
        return [f"{self.title}.", "", *markdown(self.columns, self.rows), *notes]


JSON = TypeAdapter(Measurement)


def markdown(columns: Sequence[str], rows: Sequence[Sequence[str]], texts: Sequence[int] = (0,)) -> list[str]:
    """The lines of a table. The columns with the numbers `texts` are texts, and the others figures."""
    head, *body = (f"| {' | '.join(row)} |" for row in (columns, *rows))
    return [head, f"|{'|'.join('---' if number in texts else '---:' for number in range(len(columns)))}|", *body]


def section(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], texts: Sequence[int] = (0,)
) -> list[str]:
    """A table with a heading."""
    return [f"### {title}", "", *markdown(columns, rows, texts), ""]


def median_text(values: Sequence[float], digits: int = 1) -> str:
    """A median for a table."""
    return f"{statistics.median(values):,.{digits}f}"


def main(name: str, rounds: str, folder: str) -> None:
    measure: Callable[[int], Iterator[Measurement]] = import_module(f"quality.benchmarks.{name}").measure
    for measurement in measure(int(rounds)):
        measurement.show(Console())
        (Path(folder) / f"{measurement.name}.json").write_bytes(to_json(measurement))


if __name__ == "__main__":
    main(*sys.argv[1:])

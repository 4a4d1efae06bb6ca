"""What one measurement hands on: a table for people, and the ratios that the budget is about.

Each part runs in a process of its own, so that none begins with what another has loaded:
`python -m quality.benchmarks.cold [--rounds 12] [--into FILE]`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Part:
    """`name` is that of the part's table in budget.toml; `columns` beyond the first hold figures.

    `title` says what the rows are medians of, `notes` what a reader of the table must know. `ratios` has each measured
    ratio by its name in the budget.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    ratios: dict[str, float]
    notes: tuple[str, ...] = field(default=())

    @classmethod
    def read(cls, file: Path) -> Part:
        """What another process wrote."""
        found = json.loads(file.read_text(encoding="utf-8"))
        rows = tuple(tuple(row) for row in found.pop("rows"))
        return cls(columns=tuple(found.pop("columns")), notes=tuple(found.pop("notes")), rows=rows, **found)

    def write(self, file: Path) -> None:
        """For another process to read."""
        file.write_text(json.dumps(asdict(self), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")

    def show(self, console: Console) -> None:
        """Print the table."""
        table = Table(*self.columns, title=self.title, title_justify="left")
        table.columns[0].overflow = "fold"
        for row in self.rows:
            table.add_row(*row)
        console.print(table)
        for note in self.notes:
            console.print(note, style="dim")

    def markdown(self) -> list[str]:
        """The table for a page."""
        head = [f"| {' | '.join(self.columns)} |", f"|---{'|---:' * (len(self.columns) - 1)}|"]
        notes = [line for note in self.notes for line in ("", note)]
        return [f"{self.title}.", "", *head, *(f"| {' | '.join(row)} |" for row in self.rows), *notes]


def run_alone(measured: Callable[[int], Iterable[Part]], *, rounds: int, described: str | None) -> int:
    """A part's own command: measure, print, and write into a file if that is asked for."""
    parser = argparse.ArgumentParser(description=described, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=rounds, help=f"how often each is measured ({rounds})")
    parser.add_argument("--into", type=Path, help="a folder for what was measured, as JSON")
    given = parser.parse_args()
    console = Console()
    for part in measured(max(1, given.rounds)):
        part.show(console)
        if given.into is not None:
            part.write(given.into / f"{part.name}.json")
    return 0


def median_text(values: Sequence[float], digits: int = 1) -> str:
    """A median as it stands in a table."""
    import statistics

    return f"{statistics.median(values):,.{digits}f}"

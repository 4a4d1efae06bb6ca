"""Output of a command: the answer goes to stdout, everything else to stderr."""

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO

import typer

from leadbridge_cli.exit_codes import Code, Failure, usage_error
from leadbridge_cli.sanitize import as_json, sanitize

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
    from rich.table import Table
    from rich.text import Text

WIDTH = 200  # columns, if stdout is not a terminal
GAP = 2  # columns between two columns of a table
TIME = re.compile(r"^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.\d+)?Z$")
MAX_WORD = 44  # columns; longer words, such as addresses of pages, may be broken, ids are shorter

type Renderable = RenderableType


@dataclass(frozen=True)
class Output:
    """The output of one command. With `as_json`, stdout holds one line of JSON and nothing else."""

    as_json: bool = False
    debug: bool = False

    def answer(self, document: object, render: Callable[[], Iterable[Renderable]]) -> None:
        """Print the document as JSON, or else what `render` returns."""
        if self.as_json:
            typer.echo(as_json(document))
            return
        console = console_on(sys.stdout)
        for renderable in render():
            console.print(renderable)

    def note(self, text: str) -> None:
        """Print a note on stderr."""
        typer.echo(sanitize(text), err=True)

    def confirm(self, question: str, *, yes: bool) -> None:
        """Ask for confirmation, unless `--yes` is given. Raises Failure if it is denied or stdin is not a terminal."""
        if yes:
            return
        if not is_terminal(sys.stdin):
            raise usage_error(f"{question} Confirm with --yes, because stdin is not a terminal.")
        if not typer.confirm(sanitize(question), err=True):
            raise Failure(Code.REFUSED, "Nothing was done.")

    @contextmanager
    def progress(self, what: str, total: int | None = None) -> Iterator[Callable[..., None]]:
        """Show a progress bar on stderr if it is a terminal.

        Yields a function that advances it, by a number and perhaps another text than `what`.
        """
        if not is_terminal(sys.stderr):
            yield lambda *_: None
            return
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=console_on(sys.stderr), transient=True) as bar:
            task = bar.add_task(what, total=total)
            yield lambda done, what=what: bar.update(task, advance=done, description=what)


def is_terminal(stream: TextIO) -> bool:
    """Return whether the stream is a terminal."""
    return stream.isatty()


def console_on(stream: TextIO) -> "Console":
    """Return a rich console without markup. rich respects NO_COLOR."""
    from rich.console import Console

    width = None if is_terminal(stream) else WIDTH
    return Console(file=stream, width=width, markup=False, emoji=False, highlight=False)


@dataclass(frozen=True)
class Fitted:
    """The first of several tables in which no word is broken; else the rows of the last one, a line for each value.

    A table of rich breaks a title that is wider than its columns, so the title has a line of its own.
    """

    tables: tuple["Table", ...]
    title: "Text | None" = None

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "RenderResult":
        """Render for a terminal of any width, with a blank line before a title."""
        if self.title is not None:
            yield ""
            yield self.title
        for each in self.tables:
            widths = column_widths(each, options.max_width)
            if widths is not None:
                for column, width in zip(each.columns, widths, strict=True):
                    column.width = width
                yield each
                return
        yield records(self.tables[-1])


def column_widths(table: "Table", room: int) -> list[int] | None:
    """Return the widths of a table's columns with every word in one piece; None if there is no room for that."""
    cells = [[str(cell) for cell in (column.header, *column.cells)] for column in table.columns]
    least = [max(min(longest_word(text), MAX_WORD) for text in column) for column in cells]
    widest = [max(map(longest_line, column)) for column in cells]
    spare = room - sum(least) - GAP * len(least)
    if spare < 0:
        return None
    widths = list(least)
    for place in sorted(range(len(widths)), key=lambda place: widest[place] - least[place]):  # cheapest wish first
        more = min(max(widest[place] - widths[place], 0), spare)
        widths[place] += more
        spare -= more
    return widths


def records(table: "Table") -> "Table":
    """Return a table's rows as lines of names and values, a blank line between rows."""
    from rich.table import Table

    renderable = Table.grid(padding=(0, GAP, 0, 0))
    renderable.add_column(no_wrap=True)
    renderable.add_column(overflow="fold")
    rows = zip(*(column.cells for column in table.columns), strict=True)
    for number, row in enumerate(rows):
        if number:
            renderable.add_row("", "")
        for column, cell in zip(table.columns, row, strict=True):
            if str(cell):
                renderable.add_row(column.header, cell)
    return renderable


def longest_word(text: str) -> int:
    """Return the cells of a terminal that the longest word of a text takes."""
    from rich.cells import cell_len

    return max(map(cell_len, text.split()), default=0)


def longest_line(text: str) -> int:
    """Return the cells of a terminal that the longest line of a text takes."""
    from rich.cells import cell_len

    return max(map(cell_len, text.split("\n")), default=0)


def table(columns: Iterable[str], rows: Iterable[Iterable[object]], title: str | None = None) -> Fitted:
    """Return a table that fits the terminal. Values are sanitized and never truncated; None is an empty cell.

    A value that is a tuple has a line for each member.
    """
    from rich.table import Table
    from rich.text import Text

    name = None if title is None else Text(sanitize(title), style="bold")
    renderable = Table(box=None, padding=(0, GAP, 0, 0), header_style="bold")
    for column in columns:
        renderable.add_column(Text(sanitize(column)), overflow="fold")
    for row in rows:
        renderable.add_row(*(Text(_cell(value)) for value in row))
    return Fitted((renderable,), name)


def first_that_fits(*tables: Fitted) -> Fitted:
    """Return the first of several tables that fits the terminal."""
    return Fitted(tuple(each for fitted in tables for each in fitted.tables))


def short_time(value: object) -> str:
    """Return an RFC 3339 time without its milliseconds; other values as text."""
    return TIME.sub(r"\1 \2Z", str(value))


def _cell(value: object) -> str:
    parts = value if isinstance(value, tuple) else (value,)
    return "\n".join(sanitize(short_time(part)) for part in parts if part not in (None, ""))


def problem_table(problems: Iterable[dict[str, Any]]) -> Renderable:
    """Return a table of a lead's problems."""
    columns = ("field", "code", "message")
    return table(columns, ([each.get(name) for name in columns] for each in problems), title="problems")


def line(value: object) -> Renderable:
    """Return a sanitized line of text."""
    from rich.text import Text

    return Text(sanitize(value))


def error_meaning(code: object) -> str | None:
    """Return the meaning of an error code; None for an unknown code."""
    from leadbridge.domain.errors.error_codes import parse_error_code

    found = parse_error_code(code)
    return None if found is None else found.meaning


def entry_details(entry: dict[str, Any]) -> str | None:
    """Return the data of a timeline entry as one line, or its text if it has no data."""
    data = dict(entry.get("data") or {})
    explained = error_meaning(data.get("error_code"))
    if explained is None and ("error_code" in data or not data):
        return entry.get("detail")
    parts = [f"{name} {value}" for name, value in flatten(data)]
    return ", ".join([*parts, f"({explained})"] if explained else parts)


def flatten(document: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Yield the values of a document with dotted names, without empty values."""
    for name, value in document.items():
        if isinstance(value, dict):
            yield from flatten(value, f"{prefix}{name}.")
        elif value not in (None, "", [], ()):
            yield f"{prefix}{name}", as_json(value) if isinstance(value, list | tuple | bool) else value

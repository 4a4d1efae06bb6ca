"""Output of a command: the answer goes to stdout, everything else to stderr."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO

import typer

from leadbridge_cli.exit_codes import Code, Failure, usage_error
from leadbridge_cli.sanitize import as_json, sanitize

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

WIDTH = 200  # columns, if stdout is not a terminal

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
    def progress(self, what: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
        """Show a progress bar on stderr if it is a terminal. Yields a function that advances it."""
        if not is_terminal(sys.stderr):
            yield lambda _: None
            return
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=console_on(sys.stderr), transient=True) as bar:
            task = bar.add_task(what, total=total)
            yield lambda done: bar.advance(task, done)


def is_terminal(stream: TextIO) -> bool:
    """Return whether the stream is a terminal."""
    return stream.isatty()


def console_on(stream: TextIO) -> "Console":
    """Return a rich console without markup. rich respects NO_COLOR."""
    from rich.console import Console

    width = None if is_terminal(stream) else WIDTH
    return Console(file=stream, width=width, markup=False, emoji=False, highlight=False)


def table(columns: Iterable[str], rows: Iterable[Iterable[object]], title: str | None = None) -> Renderable:
    """Return a table. Values are sanitized and never truncated; None is an empty cell."""
    from rich.table import Table
    from rich.text import Text

    renderable = Table(title=None if title is None else Text(sanitize(title)), title_justify="left")
    for column in columns:
        renderable.add_column(Text(sanitize(column)), overflow="fold")
    for row in rows:
        renderable.add_row(*(Text("" if value is None else sanitize(value)) for value in row))
    return renderable


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

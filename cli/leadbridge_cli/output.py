"""What a command shows: its answer on stdout, everything else on stderr."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO

import typer

from leadbridge_cli.exit_codes import Code, Failure, wrong_use
from leadbridge_cli.sanitize import as_json, harmless

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

WIDTH = 200  # columns, where no terminal says how many it has

type Picture = RenderableType


@dataclass(frozen=True)
class Screen:
    """Where the answer goes. As JSON it is one document on one line, and nothing else is on stdout."""

    as_json: bool = False
    debug: bool = False

    def answer(self, document: object, draw: Callable[[], Iterable[Picture]]) -> None:
        """Show the answer: the document, or what `draw` makes of it for a person."""
        if self.as_json:
            typer.echo(as_json(document))
            return
        console = console_on(sys.stdout)
        for picture in draw():
            console.print(picture)

    def note(self, text: str) -> None:
        """Tell a person something that is not the answer."""
        typer.echo(harmless(text), err=True)

    def confirm(self, question: str, *, yes: bool) -> None:
        """Go on if a person says so, or has said `--yes`. Raises Failure otherwise, and where nobody can be asked."""
        if yes:
            return
        if not is_terminal(sys.stdin):
            raise wrong_use(f"{question} Nobody is here to ask: say --yes if it shall be done.")
        if not typer.confirm(harmless(question), err=True):
            raise Failure(Code.REFUSED, "Nothing was done.")

    @contextmanager
    def progress(self, what: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
        """A bar on stderr, if that is a terminal, while the block runs; yields what tells it of the next ones done."""
        if not is_terminal(sys.stderr):
            yield lambda _: None
            return
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=console_on(sys.stderr), transient=True) as bar:
            task = bar.add_task(what, total=total)
            yield lambda done: bar.advance(task, done)


def is_terminal(stream: TextIO) -> bool:
    """Whether a person is at the other end."""
    return stream.isatty()


def console_on(stream: TextIO) -> "Console":
    """A console to which every text is plain text. rich itself respects NO_COLOR."""
    from rich.console import Console

    width = None if is_terminal(stream) else WIDTH
    return Console(file=stream, width=width, markup=False, emoji=False, highlight=False)


def table(columns: Iterable[str], rows: Iterable[Iterable[object]], title: str | None = None) -> Picture:
    """A table; each value is shown harmlessly and in full, None as nothing."""
    from rich.table import Table
    from rich.text import Text

    picture = Table(title=None if title is None else Text(harmless(title)), title_justify="left")
    for column in columns:
        picture.add_column(Text(harmless(column)), overflow="fold")
    for row in rows:
        picture.add_row(*(Text("" if value is None else harmless(value)) for value in row))
    return picture


def line(value: object) -> Picture:
    """A line of text."""
    from rich.text import Text

    return Text(harmless(value))


def meaning(code: object) -> str | None:
    """Return what an error code means; None for a code that this version does not have."""
    from leadbridge.domain.errors.error_codes import code_named

    found = code_named(code)
    return None if found is None else found.meaning


def facts(entry: dict[str, Any]) -> str | None:
    """Return the data of a timeline entry as one line; its text where it has no data."""
    data = dict(entry.get("data") or {})
    explained = meaning(data.get("error_code"))
    if explained is None and ("error_code" in data or not data):
        return entry.get("detail")
    said = [f"{name} {value}" for name, value in flat(data)]
    return ", ".join([*said, f"({explained})"] if explained else said)


def flat(document: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    """The values of a document with their dotted names; what is missing or empty is left out."""
    for name, value in document.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{name}.")
        elif value not in (None, "", [], ()):
            yield f"{prefix}{name}", as_json(value) if isinstance(value, list | tuple | bool) else value

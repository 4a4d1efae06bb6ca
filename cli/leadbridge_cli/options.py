"""Declaration of commands: adds the options of the target, `--json` and `--debug` to a command's own."""

import functools
import inspect
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from leadbridge_cli.exit_codes import Code, Failure
from leadbridge_cli.output import Output
from leadbridge_cli.sanitize import sanitize

MAX_SENTENCE = 300  # characters
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]
Reveal = Annotated[bool, typer.Option("--reveal", help="Show phones, e-mails and tax numbers in full.")]


class Separators(StrEnum):
    """What separates the columns of CSV."""

    COMMA = "comma"
    SEMICOLON = "semicolon"

    @property
    def character(self) -> str:
        """Return the character."""
        return ";" if self is Separators.SEMICOLON else ","


Separator = Annotated[
    Separators, typer.Option("--separator", help="Column separator. Excel in Ukrainian or Russian needs semicolons.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one line of JSON.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


class Commands(TyperGroup):
    """A group whose help shows the whole first sentence of each command. Otherwise it would be cut to fit a line."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands and their sentences."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([(name, each.get_short_help_str(MAX_SENTENCE)) for name, each in commands if each])


def group(name: str, text: str) -> typer.Typer:
    """Return an empty group of commands."""
    return typer.Typer(
        name=name, cls=Commands, help=text, no_args_is_help=True, rich_markup_mode=None, add_completion=False
    )


def command(
    app: typer.Typer, name: str, *targets: Callable[..., Any], example: str, text: str | None = None
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a function as a command.

    Its first parameter is an Output; the next ones are what `targets` return. The parameters of the targets become
    options of the command. The help is the function's docstring or `text`, and ends with the example, which is the
    command line without `leadbridge`. A Failure is printed as one line on stderr and sets the exit code.
    """

    def register(function: Callable[..., None]) -> Callable[..., None]:
        own = list(inspect.signature(function).parameters.values())[1 + len(targets) :]
        asked = [(target, inspect.signature(target).parameters.values()) for target in reversed(targets)]
        ending = inspect.signature(_output).parameters.values()
        all_of_them = (*own, *(each for _, parameters in asked for each in parameters), *ending)
        parameters = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in all_of_them]

        @functools.wraps(function)
        def run(**given: Any) -> None:
            output = _output(**{each.name: given.pop(each.name) for each in ending})
            options = [(target, {each.name: given.pop(each.name) for each in asked_for}) for target, asked_for in asked]
            with edge(output):
                function(output, *(target(**values) for target, values in reversed(options)), **given)

        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {each.name: each.annotation for each in parameters}
        app.command(name, help=text, epilog=f"\b\nExample:\n  leadbridge {example}")(run)
        return function

    return register


@contextmanager
def edge(output: Output) -> Iterator[None]:
    """Convert every exception of a command to one line on stderr and an exit code."""
    try:
        yield
    except (BrokenPipeError, typer.Abort, typer.Exit, typer.TyperException):  # typer's own, and `| head`
        raise
    except Exception as error:
        if output.debug:
            typer.echo("".join(map(sanitize_lines, traceback.format_exception(error))), err=True, nl=False)
        failure = error if isinstance(error, Failure) else _unexpected(error)
        typer.echo(f"leadbridge: {sanitize(failure.text)}", err=True)
        raise typer.Exit(failure.code) from None


def sanitize_lines(text: str) -> str:
    """Sanitize each line of a text."""
    return "".join(f"{sanitize(each)}\n" for each in text.splitlines())


def _unexpected(error: Exception) -> Failure:
    if isinstance(error, FileNotFoundError):
        return Failure(Code.NOT_FOUND, f"{error.filename}: file not found.")
    if isinstance(error, OSError) and error.filename is not None:
        return Failure(Code.REFUSED, f"{error.filename}: {error.strerror}.")
    return Failure(Code.REFUSED, f"Unexpected error ({type(error).__name__}). Repeat with --debug for the traceback.")


def _output(as_json: AsJson = False, debug: Debug = False) -> Output:
    return Output(as_json, debug)

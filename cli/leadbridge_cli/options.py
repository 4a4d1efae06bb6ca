"""How a command is declared: what it talks to, `--json` and `--debug` are added to its own parameters."""

import functools
import inspect
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from leadbridge_cli.exit_codes import Code, Failure
from leadbridge_cli.output import Screen
from leadbridge_cli.sanitize import harmless

Yes = Annotated[bool, typer.Option("--yes", help="Do it without asking.")]
Reveal = Annotated[bool, typer.Option("--reveal", help="Show phones, e-mails and tax numbers in full.")]
AsJson = Annotated[bool, typer.Option("--json", help="Answer with one line of JSON, for scripts.")]
Debug = Annotated[bool, typer.Option("--debug", help="When it fails, show where.")]


def group(name: str, text: str) -> typer.Typer:
    """An empty group of commands."""
    return typer.Typer(name=name, help=text, no_args_is_help=True, rich_markup_mode=None, add_completion=False)


def command(
    app: typer.Typer, name: str, place: Callable[..., Any] | None = None
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a command of a function, whose first parameters are a Screen and, with `place`, what that returns.

    `place` says by its own parameters which options it needs. A Failure becomes its line on stderr and its exit code.
    """

    def register(function: Callable[..., None]) -> Callable[..., None]:
        own = list(inspect.signature(function).parameters.values())[1 if place is None else 2 :]
        where = list(inspect.signature(place).parameters.values()) if place else []
        ending = inspect.signature(_screen).parameters.values()
        parameters = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in (*own, *where, *ending)]

        @functools.wraps(function)
        def run(**given: Any) -> None:
            screen = _screen(**{each.name: given.pop(each.name) for each in ending})
            asked = {each.name: given.pop(each.name) for each in where}
            with edge(screen):
                function(screen, *(() if place is None else (place(**asked),)), **given)

        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {each.name: each.annotation for each in parameters}
        app.command(name)(run)
        return function

    return register


@contextmanager
def edge(screen: Screen) -> Iterator[None]:
    """The outermost edge of a command: whatever it raises becomes one line and an exit code."""
    try:
        yield
    except (BrokenPipeError, typer.Abort, typer.Exit, typer.TyperException):  # typer's own, and `| head`
        raise
    except Exception as error:
        if screen.debug:
            typer.echo("".join(map(harmless_lines, traceback.format_exception(error))), err=True, nl=False)
        failure = error if isinstance(error, Failure) else _unexpected(error)
        typer.echo(f"leadbridge: {harmless(failure.text)}", err=True)
        raise typer.Exit(failure.code) from None


def harmless_lines(text: str) -> str:
    """Several lines, each harmless."""
    return "".join(f"{harmless(each)}\n" for each in text.splitlines())


def _unexpected(error: Exception) -> Failure:
    if isinstance(error, FileNotFoundError):
        return Failure(Code.NOT_FOUND, f"{error.filename}: there is no such file.")
    if isinstance(error, OSError) and error.filename is not None:
        return Failure(Code.REFUSED, f"{error.filename}: {error.strerror}.")
    return Failure(
        Code.REFUSED, f"This failed in a way that nobody foresaw ({type(error).__name__}); --debug says more."
    )


def _screen(as_json: AsJson = False, debug: Debug = False) -> Screen:
    return Screen(as_json, debug)

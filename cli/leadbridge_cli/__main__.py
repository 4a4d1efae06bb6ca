"""The command `leadbridge`. What a command needs is loaded when it runs: help comes at once."""

import sys
from typing import Annotated

import typer

from leadbridge_cli import configuration, dead_letters, figures, leads, leeloo, messages, secret_commands, syncing

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, add_completion=False, pretty_exceptions_enable=False)


def _say_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(version("leadbridge-cli"))
        raise typer.Exit


@app.callback()
def _leadbridge(
    _: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Say which it is.")
    ] = False,
) -> None:
    """The operators' command: leads and what becomes of them, messages, dead letters, secrets, partners.

    It talks to the stack that --api-url and LEADBRIDGE_TOKEN name, or else to the local one that is up.
    """


for each in (leads.app, messages.app):
    app.add_typer(each)
figures.add_to(app)
for each in (dead_letters.app, secret_commands.app, leeloo.app(), syncing.app):
    app.add_typer(each)
configuration.add_to(app)


def main() -> None:
    """Run it. What the terminal cannot show is shown by its number."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    app(prog_name="leadbridge")


if __name__ == "__main__":
    main()

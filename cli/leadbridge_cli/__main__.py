"""The command `leadbridge`. A command imports its dependencies when it runs, so `--help` is fast."""

import sys
from typing import Annotated

import typer

from leadbridge_cli import (
    alerts,
    check_config,
    dead_letters,
    feedback,
    inbox,
    lead_changes,  # noqa: F401 - adds its commands to those of leads
    leads,
    leeloo,
    messages,
    partners,
    restore,
    routing,
    secret_commands,
    sources,
    stats,
    sync,
)
from leadbridge_cli.options import Commands

app = typer.Typer(
    cls=Commands, no_args_is_help=True, rich_markup_mode=None, add_completion=False, pretty_exceptions_enable=False
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(version("leadbridge-cli"))
        raise typer.Exit


@app.callback()
def _leadbridge(
    _: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Operate leadbridge: leads, messages, dead letters, secrets, partners.

    The commands use the API that --api-url and LEADBRIDGE_TOKEN name. Without them they use the local stack.
    """


for each in (leads.app, inbox.app, messages.app):
    app.add_typer(each)
stats.add_to(app)
routing.add_to(app)
for each in (dead_letters.app, feedback.app, alerts.app, secret_commands.app, partners.app, sync.app, sources.app):
    app.add_typer(each)
leeloo.add_to(partners.app)
check_config.add_to(app)
restore.add_to(app)


def main() -> None:
    """Run the command line. Characters that the terminal cannot encode are printed as escapes."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    app(prog_name="leadbridge")


if __name__ == "__main__":
    main()

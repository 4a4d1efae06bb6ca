"""`leadbridge restore`: put leads from a restored copy of the table back into the stack's table."""

from typing import Annotated

import typer

from leadbridge_cli.cloud import Cloud, aws_errors, resolve_cloud
from leadbridge_cli.exit_codes import usage_error
from leadbridge_cli.options import command
from leadbridge_cli.output import Output, line

TABLE = "TableName"  # the stack's output


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "restore", resolve_cloud, example="restore leadbridge-copy ld_… --write")(restore)


def restore(
    output: Output,
    cloud: Cloud,
    copy: Annotated[str, typer.Argument(help="Restored table.")],
    lead_ids: Annotated[list[str] | None, typer.Argument(metavar="[LEAD_ID]...", help="Lead ids.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All leads of the copy.")] = False,
    write: Annotated[bool, typer.Option("--write", help="Write. Otherwise the changes are only shown.")] = False,
) -> None:
    """Put leads back from a restored copy of the table. Nothing is sent again. Safe to repeat."""
    from leadbridge_cli.restored_copy import put_back

    if every == bool(lead_ids):
        raise usage_error("Name some leads, or --all.")
    live = cloud.output(TABLE)
    if live == copy:
        raise usage_error(f"{copy} is the table that the stack uses. Name the restored copy.")
    changes: list[str] = []
    with aws_errors(f"the tables {copy} and {live}"):
        counts = put_back(cloud.client("dynamodb"), copy, live, lead_ids, write=write, tell=changes.append)
    numbers = ", ".join(f"{number} {what}" for what, number in counts.items()) or "Nothing was found."
    document = {"table": live, "counts": counts, "changes": changes, "is_written": write}
    output.answer(document, lambda: map(line, [*changes, numbers]))
    if not write:
        output.note("Nothing was written. Add --write to write.")

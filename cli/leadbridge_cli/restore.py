"""`leadbridge restore`: put leads from a restored copy of the table back into the stack's table."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Annotated, Any

import typer

from leadbridge_cli.cloud import Cloud, aws_errors, resolve_cloud
from leadbridge_cli.exit_codes import Failure, not_found, usage_error
from leadbridge_cli.options import Yes, command
from leadbridge_cli.output import Output, line
from leadbridge_cli.sanitize import sanitize

TABLE = "TableName"  # the stack's output
ATTEMPTS = 10  # per call; it writes many items
HALFWAY = "Some items may have been written; the command can be repeated."


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
    yes: Yes = False,
) -> None:
    """Put leads back from a restored copy of the table. No lead or message is sent again. Safe to repeat.

    Before --write, stop the functions that write to the table: step 1 of "Restore some leads" in docs/recovery.md.
    """
    if every == bool(lead_ids):
        raise usage_error("Name some leads, or --all.")
    live = cloud.output(TABLE)
    if copy.rpartition("/")[2] == live:  # its name or ARN
        raise usage_error(f"{copy} is the table that the stack uses. Name the restored copy.")
    client = cloud.client("dynamodb", attempts=ATTEMPTS)
    for name in (copy, live):
        with aws_errors(f"the table {name}"):
            client.describe_table(TableName=name)
    if not output.as_json:
        typer.echo(sanitize(f"Stack {cloud.stack}, table {live}"))
    if write:
        whose = "all leads" if lead_ids is None else ", ".join(lead_ids)
        output.confirm(
            f"No function may write to {live} meanwhile (docs/recovery.md). Put {whose} back into it from {copy}?",
            yes=yes,
        )
    done = Done(output)
    try:
        with halfway(output) if write else nullcontext(), aws_errors(f"the tables {copy} and {live}"):
            done.put_back(client, copy, live, lead_ids, write=write)
    finally:
        if done.is_complete or output.as_json:
            numbers = ", ".join(f"{number} {what}" for what, number in done.counts.items()) or "Nothing was found."
            document: dict[str, Any] = {
                "stack": cloud.stack,
                "table": live,
                "counts": done.counts,
                "changes": done.changes,
            }
            document |= {"missing": done.missing, "is_written": write, "is_complete": done.is_complete}
            output.answer(document, lambda: [line(numbers)])
    if not write:
        output.note("Nothing was written. Add --write to write.")
    if done.missing:
        raise not_found(f"{copy} does not have these leads: {', '.join(done.missing)}.")


@dataclass
class Done:
    """What was done so far. `missing` are ids of leads that the copy does not have."""

    output: Output
    counts: Counter[str] = field(default_factory=Counter)
    changes: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    is_complete: bool = False

    def put_back(self, client: Any, copy: str, live: str, lead_ids: list[str] | None, *, write: bool) -> None:
        """Put leads back, one after another, or everything."""
        from leadbridge_cli.restored_copy import put_back

        for some in [None] if lead_ids is None else [[lead_id] for lead_id in lead_ids]:
            before = self.counts.total()
            put_back(client, copy, live, some, write=write, tell=self.tell, counts=self.counts)
            if some is not None and self.counts.total() == before:
                self.missing += some
        self.is_complete = True

    def tell(self, change: str) -> None:
        """Keep a change for the document, or print it at once."""
        self.changes.append(change)
        if not self.output.as_json:
            typer.echo(sanitize(change))


@contextmanager
def halfway(output: Output) -> Iterator[None]:
    """Say after a failure or an interrupt in the block that some items may have been written."""
    try:
        yield
    except Failure as failure:
        raise Failure(failure.code, f"{failure.text} {HALFWAY}") from failure
    except (Exception, KeyboardInterrupt):
        output.note(HALFWAY)
        raise

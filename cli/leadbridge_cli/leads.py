"""`leadbridge leads …`: list, show, watch, open and export leads. `lead_changes` adds the commands that change them."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from leadbridge_cli.api import Api, resolve_api
from leadbridge_cli.exit_codes import usage_error
from leadbridge_cli.lead_tables import change_line, lead_table, lead_tables
from leadbridge_cli.options import Reveal, Separator, Separators, command, group
from leadbridge_cli.output import Output, is_terminal, line
from leadbridge_cli.paging import LeadQuery, iter_pages, read_filters

app = group("leads", "Leads: find, show, watch, export, correct, send, retry, resolve, check, erase.")

LeadId = Annotated[str, typer.Argument(help="Id of the lead, ld_…")]


@command(app, "list", resolve_api, read_filters, example="leads list --status failed --partner lender-b")
def list_leads(
    output: Output,
    api: Api,
    wanted: LeadQuery,
    limit: Annotated[int, typer.Option(min=1, max=100, help="Number of leads; ignored with --all.")] = 25,
    cursor: Annotated[str | None, typer.Option(help="Cursor of the page before.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Fetch all pages.")] = False,
    reveal: Reveal = False,
) -> None:
    """List leads, newest first."""
    masked = None if reveal else "true"
    leads: list[dict[str, Any]] = []
    if every:
        with output.progress("leads") as advance:
            for page in iter_pages(api, wanted, cursor, masked=masked):
                leads += page["leads"]
                cursor = page["cursor"]
                advance(len(page["leads"]))
    else:
        found = api.get("leads", **wanted.query, masked=masked, limit=limit, cursor=cursor)
        leads, cursor = list(found["leads"]), found["cursor"]
    output.answer({"leads": leads, "cursor": cursor}, lambda: [lead_table(leads)])
    if output.as_json:
        return
    if cursor is not None:
        output.note(f"There are more leads. Use --all, or --cursor {cursor}")
    elif not leads:
        output.note("No leads found.")


@command(app, "show", resolve_api, example="leads show ld_…")
def show(output: Output, api: Api, lead_id: LeadId, reveal: Reveal = False) -> None:
    """Show a lead: the person, the deliveries, the timeline. The timeline records --reveal."""
    lead = api.post("leads", lead_id, "reveal") if reveal else masked_lead(api, lead_id)
    output.answer(lead, lambda: lead_tables(lead))


@command(app, "watch", resolve_api, read_filters, example="leads watch --source web")
def watch(
    output: Output,
    api: Api,
    wanted: LeadQuery,
    every: Annotated[int, typer.Option("--every", min=2, max=3600, help="Seconds between two looks.")] = 5,
) -> None:
    """Print each new lead and each change of a delivery as it happens, until Ctrl-C or for a day."""
    from leadbridge_cli.watching import iter_changes

    output.note(f"Watching {api.url}. Ctrl-C ends.")
    try:
        for lead in iter_changes(api, wanted, every, note=output.note):
            output.answer(lead, lambda lead=lead: [change_line(lead)])  # type: ignore[misc]
            sys.stdout.flush()
    except KeyboardInterrupt:
        output.note("")


@command(app, "open", resolve_api, example="leads open ld_…")
def open_in_console(output: Output, api: Api, lead_id: LeadId) -> None:
    """Print the address of a lead in the console, and open it in the browser if this is a terminal."""
    found = masked_lead(api, lead_id)["lead_id"]
    address = f"{api.url}/console#/leads/{found}"
    output.answer({"lead_id": found, "url": address}, lambda: [line(address)])
    if is_terminal(sys.stdout) and not output.as_json:
        typer.launch(address)


@command(
    app, "export", resolve_api, read_filters, example="leads export leads.csv --separator semicolon --zone Europe/Kyiv"
)
def export(
    output: Output,
    api: Api,
    wanted: LeadQuery,
    file: Annotated[Path, typer.Argument(help="CSV file to write; - writes to stdout.")],
    separator: Separator = Separators.COMMA,
    zone: Annotated[
        str | None, typer.Option("--zone", help="Time zone of the times, such as Europe/Kyiv. Default: UTC, RFC 3339.")
    ] = None,
    bom: Annotated[
        bool | None,
        typer.Option("--bom/--no-bom", help="Begin with a byte order mark, by which Excel recognizes UTF-8."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an interrupted export to this file: same filters and format.")
    ] = False,
    reveal: Reveal = False,
) -> None:
    """Write leads to a CSV file without formulas, one line per delivery. The console exports the same columns."""
    from leadbridge_cli.csv_export import Export, count_leads, export_to_file, export_to_stdout, pages_of, resume_export

    pages, to_stdout = pages_of(api), str(file) == "-"
    if resume:
        if to_stdout or wanted != LeadQuery() or zone or reveal or bom is not None or separator is not Separators.COMMA:
            raise usage_error("--resume takes a file, and the filters and the format of its export. Give no others.")
        resume_export(output, file, pages, overwrite=overwrite)
        return
    masked = None if reveal else "true"
    export = Export({**wanted.query, "masked": masked, "separator": separator.value, "zone": zone})
    total = count_leads(api, wanted)
    if to_stdout:
        export_to_stdout(output, export, pages, bom=bom, total=total)
    else:
        export_to_file(output, file, export, pages, overwrite=overwrite, bom=bom, total=total)


def masked_lead(api: Api, lead_id: str) -> dict[str, Any]:
    """Return a lead with masked contact data. Raises Failure."""
    return api.get("leads", lead_id, masked="true")

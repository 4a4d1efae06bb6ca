"""`leadbridge leads …`: list, show, export, send, retry, resolve, check and erase leads."""

from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from leadbridge_cli.api import Api, resolve_api
from leadbridge_cli.exit_codes import not_found, usage_error
from leadbridge_cli.options import Reveal, Separator, Separators, Yes, command, group
from leadbridge_cli.output import Output, Renderable, entry_details, error_meaning, flatten, line, problem_table, table
from leadbridge_cli.paging import LeadQuery, Source, iter_pages, read_filters

app = group("leads", "Leads: list, show, export, correct, send, retry, resolve, check, erase.")

LeadId = Annotated[str, typer.Argument(help="Id of the lead, ld_…")]
Partner = Annotated[
    str | None, typer.Option("--partner", help="Partner of the delivery. Required if the lead has several deliveries.")
]


@command(app, "list", resolve_api, read_filters)
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
    output.answer({"leads": leads, "cursor": cursor}, lambda: [_render_leads(leads)])
    if cursor is not None and not output.as_json:
        output.note(f"There are more leads. Use --all, or --cursor {cursor}")


@command(app, "show", resolve_api)
def show(output: Output, api: Api, lead_id: LeadId, reveal: Reveal = False) -> None:
    """Show a lead: the person, the deliveries, the timeline. The timeline records --reveal."""
    lead = api.post("leads", lead_id, "reveal") if reveal else _lead(api, lead_id)
    output.answer(lead, lambda: _render_lead(lead))


@command(app, "correct", resolve_api)
def correct(
    output: Output,
    api: Api,
    lead_id: LeadId,
    values: Annotated[
        list[str] | None,
        typer.Argument(metavar="FIELD=VALUE", help="New values, such as person.phone=+380501234567."),
    ] = None,
    remove: Annotated[list[str] | None, typer.Option("--remove", help="Field to remove. Repeatable.")] = None,
    even_if_twice: Annotated[
        bool,
        typer.Option("--even-if-twice", help="Also send a lead that was restored; the partner may get it twice."),
    ] = False,
    yes: Yes = False,
) -> None:
    """Correct a lead's fields. An incomplete lead is sent as soon as a partner can receive it."""
    from leadbridge_cli.corrections import parse_correction, render_correction, summarize_correction

    body: dict[str, Any] = {**parse_correction(values or [], remove or [])}
    if even_if_twice:
        output.confirm("If the lead was restored, the partner may already have it and get it twice. Correct?", yes=yes)
        body["confirm"] = True
    summary = summarize_correction(api.patch("leads", lead_id, body=body, masked="true"))
    output.answer(summary, lambda: render_correction(summary))


@command(app, "send", resolve_api)
def send(
    output: Output,
    api: Api,
    to: Annotated[str, typer.Option("--to", help="Partner that gets the leads.")],
    lead_id: Annotated[
        str | None, typer.Argument(help="Id of one lead, ld_…; or choose several with --status.")
    ] = None,
    status: Annotated[
        str | None, typer.Option("--status", help="State of the delivery to --partner, such as rejected.")
    ] = None,
    partner: Annotated[str | None, typer.Option("--partner", help="Partner that did not take the leads.")] = None,
    source: Source = None,
    since: Annotated[str, typer.Option("--since", help="Received since: 7d, 12h, 30m, or a time.")] = "1d",
    at_most: Annotated[int, typer.Option("--at-most", min=1, max=10_000, help="Largest number of leads.")] = 100,
    even_if_twice: Annotated[
        bool, typer.Option("--even-if-twice", help="Also a lead that another partner has or may get (one lead only).")
    ] = False,
    yes: Yes = False,
) -> None:
    """Give one lead, or the leads that a partner did not take, to another partner."""
    from leadbridge_cli.sending import Selection, parse_since, render_results, send_each
    from leadbridge_cli.sending import send as send_one

    if lead_id is not None:
        if status or partner or source:
            raise usage_error("Give the id of one lead, or --status and --partner.")
        if even_if_twice:
            output.confirm(f"Another partner may have the lead. Send it to {to} too?", yes=yes)
        _show_delivery(output, lead_id, to, send_one(api, lead_id, to, is_confirmed=even_if_twice))
        return
    if status is None or partner is None or even_if_twice:
        raise usage_error("Give the id of one lead, or --status and --partner without --even-if-twice.")
    chosen = [
        str(lead["lead_id"])
        for lead in islice(Selection(status, partner, to, parse_since(since), source).leads(api), at_most)
    ]
    if chosen:
        output.confirm(f"Send {len(chosen)} leads that are {status} at {partner} to {to}?", yes=yes)
    refused = dict[str, str]()
    with output.progress("leads", len(chosen)) as advance:
        for one, reason in send_each(api, chosen, to):
            advance(1)
            if reason is not None:
                refused[one] = reason
    sent = [one for one in chosen if one not in refused]
    answer = {"partner": to, "sent": sent, "refused": [{"lead_id": one, "reason": why} for one, why in refused.items()]}
    output.answer(answer, lambda: render_results(to, len(sent), refused))
    if len(chosen) == at_most:
        output.note(f"There may be more leads: at most {at_most} were chosen (--at-most).")


@command(app, "retry", resolve_api)
def retry(
    output: Output,
    api: Api,
    lead_id: LeadId,
    partner: Partner = None,
    even_if_twice: Annotated[
        bool,
        typer.Option("--even-if-twice", help="Also retry an unknown or skipped one; partners may get the lead twice."),
    ] = False,
    yes: Yes = False,
) -> None:
    """Retry a failed, rejected or duplicate delivery, with --even-if-twice also an unknown or skipped one."""
    partner = _partner(api, lead_id, partner)
    if even_if_twice:
        output.confirm(
            "The partner may already have the lead and get it twice, or another partner has it. Retry?", yes=yes
        )
    body = {"confirm": True} if even_if_twice else None
    _show_delivery(output, lead_id, partner, api.post("leads", lead_id, "deliveries", partner, "retry", body=body))


@command(app, "retry-fetch", resolve_api)
def retry_fetch(
    output: Output,
    api: Api,
    lead_id: LeadId,
    even_if_twice: Annotated[
        bool, typer.Option("--even-if-twice", help="Also fetch a restored lead; partners may get it twice.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Retry a failed fetch of a lead's data."""
    if even_if_twice:
        output.confirm("If the lead was restored, partners may already have it and get it twice. Fetch?", yes=yes)
    answer = api.post("leads", lead_id, "fetch", "retry", body={"confirm": True} if even_if_twice else None)
    output.answer({"lead_id": lead_id, **answer}, lambda: [line(f"{lead_id}: fetch {answer['state']}.")])


@command(app, "retry-message", resolve_api)
def retry_message(
    output: Output,
    api: Api,
    lead_id: LeadId,
    message_id: Annotated[str, typer.Argument(help="Id of the message, as in `leads show --json`.")],
) -> None:
    """Retry a failed message. It is skipped if a newer message about the same delivery was sent."""
    answer = api.post("leads", lead_id, "messages", message_id, "retry")
    output.answer({"lead_id": lead_id, **answer}, lambda: [line(f"{message_id}: {answer['status']}.")])


@command(app, "resolve", resolve_api)
def resolve(
    output: Output,
    api: Api,
    lead_id: LeadId,
    partner: Partner = None,
    deal_id: Annotated[
        int | None, typer.Option(min=1, help="The partner has the lead; the number of the deal.")
    ] = None,
    account_uuid: Annotated[str | None, typer.Option(help="The partner has the lead; the UUID of the account.")] = None,
    not_created: Annotated[bool, typer.Option("--not-created", help="The partner does not have the lead.")] = False,
    unknown: Annotated[
        bool, typer.Option("--unknown", help="Withdraw an operator's result; the delivery is unknown again.")
    ] = False,
    correct: Annotated[bool, typer.Option("--correct", help="Also change an operator's result.")] = False,
    yes: Yes = False,
) -> None:
    """Set the result of an unknown delivery, or correct an operator's result."""
    body: dict[str, Any] = {"deal_id": deal_id, "account_uuid": account_uuid}
    body = {name: value for name, value in body.items() if value is not None}
    outcomes = [name for name, is_given in {"not_created": not_created, "unknown": unknown}.items() if is_given]
    if len(body) + len(outcomes) != 1:
        raise usage_error("Give exactly one of --deal-id, --account-uuid, --not-created and --unknown.")
    body |= {"outcome": outcomes[0]} if outcomes else {}
    if not (correct or unknown):
        body["expected_state"] = "unknown"
    partner = _partner(api, lead_id, partner)
    if correct or unknown:
        output.confirm("Sent messages cannot be recalled. Change the operator's result?", yes=yes)
    else:
        output.confirm("Has the partner confirmed this?", yes=yes)
    _show_delivery(output, lead_id, partner, api.post("leads", lead_id, "deliveries", partner, "resolve", body=body))


@command(app, "check", resolve_api)
def check(output: Output, api: Api, lead_id: LeadId, partner: Partner = None) -> None:
    """Check the status at the partner now."""
    partner = _partner(api, lead_id, partner)
    answer = api.post("leads", lead_id, "deliveries", partner, "check")
    output.answer(
        {"lead_id": lead_id, "partner": partner, **answer},
        lambda: [line(f"Status check of {lead_id} at {partner} started. See `leads show` for the result.")],
    )


@command(app, "erase", resolve_api)
def erase(output: Output, api: Api, lead_id: LeadId, yes: Yes = False) -> None:
    """Erase a lead's personal data. This cannot be undone."""
    lead = _lead(api, lead_id)
    waiting = [name for name, each in _deliveries(lead) if each.get("state") == "received"]
    unsent = f" The pending delivery to {', '.join(waiting)} is not sent." if waiting else ""
    output.confirm(
        f"The personal data of {lead_id} ({lead.get('source')}, {lead.get('received_at')}) is erased here permanently;"
        f" partners keep their data.{unsent} A tombstone without personal data remains. Erase?",
        yes=yes,
    )
    api.delete("leads", lead_id)
    output.answer(
        {"lead_id": lead_id, "erased": True}, lambda: [line(f"{lead_id}: personal data erased; the tombstone remains.")]
    )


@command(app, "export", resolve_api, read_filters)
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
    reveal: Reveal = False,
) -> None:
    """Write leads to a CSV file without formulas, one line per delivery. The console exports the same columns."""
    from leadbridge_cli.csv_export import export_to

    masked = None if reveal else "true"
    export = ("exports", "leads")
    pages = iter_pages(api, wanted, path=export, masked=masked, separator=separator.value, zone=zone)
    export_to(output, file, pages, overwrite=overwrite, bom=bom)


def _lead(api: Api, lead_id: str) -> dict[str, Any]:
    """Return a lead with masked contact data. Raises Failure."""
    return api.get("leads", lead_id, masked="true")


def _partner(api: Api, lead_id: str, given: str | None) -> str:
    """Return the given partner, else the lead's only partner. Raises Failure."""
    if given is not None:
        return given
    names = [name for name, _ in _deliveries(_lead(api, lead_id))]
    if not names:
        raise not_found("The lead has no delivery.")
    if len(names) > 1:
        raise usage_error(f"The lead has several deliveries. Give --partner {' or --partner '.join(names)}.")
    return names[0]


def _deliveries(lead: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    found = lead.get("deliveries")
    return [*found.items()] if isinstance(found, dict) else []


def _show_delivery(output: Output, lead_id: str, partner: str, delivery: dict[str, Any]) -> None:
    output.answer(
        {"lead_id": lead_id, "partner": partner, "delivery": delivery},
        lambda: [line(f"{lead_id}: {partner} is {delivery.get('state')}.")],
    )


def _render_leads(leads: list[dict[str, Any]]) -> Renderable:
    def row(lead: dict[str, Any]) -> Iterable[object]:
        person = lead.get("person") or {}
        deliveries = ", ".join(_delivery_summary(name, each) for name, each in _deliveries(lead))
        problems = ", ".join(f"{each.get('field')} {each.get('code')}" for each in lead.get("problems") or [])
        name = "(erased)" if lead.get("erased_at") else person.get("full_name")
        return (
            lead["received_at"],
            lead["lead_id"],
            lead["source"],
            lead["status"],
            name,
            person.get("phone"),
            deliveries or problems,
        )

    columns = ("received", "lead", "source", "status", "name", "phone", "deliveries, problems")
    return table(columns, map(row, leads))


def _delivery_summary(partner: str, delivery: dict[str, Any]) -> str:
    partner_status, attention = (
        delivery.get("partner_status"),
        delivery.get("attention") or delivery.get("last_error_code"),
    )
    status, needs = f" ({partner_status})" if partner_status else "", f" – {attention}" if attention else ""
    return f"{partner}: {delivery.get('state')}{status}{needs}"


def _render_lead(lead: dict[str, Any]) -> Iterable[Renderable]:
    own = {name: value for name, value in lead.items() if name not in {"deliveries", "timeline", "problems"}}
    yield table(("field", "value"), flatten(own))
    if lead.get("problems"):
        yield problem_table(lead["problems"])
    for partner, delivery in _deliveries(lead):
        explained = {"last_error_meaning": error_meaning(delivery.get("last_error_code"))}
        yield table(("delivery", "value"), flatten({**delivery, **explained}), title=partner)
    entries = lead.get("timeline") or []
    names = ("at", "what", "partner")
    rows = ([*(entry.get(name) for name in names), entry_details(entry)] for entry in entries)
    yield table((*names, "facts"), rows, title="timeline")

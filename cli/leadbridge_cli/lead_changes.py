"""`leadbridge leads …`: correct, send, retry, resolve, check and erase leads."""

from collections.abc import Callable
from typing import Annotated, Any

import typer

from leadbridge_cli.api import Api, resolve_api
from leadbridge_cli.bulk import apply_to_each, chosen_leads, open_delivery, render_results
from leadbridge_cli.exit_codes import not_found, usage_error
from leadbridge_cli.lead_tables import deliveries_of, lead_table
from leadbridge_cli.leads import LeadId, app, masked_lead
from leadbridge_cli.options import Yes, command
from leadbridge_cli.output import Output, line
from leadbridge_cli.paging import LeadQuery, Source, time_ago

RETRIED = ("failed", "rejected", "duplicate")  # states that many leads may be retried from

Partner = Annotated[
    str | None, typer.Option("--partner", help="Partner of the delivery. Required if the lead has several deliveries.")
]
OneLead = Annotated[
    str | None, typer.Argument(help="Id of one lead, ld_…; or choose several with --status and --partner.")
]
AtPartner = Annotated[
    str | None, typer.Option("--status", help="State of the delivery to --partner, such as rejected.")
]
Since = Annotated[str, typer.Option("--since", help="Several leads: received since 7d, 12h, 30m ago, or a time.")]
AtMost = Annotated[int, typer.Option("--at-most", min=1, max=10_000, help="Several leads: the largest number.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Several leads: only show which ones.")]


@command(app, "correct", resolve_api, example="leads correct ld_… person.phone=+380501234567")
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


@command(
    app,
    "send",
    resolve_api,
    example="leads send --status rejected --partner lender-b --to broker-b",
)
def send(
    output: Output,
    api: Api,
    to: Annotated[str, typer.Option("--to", help="Partner that gets the leads.")],
    lead_id: OneLead = None,
    status: AtPartner = None,
    partner: Annotated[str | None, typer.Option("--partner", help="Partner that did not take the leads.")] = None,
    source: Source = None,
    since: Since = "1d",
    at_most: AtMost = 100,
    dry_run: DryRun = False,
    even_if_twice: Annotated[
        bool, typer.Option("--even-if-twice", help="Also a lead that another partner has or may get (one lead only).")
    ] = False,
    yes: Yes = False,
) -> None:
    """Give one lead, or the leads that a partner did not take, to another partner."""
    if lead_id is not None:
        if status or partner or source or dry_run:
            raise usage_error("Give the id of one lead, or --status and --partner.")
        if even_if_twice:
            output.confirm(f"Another partner may have the lead. Send it to {to} too?", yes=yes)
        _show_delivery(output, lead_id, to, open_delivery(api, lead_id, to, is_confirmed=even_if_twice))
        return
    if status is None or partner is None or even_if_twice:
        raise usage_error("Give the id of one lead, or --status and --partner without --even-if-twice.")
    chosen = chosen_leads(api, _selection(status, partner, source, since), at_most, without=to)
    if dry_run:
        _show_choice(output, chosen, at_most)
        return
    if chosen:
        output.confirm(f"Send {len(chosen)} leads that are {status} at {partner} to {to}?", yes=yes)
    sent, refused = _apply(output, chosen, lambda one: open_delivery(api, one, to))
    answer = {"partner": to, "sent": sent, "refused": refused}
    output.answer(answer, lambda: render_results(f"{len(sent)} leads are sent to {to}.", refused))
    _note_limit(output, chosen, at_most)


@command(app, "retry", resolve_api, example="leads retry --status failed --partner lender-b --dry-run")
def retry(
    output: Output,
    api: Api,
    lead_id: OneLead = None,
    partner: Partner = None,
    status: AtPartner = None,
    source: Source = None,
    since: Since = "1d",
    at_most: AtMost = 100,
    dry_run: DryRun = False,
    even_if_twice: Annotated[
        bool,
        typer.Option("--even-if-twice", help="Also an unknown or skipped one; partners may get it twice (one lead)."),
    ] = False,
    yes: Yes = False,
) -> None:
    """Retry the failed, rejected or duplicate delivery of one lead, or of the leads that --status chooses."""
    if lead_id is None:
        if status not in RETRIED or partner is None or even_if_twice:
            raise usage_error(f"Give the id of one lead, or --partner and --status ({', '.join(RETRIED)}).")
        chosen = chosen_leads(api, _selection(status, partner, source, since), at_most)
        if dry_run:
            _show_choice(output, chosen, at_most)
            return
        if chosen:
            output.confirm(f"Retry {len(chosen)} leads that are {status} at {partner}?", yes=yes)
        at = partner
        done, refused = _apply(output, chosen, lambda one: api.post("leads", one, "deliveries", at, "retry"))
        answer = {"partner": partner, "retried": done, "refused": refused}
        output.answer(answer, lambda: render_results(f"{len(done)} leads are sent to {partner} again.", refused))
        _note_limit(output, chosen, at_most)
        return
    if status or source or dry_run:
        raise usage_error("Give the id of one lead, or --status and --partner.")
    partner = _partner(api, lead_id, partner)
    if even_if_twice:
        output.confirm(
            "The partner may already have the lead and get it twice, or another partner has it. Retry?", yes=yes
        )
    body = {"confirm": True} if even_if_twice else None
    _show_delivery(output, lead_id, partner, api.post("leads", lead_id, "deliveries", partner, "retry", body=body))


@command(app, "retry-fetch", resolve_api, example="leads retry-fetch ld_…")
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


@command(app, "resolve", resolve_api, example="leads resolve ld_… --deal-id 24")
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


@command(app, "check", resolve_api, example="leads check ld_…")
def check(output: Output, api: Api, lead_id: LeadId, partner: Partner = None) -> None:
    """Check the status at the partner now."""
    partner = _partner(api, lead_id, partner)
    answer = api.post("leads", lead_id, "deliveries", partner, "check")
    output.answer(
        {"lead_id": lead_id, "partner": partner, **answer},
        lambda: [line(f"Status check of {lead_id} at {partner} started. See `leads show` for the result.")],
    )


@command(app, "erase", resolve_api, example="leads erase ld_…")
def erase(output: Output, api: Api, lead_id: LeadId, yes: Yes = False) -> None:
    """Erase a lead's personal data. This cannot be undone."""
    lead = masked_lead(api, lead_id)
    waiting = [name for name, each in deliveries_of(lead) if each.get("state") == "received"]
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


def _partner(api: Api, lead_id: str, given: str | None) -> str:
    """Return the given partner, else the lead's only partner. Raises Failure."""
    if given is not None:
        return given
    names = [name for name, _ in deliveries_of(masked_lead(api, lead_id))]
    if not names:
        raise not_found("The lead has no delivery.")
    if len(names) > 1:
        raise usage_error(f"The lead has several deliveries. Give --partner {' or --partner '.join(names)}.")
    return names[0]


def _show_delivery(output: Output, lead_id: str, partner: str, delivery: dict[str, Any]) -> None:
    output.answer(
        {"lead_id": lead_id, "partner": partner, "delivery": delivery},
        lambda: [line(f"{lead_id}: delivery to {partner}: {delivery.get('state')}")],
    )


def _selection(status: str, partner: str, source: str | None, since: str) -> LeadQuery:
    return LeadQuery(status=status, partner=partner, source=source, since=time_ago(since))


def _apply(
    output: Output, chosen: list[dict[str, Any]], call: Callable[[str], object]
) -> tuple[list[str], list[dict[str, str]]]:
    """Call for each lead. Returns the ids of those that worked, and why the others did not."""
    done, refused = list[str](), list[dict[str, str]]()
    with output.progress("leads", len(chosen)) as advance:
        for one, reason in apply_to_each([str(lead["lead_id"]) for lead in chosen], call):
            advance(1)
            if reason is None:
                done.append(one)
            else:
                refused.append({"lead_id": one, "reason": reason})
    return done, refused


def _show_choice(output: Output, chosen: list[dict[str, Any]], at_most: int) -> None:
    output.answer(
        {"leads": chosen, "dry_run": True},
        lambda: [lead_table(chosen), line(f"{len(chosen)} leads are chosen. Nothing was done.")],
    )
    _note_limit(output, chosen, at_most)


def _note_limit(output: Output, chosen: list[dict[str, Any]], at_most: int) -> None:
    if len(chosen) == at_most:
        output.note(f"There may be more leads: at most {at_most} were chosen (--at-most).")

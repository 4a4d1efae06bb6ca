"""`leadbridge leads …`: the list, one lead's journey, and what an operator may do to it."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from leadbridge_cli.api import Api, api_at
from leadbridge_cli.exit_codes import not_found, wrong_use
from leadbridge_cli.options import Reveal, Yes, command, group
from leadbridge_cli.output import Picture, Screen, facts, flat, line, meaning, table
from leadbridge_cli.paging import Wanted, leads_in
from leadbridge_cli.sanitize import masked

app = group("leads", "Leads: the list, one lead's journey, and what you may do to it.")

LeadId = Annotated[str, typer.Argument(help="The lead's id, ld_…")]
Partner = Annotated[str | None, typer.Option("--partner", help="Which partner; else the lead's only one.")]
Status = Annotated[str | None, typer.Option("--status", help="Leads with a delivery in this state.")]
Source = Annotated[str | None, typer.Option("--source", help="Leads of this form.")]
OfPartner = Annotated[str | None, typer.Option("--partner", help="Leads of this partner.")]
Phone = Annotated[str | None, typer.Option("--phone", help="Leads of this phone, however it is written.")]
Attention = Annotated[bool, typer.Option("--attention", help="Leads with a partner that no longer confirms its id.")]


@command(app, "list", api_at)
def list_leads(
    screen: Screen,
    api: Api,
    status: Status = None,
    source: Source = None,
    partner: OfPartner = None,
    phone: Phone = None,
    attention: Attention = False,
    limit: Annotated[int, typer.Option(min=1, max=100, help="How many; --all has its own.")] = 25,
    cursor: Annotated[str | None, typer.Option(help="Where the page before ended.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All pages.")] = False,
    reveal: Reveal = False,
) -> None:
    """List leads, newest first."""
    wanted = Wanted(status, source, partner, phone, attention=attention, masked=not reveal)
    if every:
        with screen.progress("leads") as advance:
            leads = []
            for page in leads_in(api, wanted, cursor):
                leads += page.leads
                cursor = page.cursor
                advance(len(page.leads))
    else:
        found = api.get("leads", **wanted.query, limit=limit, cursor=cursor)
        leads, cursor = list(found["leads"]), found["cursor"]
    leads = leads if reveal else masked(leads)
    screen.answer({"leads": leads, "cursor": cursor}, lambda: [_list(leads)])
    if cursor is not None and not screen.as_json:
        screen.note(f"There are more: --all, or --cursor {cursor}")


@command(app, "show", api_at)
def show(screen: Screen, api: Api, lead_id: LeadId, reveal: Reveal = False) -> None:
    """Show a lead: the person, the deliveries, the timeline. --reveal is noted in the timeline."""
    lead = api.post("leads", lead_id, "reveal") if reveal else masked(_lead(api, lead_id))
    screen.answer(lead, lambda: _journey(lead))


@command(app, "retry", api_at)
def retry(
    screen: Screen,
    api: Api,
    lead_id: LeadId,
    partner: Partner = None,
    even_if_twice: Annotated[
        bool, typer.Option("--even-if-twice", help="Also one that is unknown: the partner may get it twice.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Retry a delivery that is failed, rejected or a duplicate."""
    partner = _partner(api, lead_id, partner)
    if even_if_twice:
        screen.confirm("If it is unknown, the partner may have it already and would get it twice. Send it?", yes=yes)
    body = {"confirm": True} if even_if_twice else None
    _done(screen, lead_id, partner, api.post("leads", lead_id, "deliveries", partner, "retry", body=body))


@command(app, "retry-fetch", api_at)
def retry_fetch(
    screen: Screen,
    api: Api,
    lead_id: LeadId,
    even_if_twice: Annotated[
        bool, typer.Option("--even-if-twice", help="Also one that was restored: partners may get the lead twice.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Retry the fetch of a lead that could not be fetched."""
    if even_if_twice:
        screen.confirm("If it was restored, partners may have the lead already and would get it twice. Fetch?", yes=yes)
    answer = api.post("leads", lead_id, "fetch", "retry", body={"confirm": True} if even_if_twice else None)
    screen.answer({"lead_id": lead_id, **answer}, lambda: [line(f"{lead_id}: the fetch is {answer['state']}.")])


@command(app, "retry-message", api_at)
def retry_message(
    screen: Screen,
    api: Api,
    lead_id: LeadId,
    message_id: Annotated[str, typer.Argument(help="The message's id, as `leads show --json` names it.")],
) -> None:
    """Retry a message that failed. It is skipped if a newer one about the same delivery was sent."""
    answer = api.post("leads", lead_id, "messages", message_id, "retry")
    screen.answer({"lead_id": lead_id, **answer}, lambda: [line(f"{message_id} is {answer['status']}.")])


@command(app, "resolve", api_at)
def resolve(
    screen: Screen,
    api: Api,
    lead_id: LeadId,
    partner: Partner = None,
    deal_id: Annotated[int | None, typer.Option(min=1, help="The partner has it, as this deal.")] = None,
    account_uuid: Annotated[str | None, typer.Option(help="The partner has it, as this account.")] = None,
    not_created: Annotated[bool, typer.Option("--not-created", help="The partner does not have it.")] = False,
    unknown: Annotated[bool, typer.Option("--unknown", help="Withdraw what an operator settled.")] = False,
    correct: Annotated[bool, typer.Option("--correct", help="Also one that an operator has settled.")] = False,
    yes: Yes = False,
) -> None:
    """Settle an unknown delivery with what the partner says, or correct what an operator settled."""
    told: dict[str, Any] = {"deal_id": deal_id, "account_uuid": account_uuid}
    told = {name: value for name, value in told.items() if value is not None}
    outcomes = [name for name, is_said in {"not_created": not_created, "unknown": unknown}.items() if is_said]
    if len(told) + len(outcomes) != 1:
        raise wrong_use("Say one of --deal-id, --account-uuid, --not-created and --unknown.")
    told |= {"outcome": outcomes[0]} if outcomes else {}
    if not (correct or unknown):
        told["expected_state"] = "unknown"
    partner = _partner(api, lead_id, partner)
    if correct or unknown:
        screen.confirm("Messages that were sent already cannot be taken back. Was the settlement wrong?", yes=yes)
    else:
        screen.confirm("Has the partner confirmed this to you?", yes=yes)
    _done(screen, lead_id, partner, api.post("leads", lead_id, "deliveries", partner, "resolve", body=told))


@command(app, "check", api_at)
def check(screen: Screen, api: Api, lead_id: LeadId, partner: Partner = None) -> None:
    """Have the partner asked for the status now."""
    partner = _partner(api, lead_id, partner)
    answer = api.post("leads", lead_id, "deliveries", partner, "check")
    screen.answer(
        {"lead_id": lead_id, "partner": partner, **answer},
        lambda: [line(f"{partner} is asked for {lead_id}; `leads show` tells what it says.")],
    )


@command(app, "erase", api_at)
def erase(screen: Screen, api: Api, lead_id: LeadId, yes: Yes = False) -> None:
    """Erase the person: name, phone and all else. It cannot be undone."""
    lead = _lead(api, lead_id)
    waiting = [name for name, each in _deliveries(lead) if each.get("state") == "received"]
    unsent = f" What waits for {', '.join(waiting)} is never sent." if waiting else ""
    screen.confirm(
        f"The person of {lead_id} ({lead.get('source')}, {lead.get('received_at')}) is erased from everything that is"
        f" kept here, for good; partners keep what they have.{unsent} A tombstone without a name stays. Erase?",
        yes=yes,
    )
    api.delete("leads", lead_id)
    screen.answer({"lead_id": lead_id, "erased": True}, lambda: [line(f"{lead_id} is erased; its tombstone stays.")])


@command(app, "export", api_at)
def export(
    screen: Screen,
    api: Api,
    file: Annotated[Path, typer.Argument(help="The CSV file to write; - is stdout.")],
    status: Status = None,
    source: Source = None,
    partner: OfPartner = None,
    phone: Phone = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if it is there.")] = False,
    reveal: Reveal = False,
) -> None:
    """Write all leads to a CSV file that a spreadsheet opens safely: one line for each delivery."""
    from leadbridge_cli.exporting import export_to

    wanted = Wanted(status, source, partner, phone, masked=not reveal)
    export_to(screen, file, leads_in(api, wanted), overwrite=overwrite, reveal=reveal)


def _lead(api: Api, lead_id: str) -> dict[str, Any]:
    """A lead without its person's contact data. Raises Failure."""
    return api.get("leads", lead_id, masked="true")


def _partner(api: Api, lead_id: str, named: str | None) -> str:
    """The partner that was named, else the only one that the lead has. Raises Failure."""
    if named is not None:
        return named
    names = [name for name, _ in _deliveries(_lead(api, lead_id))]
    if not names:
        raise not_found("The lead has no delivery.")
    if len(names) > 1:
        raise wrong_use(f"The lead has several deliveries: say --partner {' or --partner '.join(names)}.")
    return names[0]


def _deliveries(lead: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    found = lead.get("deliveries")
    return [*found.items()] if isinstance(found, dict) else []


def _done(screen: Screen, lead_id: str, partner: str, delivery: dict[str, Any]) -> None:
    screen.answer(
        {"lead_id": lead_id, "partner": partner, "delivery": delivery},
        lambda: [line(f"{lead_id}: {partner} is {delivery.get('state')} now.")],
    )


def _list(leads: list[dict[str, Any]]) -> Picture:
    def row(lead: dict[str, Any]) -> Iterable[object]:
        person = lead.get("person") or {}
        reached = ", ".join(_stand(name, each) for name, each in _deliveries(lead))
        name = "(erased)" if lead.get("erased_at") else person.get("full_name")
        return lead["received_at"], lead["lead_id"], lead["source"], lead["status"], name, person.get("phone"), reached

    return table(("received", "lead", "source", "status", "name", "phone", "deliveries"), map(row, leads))


def _stand(partner: str, delivery: dict[str, Any]) -> str:
    said, attention = delivery.get("partner_status"), delivery.get("attention") or delivery.get("last_error_code")
    status, needs = f" ({said})" if said else "", f" – {attention}" if attention else ""
    return f"{partner}: {delivery.get('state')}{status}{needs}"


def _journey(lead: dict[str, Any]) -> Iterable[Picture]:
    own = {name: value for name, value in lead.items() if name not in {"deliveries", "timeline"}}
    yield table(("field", "value"), flat(own))
    for partner, delivery in _deliveries(lead):
        explained = {"last_error_meaning": meaning(delivery.get("last_error_code"))}
        yield table(("delivery", "value"), flat({**delivery, **explained}), title=partner)
    entries = lead.get("timeline") or []
    names = ("at", "what", "partner")
    rows = ([*(entry.get(name) for name in names), facts(entry)] for entry in entries)
    yield table((*names, "facts"), rows, title="timeline")

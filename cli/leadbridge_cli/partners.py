"""`leadbridge partners …`: list the partners, and pause or resume one."""

from typing import Annotated, Any

import typer

from leadbridge_cli.api import Api, resolve_api
from leadbridge_cli.options import command, group
from leadbridge_cli.output import Output, line, table

app = group("partners", "Partners: whether they get leads, pause and resume; their APIs.")

Name = Annotated[str, typer.Argument(help="The partner's name, as in partners list.")]


@command(app, "list", resolve_api, example="partners list")
def list_partners(output: Output, api: Api) -> None:
    """List the configured partners, whether they get leads, and how many leads their caps count."""
    document = api.get("partners")
    names = ("name", "kind", "label", "state", "reason", "operator", "since", "until", "caps")

    def row(partner: dict[str, Any]) -> list[object]:
        pause, circuit = partner["pause"], partner["circuit"]
        if pause is not None:
            why = [pause["reason"], pause["operator"], pause["at"], None]
        elif circuit["since"] is not None:
            why = [circuit["code"], None, circuit["since"], circuit["opened_until"]]
        else:
            why = [circuit["code"], None, None, partner["opens_at"]]
        caps = ", ".join(f"{one['window']} {one['count']}/{one['limit']}" for one in partner["caps"])
        state = "gets leads" if partner["state"] == "open" else partner["state"]
        return [*(partner[name] for name in names[:3]), state, *why, caps or None]

    output.answer(document, lambda: [table(names, map(row, document["partners"]))])


@command(app, "pause", resolve_api, example='partners pause broker-b --reason "no budget this week"')
def pause(
    output: Output,
    api: Api,
    partner: Name,
    reason: Annotated[str, typer.Option(help="Why; shown to all operators.")],
) -> None:
    """Stop sending leads to a partner. Its leads wait until it is resumed."""
    view = api.post("partners", partner, "pause", body={"reason": reason})
    output.answer(view, lambda: [line(f"{partner} is paused. Its leads wait until `partners resume {partner}`.")])


@command(app, "resume", resolve_api, example="partners resume broker-b")
def resume(output: Output, api: Api, partner: Name) -> None:
    """Send leads to a paused partner again. The leads that wait are queued within a minute."""
    view = api.post("partners", partner, "resume")
    output.answer(view, lambda: [line(f"{partner} gets leads again. The leads that wait are queued within a minute.")])

"""`leadbridge feedback …`: list the postbacks of a lead, and send one again."""

from typing import Annotated, Any

import typer

from leadbridge_cli.api import Api, resolve_api
from leadbridge_cli.options import Yes, command, group
from leadbridge_cli.output import Output, line, table

app = group("feedback", "Postbacks to trackers.")

LeadId = Annotated[str, typer.Argument(help="Lead id.")]


@command(app, "list", resolve_api, example="feedback list ld_…")
def list_postbacks(output: Output, api: Api, lead_id: LeadId) -> None:
    """List the postbacks of a lead, oldest first."""
    postbacks = api.get("leads", lead_id)["feedback"]
    names = ("created_at", "tracker", "partner", "event", "status", "state", "attempts", "last_error_code", "event_id")

    def row(postback: dict[str, Any]) -> list[object]:
        return [postback.get(name) for name in names]

    output.answer({"feedback": postbacks}, lambda: [table(names, map(row, postbacks))])


@command(app, "resend", resolve_api, example="feedback resend ld_… evt_…")
def resend(
    output: Output,
    api: Api,
    lead_id: LeadId,
    event_id: Annotated[str, typer.Argument(help="Event id, as in feedback list.")],
    confirm: Annotated[
        bool, typer.Option("--confirm", help="Send it although the tracker has accepted it or a newer one.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Send a postback again that failed or was skipped. Its event id stays the same."""
    output.confirm(f"Send postback {event_id} again?", yes=yes)
    answer = api.post("leads", lead_id, "feedback", event_id, "resend", body={"confirm": confirm})
    output.answer(answer, lambda: [line(f"{answer.get('event_id')}: {answer.get('state')}.")])

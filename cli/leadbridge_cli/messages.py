"""`leadbridge message send`: something to be told to a person, in their messenger."""

from typing import Annotated

import typer

from leadbridge_cli.api import Api, api_at
from leadbridge_cli.exit_codes import wrong_use
from leadbridge_cli.key_values import pairs_in
from leadbridge_cli.options import Yes, command, group
from leadbridge_cli.output import Screen, line

app = group("message", "Messages to people.")


@command(app, "send", api_at)
def send(
    screen: Screen,
    api: Api,
    lead_id: Annotated[str | None, typer.Option("--lead", help="To the person of this lead.")] = None,
    account_id: Annotated[str | None, typer.Option("--account", help="To this account at Leeloo.")] = None,
    template_id: Annotated[str | None, typer.Option("--template", help="This template of Leeloo's.")] = None,
    text: Annotated[str | None, typer.Option("--text", help="This text; - reads it from stdin.")] = None,
    variables: Annotated[
        list[str] | None, typer.Option("--variable", help="name=value, for the template; as often as needed.")
    ] = None,
    yes: Yes = False,
) -> None:
    """Send a template or a text to a person. It cannot be taken back."""
    if (lead_id is None) == (account_id is None):
        raise wrong_use("Say one of --lead and --account.")
    if (template_id is None) == (text is None):
        raise wrong_use("Say one of --template and --text.")
    if text == "-":
        text = typer.get_text_stream("stdin").read()
    asked = {"lead_id": lead_id, "account_id": account_id, "template_id": template_id, "text": text}
    body = {name: value for name, value in asked.items() if value is not None}
    if variables:
        body["variables"] = pairs_in(variables, "--variable")  # type: ignore[assignment]
    screen.confirm(f"What is sent to {lead_id or account_id} cannot be taken back. Send?", yes=yes)
    answer = api.post("messages", body=body)
    screen.answer(answer, lambda: [line(f"{answer.get('message_id')} is {answer.get('status')}.")])

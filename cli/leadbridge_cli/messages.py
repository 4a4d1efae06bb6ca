"""`leadbridge message send`: send a message to a person's messenger."""

from typing import Annotated, Any

import typer

from leadbridge_cli.api import Api, resolve_api
from leadbridge_cli.exit_codes import usage_error
from leadbridge_cli.key_values import parse_pairs
from leadbridge_cli.options import Yes, command, group
from leadbridge_cli.output import Output, line

app = group("message", "Messages to people.")


@command(app, "send", resolve_api)
def send(
    output: Output,
    api: Api,
    lead_id: Annotated[str | None, typer.Option("--lead", help="Send to the person of this lead.")] = None,
    account_id: Annotated[str | None, typer.Option("--account", help="Send to this Leeloo account.")] = None,
    template_id: Annotated[str | None, typer.Option("--template", help="Id of a Leeloo template.")] = None,
    text: Annotated[str | None, typer.Option("--text", help="Text of the message; - reads stdin.")] = None,
    variables: Annotated[
        list[str] | None, typer.Option("--variable", help="Template variable, name=value. Repeatable.")
    ] = None,
    yes: Yes = False,
) -> None:
    """Send a template or a text to a person. A sent message cannot be recalled."""
    if (lead_id is None) == (account_id is None):
        raise usage_error("Give either --lead or --account.")
    if (template_id is None) == (text is None):
        raise usage_error("Give either --template or --text.")
    if text == "-":
        text = typer.get_text_stream("stdin").read()
    given = {"lead_id": lead_id, "account_id": account_id, "template_id": template_id, "text": text}
    body: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if variables:
        body["variables"] = parse_pairs(variables, "--variable")
    output.confirm(f"A message to {lead_id or account_id} cannot be recalled. Send?", yes=yes)
    answer = api.post("messages", body=body)
    output.answer(answer, lambda: [line(f"{answer.get('message_id')}: {answer.get('status')}.")])

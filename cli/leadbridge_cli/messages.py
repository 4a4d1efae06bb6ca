"""`leadbridge message …`: send a message to a person, list those of a lead, retry one."""

from typing import Annotated, Any

import typer

from leadbridge_cli.api import Api, resolve_api
from leadbridge_cli.exit_codes import usage_error
from leadbridge_cli.key_values import parse_pairs
from leadbridge_cli.options import Yes, command, group
from leadbridge_cli.output import Output, line, table

app = group("message", "Messages to people.")

LeadId = Annotated[str, typer.Argument(help="Id of the lead, ld_…")]


@command(app, "send", resolve_api, example='message send --lead ld_… --text "Передзвоніть нам, будь ласка"')
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


@command(app, "list", resolve_api, example="message list ld_… --state failed")
def list_messages(
    output: Output,
    api: Api,
    lead_id: LeadId,
    state: Annotated[str | None, typer.Option("--state", help="Only messages in this state, such as failed.")] = None,
) -> None:
    """List the messages to a lead's person, oldest first."""
    found = api.get("leads", lead_id, masked="true")
    messages = [each for each in found["messages"] if state in {None, each["state"]}]
    names = ("created_at", "kind", "state", "subject", "last_error_code", "message_id")
    rows = ([each.get(name) for name in names] for each in messages)
    output.answer({"lead_id": lead_id, "messages": messages}, lambda: [table(names, rows)])
    if left_out := (found.get("left_out") or {}).get("messages"):
        output.note(f"{left_out} older messages are not listed.")


@command(app, "retry", resolve_api, example="message retry ld_… MESSAGE")
def retry(
    output: Output,
    api: Api,
    lead_id: LeadId,
    message_id: Annotated[str, typer.Argument(help="Id of the message, as in message list.")],
) -> None:
    """Retry a failed message. It is skipped if a newer message about the same delivery was sent."""
    answer = api.post("leads", lead_id, "messages", message_id, "retry")
    output.answer({"lead_id": lead_id, **answer}, lambda: [line(f"{message_id}: {answer['status']}.")])

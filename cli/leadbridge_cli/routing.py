"""`leadbridge route`: which partner would get a lead, and why."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from leadbridge_cli.api import Api, resolve_api
from leadbridge_cli.exit_codes import usage_error
from leadbridge_cli.options import command
from leadbridge_cli.output import Output, Renderable, line, problem_table

MAX_BYTES = 256 * 1024
SECTIONS = ("person", "loan", "trading", "utm", "ids", "consent", "form", "received_at")


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "route", resolve_api, example="route --source web lead.json")(route)


def route(
    output: Output,
    api: Api,
    file: Annotated[Path, typer.Argument(help="A lead in JSON, or a form's fields in JSON; - reads stdin.")],
    source: Annotated[str, typer.Option(help="The source that would send it.")],
) -> None:
    """Show which partner would get a lead, rule by rule, and whether it takes one now. Stores and sends nothing."""
    found = api.post("sources", source, "route", body=parse_lead(_read(file)))
    output.answer(found, lambda: _render(found))


def parse_lead(content: bytes) -> dict[str, Any]:
    """Return the request's body: a lead's sections, or anything else as fields of the form. Raises Failure."""
    if len(content) > MAX_BYTES:
        raise usage_error("The file has more than 256 KiB.")
    try:
        lead = json.loads(content)
    except ValueError:
        raise usage_error("The file is not JSON.") from None
    if not isinstance(lead, dict):
        raise usage_error("The file must contain a JSON object.")
    if any(isinstance(lead.get(name), dict) for name in SECTIONS):
        return {name: lead[name] for name in SECTIONS if lead.get(name) is not None}
    return {"form": {name: value if isinstance(value, str) else json.dumps(value) for name, value in lead.items()}}


def _render(found: dict[str, Any]) -> Iterable[Renderable]:
    yield line(f"Goes to: {', '.join(found['partners']) or 'no partner'}")
    for one in found["unavailable"]:
        yield line(_describe_unavailable(one))
    for rule in found["rules"]:
        yield line(f"Rule {rule['rule']}: {_describe(rule)}")
    for refusal in found["refusals"]:
        fields = ", ".join(f"{error['field']} {error['code']}" for error in refusal["errors"])
        yield line(f"{refusal['partner']} would not accept it: {fields}")
    if found["problems"]:
        yield problem_table(found["problems"])


def _describe_unavailable(one: dict[str, Any]) -> str:
    until = f" until {one['until']}" if one["until"] else ""
    match one["then"]:
        case "next":
            then = f"the lead goes to {one['next_partner']}"
        case "hold":
            then = "the lead is held for an operator"
        case _:
            then = "the lead waits"
    return f"{one['partner']} gets no leads now ({one['code']}{until}): {then}"


def _describe(rule: dict[str, Any]) -> str:
    if rule["result"] == "not_matched":
        return f"does not match: {', '.join(rule['unmet'])}"
    if rule["result"] == "no_partner_left":
        return "other rules have its partners"
    weights = rule.get("weights") or {}
    order = ", else ".join(f"{name} (weight {weights[name]})" if name in weights else name for name in rule["partners"])
    return f"{order}; next on {', '.join(rule['next_on'])}" if rule.get("next_on") else order


def _read(file: Path) -> bytes:
    if str(file) == "-":
        return typer.get_binary_stream("stdin").read(MAX_BYTES + 1)
    with file.open("rb") as opened:
        return opened.read(MAX_BYTES + 1)

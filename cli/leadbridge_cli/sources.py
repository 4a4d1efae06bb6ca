"""`leadbridge sources …`: set up a form, and see whether it is connected."""

import json
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from leadbridge_cli.api import Api, resolve_api
from leadbridge_cli.exit_codes import not_found
from leadbridge_cli.options import command, group
from leadbridge_cli.output import Output, Renderable, line, problem_table, short_time, table

app = group("sources", "Sources: the forms that send leads.")


Name = Annotated[str, typer.Argument(help="The source's name, as in sources list.")]


@command(app, "list", resolve_api, example="sources list")
def list_sources(output: Output, api: Api) -> None:
    """List the configured sources, and what each one has posted in the last seven days."""
    document = api.get("sources")
    names = ("name", "last post", "last lead", "accepted", "incomplete", "repeated", "refused")

    def row(one: dict[str, Any]) -> list[object]:
        counts = [sum(day[name] for day in one["days"]) for name in ("accepted", "incomplete", "repeated")]
        times = [one[name] and short_time(one[name]) for name in ("last_post_at", "last_accepted_at")]
        return [one["source"], *times, *counts, sum(_refused(one).values())]

    output.answer(document, lambda: [table(names, map(row, document["sources"]))])


@command(app, "show", resolve_api, example="sources show web")
def show_source(output: Output, api: Api, name: Name) -> None:
    """Show why posts of a source were refused, and which fields of its form do not arrive or are not used."""
    found = next((one for one in api.get("sources")["sources"] if one["source"] == name), None)
    if found is None:
        raise not_found("This source is not configured.")
    output.answer(found, lambda: _shown(found))


@command(app, "test", resolve_api, example="sources test web")
def test_source(output: Output, api: Api, name: Name) -> None:
    """Test whether a source can receive posts: its adapter, and its secret. Stores nothing."""
    view = api.post("sources", name, "test")
    output.answer(view, lambda: [line(f"{name} can receive posts. Nothing was stored.")])


def _refused(source: dict[str, Any]) -> Counter[str]:
    """Return the refused posts of a source by reason."""
    total = Counter[str]()
    for day in source["days"]:
        total.update(day["refused"])
    return total


def _shown(source: dict[str, Any]) -> list[Renderable]:
    names = ("adapter", "path", "last_post_at", "last_accepted_at", "last_refused_at")
    shown: list[Renderable] = [table(("field", "value"), ((name, source[name]) for name in names))]
    if refused := _refused(source):
        shown.append(table(("reason", "posts"), refused.most_common(), title="refused"))
    if invalid := source["last_invalid"]:
        shown.append(problem_table(invalid["errors"]))
        if invalid["unused"]:
            shown.append(line(f"The refused form has fields that are not configured: {', '.join(invalid['unused'])}"))
    missing = [(one["name"], one["field"]) for one in source["fields"] if one["arrives"] is False]
    if missing:
        shown.append(table(("form field", "lead field"), missing, title="configured, but never filled in"))
    if source["unused"]:
        unused = ((one["name"], one["last_seen"]) for one in source["unused"])
        shown.append(table(("form field", "last seen"), unused, title="not used"))
    return shown


@command(app, "suggest", example="sources suggest post.json --name my-form")
def suggest(
    output: Output,
    file: Annotated[Path, typer.Argument(help="A sample post: JSON, a form's body, or a sample event; - reads stdin.")],
    adapter: Annotated[str | None, typer.Option(help="The kind of form. Default: what the sample shows.")] = None,
    name: Annotated[str, typer.Option(help="The source's name in config/sources.toml.")] = "my-form",
) -> None:
    """Suggest the fields table of a form from one of its posts. Prints names of fields, no answers."""
    from leadbridge_cli.field_guesses import suggest as guess
    from leadbridge_cli.sample_posts import read_sample

    sample = read_sample(_read(file), adapter)
    found = guess(sample.answers)
    document: dict[str, Any] = {
        "adapter": sample.adapter,
        "fields": dict(found.fields),
        "unmapped": list(found.unmapped),
        "missing": list(found.missing) if sample.answers else [],
    }
    output.answer(document, lambda: [line(each) for each in _lines(name, document)])


def _lines(name: str, document: dict[str, Any]) -> list[str]:
    key = _quoted(name)
    lines = [f"[{key}]", f'adapter = "{document["adapter"]}"', 'partners = ["…"]  # names of config/partners.toml', ""]
    if document["adapter"] == "standard_webhooks":
        return [*lines, "# The body has the names of the lead fields. It needs no table."]
    if not document["fields"]:
        is_meta = document["adapter"] == "meta"
        lines.append(
            "# Meta's posts contain only ids. Give a lead from Graph." if is_meta else "# No field was recognized."
        )
    lines += [f"[{key}.fields]", *(f'{_quoted(label)} = "{path}"' for label, path in document["fields"].items())]
    if document["unmapped"]:
        lines += ["", "# Not recognized. Map them, or leave them out:"]
        lines += [f"# {_quoted(label)} = " for label in document["unmapped"]]
    if document["missing"]:
        lines += ["", f"# Some partners need these; no field was found: {', '.join(document['missing'])}"]
    return [*lines, "", "# Check each line, then run: make check-config"]


def _quoted(text: str) -> str:
    """Return a text as a TOML string, or as a bare key if it can be one."""
    if text and len(text) <= 64 and all(each.isascii() and (each.isalnum() or each in "-_") for each in text):
        return text
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _read(file: Path) -> bytes:
    from leadbridge_cli.sample_posts import MAX_BYTES

    if str(file) == "-":
        return typer.get_binary_stream("stdin").read(MAX_BYTES + 1)
    with file.open("rb") as opened:
        return opened.read(MAX_BYTES + 1)

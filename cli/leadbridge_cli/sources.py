"""`leadbridge sources …`: set up a form."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from leadbridge_cli.options import command, group
from leadbridge_cli.output import Output, line

app = group("sources", "Sources: the forms that send leads.")


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

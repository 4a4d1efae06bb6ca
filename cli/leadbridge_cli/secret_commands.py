"""`leadbridge secrets …`: put, rotate and check secrets."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from leadbridge_cli.cloud import Cloud, resolve_cloud
from leadbridge_cli.exit_codes import Code, Failure, usage_error
from leadbridge_cli.options import Yes, command, group
from leadbridge_cli.output import Output, is_terminal, line, table

app = group("secrets", "Secrets: credentials of partners, forms and operators.")

SOURCES = "sources"
MAX_SECRET_BYTES = 65_536  # bytes, the limit of Secrets Manager

OldOne = Annotated[
    bool, typer.Option("--drop-old", help="Remove a source's old secret, after the form uses the new one.")
]


@command(app, "put", resolve_cloud)
def put(
    output: Output,
    cloud: Cloud,
    name: Annotated[str, typer.Argument(help="Partner kind, `sources` or `operators`.")],
    file: Annotated[
        Path | None, typer.Argument(help="JSON file with the value; - reads stdin. If omitted, you are prompted.")
    ] = None,
) -> None:
    """Replace a secret. The value is validated first and never shown."""
    from leadbridge.auth.partner_secret import is_keyed
    from leadbridge_cli.secret_schemas import keys_of, names, validate_secret
    from leadbridge_cli.secrets_store import SecretsStore

    if name not in names():
        raise usage_error(f"Unknown secret {name}. Known: {', '.join(names())}. The stack creates all others.")
    store = SecretsStore(cloud)
    seen = store.read(name)
    if file is not None:
        value = _json_in(file)
    elif keys_of(name)[0] and is_keyed(seen.value or {}):
        raise usage_error(f"{name} has an object for each partner. Give a JSON file with the objects of all partners.")
    elif keys_of(name)[0] and is_terminal(sys.stdin):
        value = _prompt_for_values(name, seen.value or {})
    else:
        raise usage_error("Give a JSON file, or - for stdin.")
    validate_secret(name, value)
    changed = sorted(key for key in {*value, *(seen.value or {})} if value.get(key) != (seen.value or {}).get(key))
    if changed:
        store.replace(name, seen, value)
    summary = f"changed: {', '.join(changed)}" if changed else "no changes"
    output.answer({"name": name, "changed": changed}, lambda: [line(f"{cloud.prefix}/{name} stored; {summary}.")])


@command(app, "rotate", resolve_cloud)
def rotate(
    output: Output,
    cloud: Cloud,
    name: Annotated[str, typer.Argument(help="`sources`, `operators`, or a partner kind with a key of ours.")],
    whose: Annotated[str | None, typer.Argument(help="Name of the source or operator.")] = None,
    drop_old: OldOne = False,
    new: Annotated[bool, typer.Option("--new", help="Create a new operator.")] = False,
    yes: Yes = False,
) -> None:
    """Create a new source secret, operator token or key pair, and show it once."""
    from leadbridge_cli import rotation as rotate_secret
    from leadbridge_cli.secrets_store import SecretsStore

    rotation = rotate_secret.key_rotation(name)
    if (
        (rotation is not None) == (whose is not None)
        or (drop_old and name != "sources")
        or (new and name != "operators")
    ):
        raise usage_error(
            "Use `sources SOURCE [--drop-old]`, `operators NAME [--new]`, or a partner kind with a key of ours."
        )
    store = SecretsStore(cloud)
    match name:
        case "sources":
            answer = rotate_secret.source(store, whose or "", drop_old=drop_old)
        case "operators":
            if not new:
                output.confirm(f"The current token of {whose} stops working within a minute. Continue?", yes=yes)
            answer = rotate_secret.operator(store, whose or "", is_new=new)
        case _ if rotation is not None:
            output.confirm(rotation.warning, yes=yes)
            answer = rotate_secret.partner(store, name, rotation)
        case _:
            raise usage_error(f"{name} cannot be rotated here. Get a new value from the partner and use `secrets put`.")
    output.answer(answer.document(), lambda: [line(each) for each in answer.lines()])


@command(app, "check", resolve_cloud)
def check(
    output: Output,
    cloud: Cloud,
    names: Annotated[list[str] | None, typer.Argument(help="Names of partners, or `sources`. Default: all.")] = None,
) -> None:
    """Verify that partners accept our credentials, and that sources' secrets can be used. Nothing is created there."""
    from leadbridge_cli.verify_credentials import partners, verify

    known = [*partners(), SOURCES]
    if unknown := set(names or ()) - set(known):
        raise usage_error(f"Unknown partner: {', '.join(sorted(unknown))}. Known: {', '.join(known)}.")
    chosen = [name for name in names or known if name != SOURCES]
    hints = _hints_about_sources(cloud, is_required=SOURCES in (names or ())) if not names or SOURCES in names else []
    found = []
    with output.progress("partners", len(chosen)) as advance:
        for name in chosen:
            found.append(verify(cloud, name))
            advance(1)
    rows = [(each.partner, "accepted" if each.failure is None else "not accepted", each.detail) for each in found]
    documents = [{"partner": name, "accepted": result == "accepted", "detail": detail} for name, result, detail in rows]
    shown = [*rows, *((f"{SOURCES}: {source}", "unusable", hint) for source, hint in hints)]
    output.answer(
        {"partners": documents, "sources": [{"source": source, "hint": hint} for source, hint in hints]},
        lambda: [table(("name", "credentials", "detail"), shown)],
    )
    if failures := [each.failure for each in found if each.failure is not None]:
        code = min((failure.code for failure in failures), key=_WORST.index)
        raise Failure(code, f"Credentials not accepted by {len(failures)} of {len(chosen)} partners.")
    if hints:
        raise Failure(Code.REFUSED, f"Secrets of {len({source for source, _ in hints})} sources cannot be used.")


def _hints_about_sources(cloud: Cloud, *, is_required: bool) -> list[tuple[str, str]]:
    """Return the sources whose secrets cannot be used. Raises Failure if the secret is missing but required."""
    from leadbridge_cli.secrets_store import SecretsStore
    from leadbridge_cli.source_secrets import adapters, hints_about

    try:
        value = SecretsStore(cloud).read(SOURCES).value
    except Failure as failure:
        if is_required or failure.code is not Code.NOT_FOUND:
            raise
        return []
    return hints_about(value or {}, adapters())


_WORST = (Code.REFUSED, Code.NOT_FOUND, Code.CONFLICT, Code.USAGE, Code.NO_ANSWER)


def _json_in(file: Path) -> Any:
    raw = typer.get_binary_stream("stdin").read(MAX_SECRET_BYTES + 1) if str(file) == "-" else _read(file)
    if len(raw) > MAX_SECRET_BYTES:
        raise usage_error(f"The value is larger than {MAX_SECRET_BYTES} bytes.")
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        raise usage_error("The value is not JSON.") from None


def _read(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(MAX_SECRET_BYTES + 1)


def _prompt_for_values(name: str, known: dict[str, Any]) -> dict[str, Any]:
    """Prompt for each value without echo. PEM keys are read from files. Enter keeps the current value."""
    from leadbridge_cli.secret_schemas import keys_of

    required, optional = keys_of(name)
    value = {key: known[key] for key in optional if key in known}
    for key in required:
        is_pem = key.endswith("_key")
        kept = " (Enter keeps it)" if known.get(key) else ""
        question = f"{key}, path of the PEM file{kept}" if is_pem else f"{key}{kept}"
        given = typer.prompt(question, default="", show_default=False, hide_input=not is_pem, err=True)
        if given:
            value[key] = Path(given).read_text(encoding="ascii") if is_pem else given
        elif known.get(key):
            value[key] = known[key]
    return value

"""`leadbridge secrets …`: put, rotate, check."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from leadbridge_cli.cloud import Cloud, cloud_at
from leadbridge_cli.exit_codes import Code, Failure, wrong_use
from leadbridge_cli.options import Yes, command, group
from leadbridge_cli.output import Screen, is_terminal, line, table

app = group("secrets", "Secrets: what partners, forms and operators are known by.")

MAX_SECRET_BYTES = 65_536  # bytes that Secrets Manager keeps

OldOne = Annotated[bool, typer.Option("--drop-old", help="Of a source: the new secret is in use, forget the old one.")]


@command(app, "put", cloud_at)
def put(
    screen: Screen,
    cloud: Cloud,
    name: Annotated[str, typer.Argument(help="A partner, sources or operators.")],
    file: Annotated[
        Path | None, typer.Argument(help="A JSON file with the value, - for stdin; without one you are asked.")
    ] = None,
) -> None:
    """Replace a secret. It is checked first, and never shown."""
    from leadbridge_cli.secret_schemas import check_shape, keys_of, names
    from leadbridge_cli.secrets_store import Vault

    if name not in names():
        raise wrong_use(f"The secrets are {', '.join(names())}; what else there is, the stack makes by itself.")
    vault = Vault(cloud)
    seen = vault.read(name)
    if file is not None:
        value = _json_in(file)
    elif keys_of(name)[0] and is_terminal(sys.stdin):
        value = _asked_for(name, seen.value or {})
    else:
        raise wrong_use("Name a JSON file, or - for stdin.")
    check_shape(name, value)
    changed = sorted(key for key in {*value, *(seen.value or {})} if value.get(key) != (seen.value or {}).get(key))
    if changed:
        vault.replace(name, seen, value)
    told = f"changed: {', '.join(changed)}" if changed else "it was so already"
    screen.answer({"name": name, "changed": changed}, lambda: [line(f"{cloud.prefix}/{name} is put; {told}.")])


@command(app, "rotate", cloud_at)
def rotate(
    screen: Screen,
    cloud: Cloud,
    name: Annotated[str, typer.Argument(help="sources, operators, or a partner with a key of ours.")],
    whose: Annotated[str | None, typer.Argument(help="Which source, or which operator.")] = None,
    drop_old: OldOne = False,
    new: Annotated[bool, typer.Option("--new", help="An operator who has had no token yet.")] = False,
    yes: Yes = False,
) -> None:
    """Make a new secret and show it once: a source's, an operator's token, or our key pair at a partner."""
    from leadbridge_cli import rotating
    from leadbridge_cli.secrets_store import Vault

    rotation = rotating.key_rotation(name)
    if (
        (rotation is not None) == (whose is not None)
        or (drop_old and name != "sources")
        or (new and name != "operators")
    ):
        raise wrong_use("Say `sources SOURCE [--drop-old]`, `operators NAME [--new]`, or a partner with a key of ours.")
    vault = Vault(cloud)
    match name:
        case "sources":
            answer = rotating.source(vault, whose or "", drop_old=drop_old)
        case "operators":
            if not new:
                screen.confirm(f"The token that {whose} has is refused within a minute. Go on?", yes=yes)
            answer = rotating.operator(vault, whose or "", is_new=new)
        case _ if rotation is not None:
            screen.confirm(rotation.warning, yes=yes)
            answer = rotating.partner(vault, name, rotation)
        case _:
            raise wrong_use(f"{name} cannot be rotated: put the value that the partner gives you.")
    screen.answer(answer.document(), lambda: [line(each) for each in answer.lines()])


@command(app, "check", cloud_at)
def check(
    screen: Screen,
    cloud: Cloud,
    names: Annotated[list[str] | None, typer.Argument(help="Which partners; else all.")] = None,
) -> None:
    """Prove that each partner accepts its credentials. Nothing is created there."""
    from leadbridge_cli.verify_credentials import partners, verify

    known = partners()
    chosen = names or known
    if unknown := set(chosen) - set(known):
        raise wrong_use(f"There is no partner {', '.join(sorted(unknown))}: {', '.join(known)}.")
    found = []
    with screen.progress("partners", len(chosen)) as advance:
        for name in chosen:
            found.append(verify(cloud, name))
            advance(1)
    rows = [(each.partner, "accepted" if each.failure is None else "not accepted", each.told) for each in found]
    documents = [{"partner": name, "accepted": said == "accepted", "detail": told} for name, said, told in rows]
    screen.answer({"partners": documents}, lambda: [table(("partner", "credentials", "detail"), rows)])
    if failures := [each.failure for each in found if each.failure is not None]:
        code = min((failure.code for failure in failures), key=_WORST.index)
        raise Failure(code, f"{len(failures)} of {len(chosen)} not accepted.")


_WORST = (Code.REFUSED, Code.NOT_FOUND, Code.CONFLICT, Code.USAGE, Code.NO_ANSWER)


def _json_in(file: Path) -> Any:
    raw = typer.get_binary_stream("stdin").read(MAX_SECRET_BYTES + 1) if str(file) == "-" else _read(file)
    if len(raw) > MAX_SECRET_BYTES:
        raise wrong_use(f"A secret has {MAX_SECRET_BYTES} bytes at most.")
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        raise wrong_use("The value is not JSON.") from None


def _read(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(MAX_SECRET_BYTES + 1)


def _asked_for(name: str, known: dict[str, Any]) -> dict[str, Any]:
    """Each key's value, asked for without echo; keys in PEM are read from files. Nothing keeps what is there."""
    from leadbridge_cli.secret_schemas import keys_of

    required, optional = keys_of(name)
    value = {key: known[key] for key in optional if key in known}
    for key in required:
        is_pem = key.endswith("_key")
        kept = " (Enter keeps it)" if known.get(key) else ""
        question = f"{key}, the path of its PEM file{kept}" if is_pem else f"{key}{kept}"
        given = typer.prompt(question, default="", show_default=False, hide_input=not is_pem, err=True)
        if given:
            value[key] = Path(given).read_text(encoding="ascii") if is_pem else given
        elif known.get(key):
            value[key] = known[key]
    return value

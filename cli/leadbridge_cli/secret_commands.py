"""`leadbridge secrets …`: put, rotate and check secrets."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from leadbridge_cli.cloud import Cloud, resolve_cloud
from leadbridge_cli.exit_codes import Code, Failure, usage_error
from leadbridge_cli.options import Yes, command, group
from leadbridge_cli.output import Output, is_terminal, line, table

if TYPE_CHECKING:
    from leadbridge_cli.partner_secrets import PartnerEntry

app = group("secrets", "Secrets: credentials of partners, forms and operators.")

SOURCES, FEEDBACK = "sources", "feedback"
MAX_SECRET_BYTES = 65_536  # bytes, the limit of Secrets Manager

OldOne = Annotated[
    bool, typer.Option("--drop-old", help="Remove a source's old secret, after the form uses the new one.")
]


@command(app, "put", resolve_cloud, example="secrets put leeloo leeloo.json")
def put(
    output: Output,
    cloud: Cloud,
    name: Annotated[
        str,
        typer.Argument(
            help="leeloo, sources, sources.NAME, feedback, operators, alerts, or the name of a partner or partner kind."
        ),
    ],
    file: Annotated[
        Path | None, typer.Argument(help="JSON file with the value; - reads stdin. If omitted, you are prompted.")
    ] = None,
    kind: Annotated[
        str | None, typer.Option("--kind", help="Kind of the partner. Default: as in config/partners.toml.")
    ] = None,
    existing: Annotated[
        str | None,
        typer.Option("--existing", help="The partner whose values the secret has, if it has those of one partner."),
    ] = None,
) -> None:
    """Replace a secret, or the values of one partner or source in it. The value is validated first and never shown."""
    if name.startswith(f"{SOURCES}."):
        _put_source(output, cloud, name.removeprefix(f"{SOURCES}."), file)
        return
    from leadbridge_cli.secret_schemas import keys_of, validate_secret
    from leadbridge_cli.secrets_store import SecretsStore

    found = _partner_entry(cloud, name, kind, existing)
    store = SecretsStore(cloud)
    seen = store.read(name) if found is None else found.seen
    value = None if file is None else _json_in(file)
    entry = None if found is None or _is_whole(found, value) else found
    secret = name if entry is None else entry.kind
    before = seen.value if entry is None else entry.value
    if value is None:
        if not keys_of(secret)[0] or not is_terminal(sys.stdin):
            raise usage_error("Give a JSON file, or - for stdin.")
        value = _prompt_for_values(secret, before or {})
    validate_secret(secret, value, is_local=lambda: cloud.environment == "local")
    changed = sorted(key for key in {*value, *(before or {})} if value.get(key) != (before or {}).get(key))
    new = value if entry is None else entry.secret_with(value)
    if new != (seen.value or {}):
        if len(json.dumps(new, ensure_ascii=False).encode()) > MAX_SECRET_BYTES:
            raise usage_error(f"{secret} would be larger than {MAX_SECRET_BYTES} bytes.")
        store.replace(secret, seen, new)
    summary = f"changed: {', '.join(changed)}" if changed else "no changes"
    document = {"name": name, "changed": changed}
    if entry is not None:
        document |= {"kind": secret, "partners": sorted(new)}
        summary += f". It has the values of {', '.join(sorted(new))}"
    output.answer(document, lambda: [line(f"{cloud.prefix}/{secret} stored; {summary}.")])


def _put_source(output: Output, cloud: Cloud, source: str, file: Path | None) -> None:
    """Replace the entry of one source in the secret of all sources. Raises Failure."""
    from leadbridge_cli.rotation import with_source
    from leadbridge_cli.secrets_store import SecretsStore
    from leadbridge_cli.source_secrets import adapters

    store = SecretsStore(cloud)
    seen = store.read(SOURCES)
    before = (seen.value or {}).get(source)
    if file is not None:
        entry = _json_in(file)
    elif is_terminal(sys.stdin):
        kept = before if isinstance(before, dict) else {}
        entry = {**kept, "secrets": [typer.prompt(f"Secret of {source}", hide_input=True, err=True)]}
    else:
        raise usage_error('Give a JSON file such as {"secrets": ["…"]}, or - for stdin.')
    new = with_source(seen.value or {}, source, entry)
    if len(json.dumps(new, ensure_ascii=False).encode()) > MAX_SECRET_BYTES:
        raise usage_error(f"{SOURCES} would be larger than {MAX_SECRET_BYTES} bytes.")
    if entry != before:
        store.replace(SOURCES, seen, new)
    if (known := adapters()) and source not in known:
        output.note(f"config/sources.toml of this folder has no source {source}.")
    summary = "no changes" if entry == before else "changed" if before else "added"
    document = {"name": f"{SOURCES}.{source}", "change": summary}
    output.answer(document, lambda: [line(f"{cloud.prefix}/{SOURCES} stored; {source}: {summary}.")])


def _partner_entry(cloud: Cloud, name: str, kind: str | None, existing: str | None) -> "PartnerEntry | None":
    """Return the partner with this name; None for a secret that is not of partners. Raises Failure."""
    from leadbridge.partners.registry import kind_names
    from leadbridge_cli.partner_secrets import configured_partners, find_entry
    from leadbridge_cli.secret_schemas import names

    if name in names() and name not in kind_names():
        return None
    entry = find_entry(cloud, name, name if name in kind_names() else kind, existing)
    if entry is None:
        known = ", ".join(dict.fromkeys((*names(), *configured_partners(cloud))))
        raise usage_error(
            f"Unknown secret or partner {name}. Known: {known}. The stack creates all other secrets. "
            "For a new partner, run this in the folder with config/partners.toml, or give --kind."
        )
    return entry


def _is_whole(entry: "PartnerEntry", value: Any) -> bool:
    """Return whether `put` replaces the whole secret of a kind and not the values of one partner. Raises Failure.

    The name of a kind may also be the name of a partner. It means the partner if the secret has an object for each
    partner, or several are configured, and the new value has no objects.
    """
    from leadbridge.auth.partner_secret import is_keyed

    has_objects = isinstance(value, dict) and is_keyed(value)
    if entry.partner != entry.kind:
        if has_objects:
            raise usage_error(f"Give the values of {entry.partner} alone, without an object around them.")
        return False
    if has_objects or (not entry.is_keyed and len(entry.configured) < 2):
        return True
    if entry.value is None and entry.partner not in entry.configured:
        objects = ", ".join(sorted(entry.seen.value or entry.configured))
        raise usage_error(f"{entry.kind} has an object for each partner. Name one of them: {objects}.")
    return False


@command(app, "rotate", resolve_cloud, example="secrets rotate sources web")
def rotate(
    output: Output,
    cloud: Cloud,
    name: Annotated[str, typer.Argument(help="sources, operators, or a partner with a key of ours.")],
    whose: Annotated[str | None, typer.Argument(help="Name of the source or operator.")] = None,
    drop_old: OldOne = False,
    new: Annotated[bool, typer.Option("--new", help="Create the first secret of a source, or a new operator.")] = False,
    yes: Yes = False,
) -> None:
    """Create a new source secret, operator token or key pair, and show it once."""
    from leadbridge_cli import rotation as rotate_secret
    from leadbridge_cli.secrets_store import SecretsStore

    has_names = name in {"sources", "operators"}
    if has_names is not (whose is not None) or (drop_old and (new or name != "sources")) or (new and not has_names):
        raise usage_error(
            "Use sources NAME [--new or --drop-old], operators NAME [--new], or a partner with a key of ours."
        )
    store = SecretsStore(cloud)
    match name:
        case "sources":
            answer = rotate_secret.source(store, whose or "", drop_old=drop_old, is_new=new)
        case "operators":
            if not new:
                output.confirm(f"The current token of {whose} stops working within a minute. Continue?", yes=yes)
            answer = rotate_secret.operator(store, whose or "", is_new=new)
        case _:
            entry, rotation = rotate_secret.rotatable_entry(cloud, name)
            output.confirm(rotation.warning, yes=yes)
            answer = rotate_secret.partner(store, entry, rotation)
    output.answer(answer.document(), lambda: [line(each) for each in answer.lines()])


@command(app, "check", resolve_cloud, example="secrets check lender-b")
def check(
    output: Output,
    cloud: Cloud,
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Names of partners or of their kinds, sources, feedback or alerts. Default: all."),
    ] = None,
) -> None:
    """Verify that partners accept our credentials, and that other secrets can be used. Nothing is created there."""
    from leadbridge_cli.verify_credentials import ALERTS, has_alerts, secret_names, verify

    default = [] if names else [*secret_names(), *([ALERTS] if has_alerts(cloud) else [])]
    chosen = [name for name in names or default if name not in {SOURCES, FEEDBACK}]
    hints = _hints_about_sources(cloud, is_required=SOURCES in (names or ())) if not names or SOURCES in names else []
    wrong = _unusable_trackers(cloud, is_required=FEEDBACK in (names or ())) if not names or FEEDBACK in names else []
    found = []
    with output.progress("partners", len(chosen)) as advance:
        for name in chosen:
            found += verify(cloud, name)
            advance(1)
    rows = [(each.partner, "accepted" if each.failure is None else "not accepted", each.detail) for each in found]
    shown = [*rows, *((f"{SOURCES}: {source}", "unusable", hint) for source, hint in hints)]
    shown += [(f"{FEEDBACK}: {tracker}", "unusable", reason) for tracker, reason in wrong]
    fine = {SOURCES: not hints, FEEDBACK: not wrong}
    shown += [(name, "usable", "") for name in names or () if fine.get(name)]
    output.answer(
        {
            "partners": [each.document for each in found],
            "sources": [{"source": source, "hint": hint} for source, hint in hints],
            "feedback": [{"tracker": tracker, "reason": reason} for tracker, reason in wrong],
        },
        lambda: [table(("name", "credentials", "detail"), shown)],
    )
    if failures := [each.failure for each in found if each.failure is not None]:
        code = min((failure.code for failure in failures), key=_WORST.index)
        raise Failure(code, f"Credentials not accepted by {len(failures)} of {len(found)} partners.")
    if hints:
        raise Failure(Code.REFUSED, f"Secrets of {len({source for source, _ in hints})} sources cannot be used.")
    if wrong:
        raise Failure(Code.REFUSED, f"The entries of {len(wrong)} trackers cannot be used.")


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


def _unusable_trackers(cloud: Cloud, *, is_required: bool) -> list[tuple[str, str]]:
    """Return the trackers whose entries cannot be used. Raises Failure if the secret is missing but required."""
    from leadbridge.partners.feedback.kinds import check_entry
    from leadbridge_cli.secrets_store import SecretsStore

    try:
        value = SecretsStore(cloud).read(FEEDBACK).value or {}
    except Failure as failure:
        if is_required or failure.code is not Code.NOT_FOUND:
            raise
        return []
    found = []
    for tracker, entry in sorted(value.items()):
        try:
            check_entry(entry, kind=None, is_local=cloud.environment in {None, "local"})
        except ValueError as error:
            found.append((tracker, str(error)))
    return found


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
        kept = " (Enter keeps it)" if known.get(key, "") != "" else ""
        question = f"{key}, path of the PEM file{kept}" if is_pem else f"{key}{kept}"
        given = typer.prompt(question, default="", show_default=False, hide_input=not is_pem, err=True)
        if given:
            value[key] = Path(given).read_text(encoding="ascii") if is_pem else given
        elif known.get(key, "") != "":
            value[key] = known[key]
    return value

"""`leadbridge sync status`: the progress of each partner's account sync."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from leadbridge_cli.api import Api, resolve_api
from leadbridge_cli.exit_codes import not_found
from leadbridge_cli.options import command, group
from leadbridge_cli.output import Output, Renderable, line, table

app = group("sync", "The sync of partners' accounts.")


@command(app, "status", resolve_api, example="sync status broker-b")
def status(
    output: Output,
    api: Api,
    partner: Annotated[str | None, typer.Argument(help="The partner's name; all synced partners if omitted.")] = None,
) -> None:
    """Show how far the accounts of partners have been read, and the scans in progress."""
    states = api.get("sync")["partners"]
    if partner is not None and partner not in states:
        raise not_found(f"No account sync for partner {partner}. Synced partners: {', '.join(states) or 'none'}.")
    wanted = {name: state for name, state in states.items() if partner in {None, name}}
    if not any(wanted.values()):
        raise not_found("No sync has run yet." if wanted else "No partner has an account sync.")
    now = datetime.now(UTC)
    document = [describe(name, state, now) for name, state in wanted.items()]
    output.answer({"partners": document}, lambda: _render(document))


def describe(partner: str, state: dict[str, Any] | None, now: datetime) -> dict[str, Any]:
    """Return a partner's state for scripts.

    All accounts that changed before `watermark` have been read; `behind_seconds` is the watermark's age. A partner
    whose sync has not run has no watermark.
    """
    state = state or {}
    watermark = state.get("watermark")
    return {
        "partner": partner,
        "watermark": watermark,
        "behind_seconds": None if watermark is None else int((now - _time(watermark)).total_seconds()),
        "full_scan_started_at": state.get("full_scan_started_at"),
        "full_scan_finished_at": state.get("full_scan_finished_at"),
        "scans": {kind: scan["progress"] for kind, scan in sorted((state.get("scans") or {}).items())},
    }


def _render(document: list[dict[str, Any]]) -> Iterable[Renderable]:
    names = ("partner", "watermark", "behind_seconds", "full_scan_started_at", "full_scan_finished_at")
    yield table(names, ([each[name] for name in names] for each in document))
    scans = [(each["partner"], kind, f"{progress} %") for each in document for kind, progress in each["scans"].items()]
    yield table(("partner", "scan", "progress"), scans) if scans else line("No scan is in progress.")


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)

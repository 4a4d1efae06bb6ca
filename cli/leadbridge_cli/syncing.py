"""`leadbridge sync status`: how far a partner's list of accounts has been read."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from leadbridge_cli.cloud import Cloud, aws_errors, cloud_at
from leadbridge_cli.exit_codes import not_found, wrong_use
from leadbridge_cli.options import command, group
from leadbridge_cli.output import Picture, Screen, flat, line, table

app = group("sync", "The sync of partners' lists of accounts.")


@command(app, "status", cloud_at)
def status(
    screen: Screen,
    cloud: Cloud,
    partner: Annotated[str | None, typer.Argument(help="Which partner; else the only one with a list.")] = None,
) -> None:
    """Show how far a partner's accounts have been read, and what is under way."""
    from leadbridge.storage.items import decode, encode

    partner = partner or _only_synced()
    with aws_errors(f"the table of {cloud.stack}"):
        key = encode({"pk": f"SYNC#{partner}", "sk": "STATE"})
        got = cloud.client("dynamodb").get_item(TableName=cloud.table, Key=key, ConsistentRead=True)
    if "Item" not in got:
        raise not_found("The sync has not run yet.")
    document = shown(partner, decode(got["Item"]), datetime.now(UTC))
    screen.answer(document, lambda: _pictures(document))


def shown(partner: str, item: dict[str, Any], now: datetime) -> dict[str, Any]:
    """The state in words that scripts rely on; `behind_seconds` is how old the news are that are surely here."""
    standing = _plain(item.get("standing") or {})
    passes = standing.get("under_way") or {}
    lease = item.get("lease_until")
    return {
        "partner": partner,
        "watermark": standing.get("watermark"),
        "behind_seconds": _seconds(standing.get("watermark"), now),
        "is_running": isinstance(lease, str) and (_seconds(lease, now) or 0) < 0,
        "lease_until": lease if isinstance(lease, str) else None,
        "rests_until": standing.get("rests_until"),
        "whole_begun_at": standing.get("whole_begun_at"),
        "whole_ended_at": standing.get("whole_ended_at"),
        "under_way": [{**each, "kind": kind, "progress": _progress(each)} for kind, each in sorted(passes.items())],
    }


def _only_synced() -> str:
    """Return the name of the only kind with a list that is read. Raises Failure where there are several."""
    from leadbridge.partners.kind import StatusSource
    from leadbridge.partners.registry import all_kinds

    names = [kind.name for kind in all_kinds() if kind.status is StatusSource.SYNC]
    if len(names) != 1:
        raise wrong_use(f"Say which partner: {', '.join(names)}.")
    return names[0]


def _pictures(document: dict[str, Any]) -> Iterable[Picture]:
    passes = document["under_way"]
    yield table(("sync", "value"), flat({name: value for name, value in document.items() if name != "under_way"}))
    if passes:
        names = ("kind", "progress", "since", "until", "window", "page", "begun_at")
        yield table(names, ([each.get(name) for name in names] for each in passes), title="under way")
    else:
        yield line("No pass is under way.")


def _plain(value: Any) -> Any:
    """DynamoDB's numbers as whole ones."""
    from decimal import Decimal

    match value:
        case dict():
            return {name: _plain(each) for name, each in value.items()}
        case Decimal():
            return int(value)
    return value


def _progress(reading: dict[str, Any]) -> str | None:
    """How much of the time that a pass covers lies behind it."""
    since, until, window = (_moment(reading.get(name)) for name in ("since", "until", "window"))
    if since is None or until is None or window is None or until <= since:
        return None
    return f"{min(1.0, (window - since) / (until - since)):.0%}"


def _seconds(text: object, now: datetime) -> int | None:
    moment = _moment(text)
    return None if moment is None else int((now - moment).total_seconds())


def _moment(text: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return moment if moment is not None and moment.tzinfo is not None else None

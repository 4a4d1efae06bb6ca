"""`leadbridge stats`: how many leads came, from where, and what became of them."""

from collections import Counter
from collections.abc import Iterable
from typing import Annotated, Any

import typer

from leadbridge_cli.api import Api, api_at
from leadbridge_cli.options import command
from leadbridge_cli.output import Picture, Screen, line, table


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "stats", api_at)(show_figures)


def show_figures(
    screen: Screen,
    api: Api,
    first: Annotated[str | None, typer.Option("--from", help="The first day, such as 2026-11-02 (UTC).")] = None,
    last: Annotated[str | None, typer.Option("--to", help="The last day; today, if it is not said.")] = None,
) -> None:
    """Count leads and deliveries by day, source, partner and state; of thirty days, if none are named."""
    figures = api.get("stats", **{"from": first, "to": last})
    screen.answer(figures, lambda: _pictures(figures))


def _pictures(figures: dict[str, Any]) -> Iterable[Picture]:
    totals = figures["totals"]
    yield line(f"{figures['from']} to {figures['to']}: {totals['leads']} leads")
    deliveries: Counter[tuple[str, str, str]] = Counter()
    for each in figures["counts"]:
        deliveries[each["source"], each["partner"], each["state"]] += each["count"]
    rows = ((*names, number) for names, number in sorted(deliveries.items()))
    yield table(("source", "partner", "state", "deliveries"), rows)
    days: Counter[str] = Counter()
    for each in figures["leads"]:
        days[each["day"]] += each["count"]
    yield table(("day", "leads"), sorted(days.items()))

"""`leadbridge stats`: counts of leads and deliveries."""

from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Any

import typer

from leadbridge_cli.api import Api, resolve_api
from leadbridge_cli.options import command
from leadbridge_cli.output import Output, Renderable, line, table


class Grouping(StrEnum):
    """What to count in addition."""

    OUTCOME = "outcome"
    CAMPAIGN = "campaign"


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "stats", resolve_api)(show_stats)


def show_stats(
    output: Output,
    api: Api,
    first: Annotated[str | None, typer.Option("--from", help="First day (UTC), such as 2026-11-02.")] = None,
    last: Annotated[str | None, typer.Option("--to", help="Last day (UTC). Default: today.")] = None,
    by: Annotated[Grouping | None, typer.Option(help="Also count by outcome, or by campaign.")] = None,
) -> None:
    """Count leads by day, deliveries by state, incomplete leads by problem. Default: the last 30 days."""
    stats = api.get("stats", **{"from": first, "to": last, "by": by and by.value})
    output.answer(stats, lambda: _render(stats))


def _render(stats: dict[str, Any]) -> Iterable[Renderable]:
    totals = stats["totals"]
    yield line(f"{stats['from']} to {stats['to']}: {totals['leads']} leads, {totals['incomplete']} incomplete")
    deliveries: Counter[tuple[str, str, str]] = Counter()
    for each in stats["counts"]:
        deliveries[each["source"], each["partner"], each["state"]] += each["count"]
    rows = ((*names, number) for names, number in sorted(deliveries.items()))
    yield table(("source", "partner", "state", "deliveries"), rows)
    if "outcomes" in stats:
        outcomes: Counter[tuple[str, str, str]] = Counter()
        for each in stats["outcomes"]:
            outcomes[each["source"], each["partner"], each["outcome"] or "none"] += each["count"]
        yield table(
            ("source", "partner", "outcome", "deliveries"), ((*names, n) for names, n in sorted(outcomes.items()))
        )
    if "campaigns" in stats:
        campaigns = (
            (each["source"], each["campaign"], each["leads"], _listed(each["outcomes"])) for each in stats["campaigns"]
        )
        yield table(("source", "campaign", "leads", "outcomes"), campaigns)
    if stats["problems"]:
        columns = ("source", "field", "code", "count")
        problems = ([each[name] for name in columns] for each in stats["problems"])
        yield table(("source", "field", "problem", "incomplete leads"), problems)
    days: Counter[str] = Counter()
    for each in stats["leads"]:
        days[each["day"]] += each["count"]
    yield table(("day", "leads"), sorted(days.items()))


def _listed(outcomes: dict[str, int]) -> str:
    return ", ".join(f"{name} {number}" for name, number in outcomes.items())

"""`leadbridge stats`: counts of leads and deliveries, and the funnels of sources, partners and campaigns."""

import csv
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Annotated, Any

import typer

from leadbridge_cli.api import Api, resolve_api
from leadbridge_cli.exit_codes import usage_error
from leadbridge_cli.options import Separator, Separators, command
from leadbridge_cli.output import Output, Renderable, line, table
from leadbridge_cli.sanitize import for_spreadsheet

STAGES = ("submitted", "approved", "issued")
UNITS = {"d": 86_400, "h": 3_600, "min": 60, "s": 1}


class Grouping(StrEnum):
    """What to count in addition."""

    OUTCOME = "outcome"
    CAMPAIGN = "campaign"
    SOURCE = "source"
    PARTNER = "partner"


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "stats", resolve_api, example="stats --by campaign --from 2026-03-01")(show_stats)


def show_stats(
    output: Output,
    api: Api,
    first: Annotated[str | None, typer.Option("--from", help="First day, such as 2026-11-02.")] = None,
    last: Annotated[str | None, typer.Option("--to", help="Last day. Default: today.")] = None,
    by: Annotated[
        Grouping | None,
        typer.Option(help="Count by outcome, or show the way from received to issued by campaign, source or partner."),
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Write the rows of --by as CSV to stdout.")] = False,
    separator: Separator = Separators.COMMA,
) -> None:
    """Count leads by day, deliveries by state, incomplete leads by problem. Default: the last 30 days."""
    if as_csv and (by is None or output.as_json):
        raise usage_error("Give --by with --csv, and not --json.")
    grouped = by.value if by in {Grouping.OUTCOME, Grouping.CAMPAIGN} else None
    stats = api.get("stats", **{"from": first, "to": last, "by": grouped})
    if as_csv and by is not None:
        writer = csv.writer(sys.stdout, delimiter=separator.character, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
        writer.writerows([*map(for_spreadsheet, row)] for row in csv_rows(stats, by))
        return
    output.answer(stats, lambda: _render(stats, by))


def csv_rows(stats: dict[str, Any], by: Grouping) -> Iterator[Iterable[object]]:
    """Yield the header and the rows of a grouping. Times are in seconds."""
    if by is Grouping.OUTCOME:
        columns = ("day", "source", "partner", "outcome", "count")
        yield columns
        yield from ([each[name] for name in columns] for each in stats["outcomes"])
        return
    found, names = funnels_of(stats, by)
    outcomes = sorted({outcome for each in found for outcome in each.get("outcomes", ())})
    medians = [f"median_seconds_{stage}" for stage in STAGES]
    yield (*names, "received", *STAGES, *medians, *outcomes)
    for each in found:
        stages = [each[stage] for stage in STAGES]
        yield (
            *(each[name] for name in names),
            each["received"],
            *(stage["count"] for stage in stages),
            *(stage["median_seconds"] for stage in stages),
            *(each.get("outcomes", {}).get(outcome, 0) for outcome in outcomes),
        )


def funnels_of(stats: dict[str, Any], by: Grouping) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """Return the funnels of a grouping, and the fields that name each."""
    match by:
        case Grouping.CAMPAIGN:
            return stats["campaigns"], ("source", "campaign")
        case Grouping.PARTNER:
            return stats["funnels"]["partners"], ("partner",)
        case _:
            return stats["funnels"]["sources"], ("source",)


def _render(stats: dict[str, Any], by: Grouping | None) -> Iterable[Renderable]:
    totals = stats["totals"]
    period = f"{stats['from']} to {stats['to']} ({stats['time_zone']})"
    yield line(f"{period}: {totals['leads']} leads, {totals['incomplete']} incomplete")
    deliveries: Counter[tuple[str, str, str]] = Counter()
    for each in stats["counts"]:
        deliveries[each["source"], each["partner"], each["state"]] += each["count"]
    rows = ((*names, number) for names, number in sorted(deliveries.items()))
    yield table(("source", "partner", "state", "deliveries"), rows)
    if by is Grouping.OUTCOME:
        outcomes: Counter[tuple[str, str, str]] = Counter()
        for each in stats["outcomes"]:
            outcomes[each["source"], each["partner"], each["outcome"] or "none"] += each["count"]
        yield table(
            ("source", "partner", "outcome", "deliveries"), ((*names, n) for names, n in sorted(outcomes.items()))
        )
    elif by is not None:
        yield _funnel_table(*funnels_of(stats, by))
    if stats["problems"]:
        columns = ("source", "field", "code", "count")
        problems = ([each[name] for name in columns] for each in stats["problems"])
        yield table(("source", "field", "problem", "incomplete leads"), problems)
    days: Counter[str] = Counter()
    for each in stats["leads"]:
        days[each["day"]] += each["count"]
    yield table(("day", "leads"), sorted(days.items()))


def _funnel_table(funnels: list[dict[str, Any]], names: tuple[str, ...]) -> Renderable:
    """Return a table with counts, shares of what was received, and median times."""
    rows = (
        (
            *(each[name] for name in names),
            each["received"],
            *(_stage(each[stage], each["received"]) for stage in STAGES),
        )
        for each in funnels
    )
    return table((*names, "received", *STAGES), rows)


def _stage(stage: dict[str, Any], received: int) -> str:
    """Return a count with its share and the median time: `12 (24%, 3 h)`."""
    number, median = stage["count"], stage["median_seconds"]
    if not number:
        return "0"
    share = f"{number / received:.0%}" if received else ""
    return f"{number} ({', '.join(filter(None, (share, duration(median))))})"


def duration(seconds: int | None) -> str:
    """Return a duration in its largest unit: `3 h`. Empty for None."""
    if seconds is None:
        return ""
    unit, size = next(((unit, size) for unit, size in UNITS.items() if seconds >= 1.5 * size), ("s", 1))
    return f"{seconds / size:.0f} {unit}"

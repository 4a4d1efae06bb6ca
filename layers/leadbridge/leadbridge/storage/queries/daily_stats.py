"""Daily statistics: leads by source, deliveries by state, incomplete leads.

They are counted in the indexes and stored permanently.

pk        sk                 item
FIGURES   DAY#{2026-11-02}   the counts of a day, as they were counted last
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from typing import Any

from leadbridge.domain.clock import to_text
from leadbridge.domain.delivery import State
from leadbridge.domain.shards import shards_of
from leadbridge.storage import items
from leadbridge.storage.items import lead_id_of
from leadbridge.storage.table import Query, Table
from leadbridge.storage.writes import put

RECENT = timedelta(days=35)  # days younger than this are counted again, because their leads still change
MAX_PAGES = 500  # index pages, of a megabyte each, that one count may read
MAX_LOOKUPS = 1000  # deliveries that one count may read because they changed while it ran
MAX_DAYS = 10_000  # stored days that are read
SEPARATOR = "|"


class TooManyLeads(Exception):
    """The days hold more leads than one count may read."""


@dataclass(frozen=True)
class StatsCounts:
    """Counts by day. `leads` by (day, source), `deliveries` by (day, source, partner, state).

    `incomplete` counts incomplete leads by (day, source), `problems` their problems by (day, source, field and code).
    """

    leads: Counter[tuple[str, str]] = field(default_factory=Counter)
    deliveries: Counter[tuple[str, str, str, str]] = field(default_factory=Counter)
    incomplete: Counter[tuple[str, str]] = field(default_factory=Counter)
    problems: Counter[tuple[str, str, str]] = field(default_factory=Counter)


class DailyStats:
    """Counts leads in the table. Every method may raise Contended, and botocore's errors."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def between(self, first: date, last: date, today: date) -> StatsCounts:
        """The figures of some days, both ends included. Raises TooManyLeads."""
        figures = StatsCounts()
        recent = today - RECENT
        if last >= recent:
            self._count(max(first, recent), last, figures)
        if first < recent:
            for values in self._stored_days(first, min(last, recent - timedelta(days=1))):
                day = values["sk"].removeprefix("DAY#")
                figures.leads.update({(day, source): int(number) for source, number in values["leads"].items()})
                for name, number in values["deliveries"].items():
                    source, partner, state = name.split(SEPARATOR)
                    figures.deliveries[day, source, partner, state] += int(number)
                for source, number in values.get("incomplete", {}).items():
                    figures.incomplete[day, source] += int(number)
                for name, number in values.get("problems", {}).items():
                    source, problem = name.split(SEPARATOR)
                    figures.problems[day, source, problem] += int(number)
        return figures

    def snapshot(self, today: date) -> int:
        """Store the figures of the recent days, which outlive the leads; return how many days. Safe to repeat.

        Raises TooManyLeads.
        """
        first = today - RECENT
        days = [(first + timedelta(days=number)).isoformat() for number in range(RECENT.days)]
        figures = StatsCounts()
        self._count(first, today - timedelta(days=1), figures)
        for day in days:
            counts = {
                "leads": _of_day(figures.leads, day),
                "deliveries": _of_day(figures.deliveries, day),
                "incomplete": _of_day(figures.incomplete, day),
                "problems": _of_day(figures.problems, day),
            }
            self._table.write(put({"pk": "FIGURES", "sk": f"DAY#{day}", **counts}, ttl=False))
        return len(days)

    def _count(self, first: date, last: date, figures: StatsCounts) -> None:
        """Count in one pass over the lists of leads and of each state, merged in one order.

        A delivery that changes its state during the pass can be in two lists or in none. The lead's partners show the
        second case. In both cases the delivery itself is read, and it is counted once.
        """
        reads, look_ups = iter(range(MAX_PAGES)), iter(range(MAX_LOOKUPS))
        partitions = (items.LEADS, *(items.of_state(state.value) for state in State))
        for shards in zip(*map(shards_of, partitions), strict=True):  # all items of a lead are in the same shard
            lists = [self._listed(shard, first, last, reads) for shard in shards]
            merged = heapq.merge(*lists, key=lambda values: str(values["received_key"]))
            for _, found in groupby(merged, key=lambda values: str(values["received_key"])):
                self._count_lead(list(found), look_ups, figures)
        for shard in shards_of(items.INCOMPLETE):
            for values in self._listed(shard, first, last, reads):
                day, source = values["received_key"][:10], values["source"]
                figures.incomplete[day, source] += 1
                figures.problems.update((day, source, problem) for problem in values.get("problem_codes", ()))

    def _count_lead(self, found: list[dict[str, Any]], look_ups: Iterator[int], figures: StatsCounts) -> None:
        """Count one lead by its entries in the lists."""
        day, source, pk = found[0]["received_key"][:10], found[0]["source"], found[0]["pk"]
        states: dict[str, set[State]] = {}
        for values in found:
            partition = values["listed"].rpartition("#")[0]
            if partition == items.LEADS:
                figures.leads[day, source] += 1
                states = {**{partner: set() for partner in values.get("partners", ())}, **states}
            elif "partner" in values:  # the fetch of a lead without deliveries is in these lists, too
                states.setdefault(values["partner"], set()).add(State(partition.removeprefix("delivery#")))
        for partner, seen in states.items():
            state = next(iter(seen)) if len(seen) == 1 else self._state(pk, partner, seen, look_ups)
            if state is not None:
                figures.deliveries[day, source, partner, state.value] += 1

    def _state(self, pk: str, partner: str, seen: set[State], look_ups: Iterator[int]) -> State | None:
        """Return the present state of a delivery that is in several lists or in none."""
        if next(look_ups, None) is None:
            return max(seen, key=list(State).index, default=None)
        found = self._table.get(items.delivery_key(lead_id_of({"pk": pk}), partner), attributes=("state",))
        return None if found is None else State(found["state"])

    def _listed(self, partition: str, first: date, last: date, reads: Iterator[int]) -> Iterator[dict[str, Any]]:
        query = Query(
            "listed = :listed AND received_key BETWEEN :first AND :last",
            {":listed": partition, ":first": _begins(first), ":last": _begins(last + timedelta(days=1))},
            items.LISTING,
            attributes=("pk", "listed", "received_key", "source", "partner", "partners", "problem_codes"),
        )
        start = None
        while next(reads, None) is not None:
            page = self._table.page(query, after=start)
            yield from page.items
            start = page.next_key
            if start is None:
                return
        raise TooManyLeads

    def _stored_days(self, first: date, last: date) -> Iterator[dict[str, Any]]:
        values = {":pk": "FIGURES", ":first": f"DAY#{first.isoformat()}", ":last": f"DAY#{last.isoformat()}"}
        return self._table.query(Query("pk = :pk AND sk BETWEEN :first AND :last", values), limit=MAX_DAYS)


def _of_day[K: tuple[str, ...]](counter: Counter[K], day: str) -> dict[str, int]:
    """Return the counts of a day by the rest of their key."""
    return {SEPARATOR.join(what): number for (when, *what), number in counter.items() if when == day}


def _begins(day: date) -> str:
    return to_text(datetime.combine(day, time(), UTC))

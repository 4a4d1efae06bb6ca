"""How many leads came, from where, and what became of them, by day: counted in the indexes, kept when people are not.

pk        sk                 item
FIGURES   DAY#{2026-11-02}   what there was to count of a day, when it was counted last
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any

from leadbridge.domain.clock import to_text
from leadbridge.domain.delivery import State
from leadbridge.storage import items
from leadbridge.storage.table import persist

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

RECENT = timedelta(days=35)  # days younger than this are counted anew, for their leads still move
READS = 500  # index pages, of a megabyte each, that one question may cost
LOOK_UPS = 1000  # deliveries that one count may read because they changed while it ran
SEPARATOR = "|"


class TooMuch(Exception):
    """The days hold more than one question may read."""


@dataclass(frozen=True)
class Figures:
    """Counts by day. `leads` by (day, source), `deliveries` by (day, source, partner, state)."""

    leads: Counter[tuple[str, str]]
    deliveries: Counter[tuple[str, str, str, str]]


class DailyStats:
    """Counts leads in the table. Every method may raise botocore's errors when AWS does not answer."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def between(self, first: date, last: date, today: date) -> Figures:
        """The figures of some days, both ends included. Raises TooMuch."""
        figures = Figures(Counter(), Counter())
        recent = today - RECENT
        if last >= recent:
            self._count(max(first, recent), last, figures)
        if first < recent:
            for values in self._kept(first, min(last, recent - timedelta(days=1))):
                day = values["sk"].removeprefix("DAY#")
                figures.leads.update({(day, source): int(number) for source, number in values["leads"].items()})
                for name, number in values["deliveries"].items():
                    source, partner, state = name.split(SEPARATOR)
                    figures.deliveries[day, source, partner, state] += int(number)
        return figures

    def keep(self, today: date) -> int:
        """Write down the figures of the recent days, so that they outlive the people. Safe to repeat; returns how many.

        Raises TooMuch.
        """
        first = today - RECENT
        days = [(first + timedelta(days=number)).isoformat() for number in range(RECENT.days)]
        figures = Figures(Counter(), Counter())
        self._count(first, today - timedelta(days=1), figures)
        for day in days:
            leads = {source: number for (when, source), number in figures.leads.items() if when == day}
            deliveries = {
                SEPARATOR.join(what): number for (when, *what), number in figures.deliveries.items() if when == day
            }
            item = {"pk": "FIGURES", "sk": f"DAY#{day}", "leads": leads, "deliveries": deliveries}
            persist(partial(self._client.put_item, TableName=self._table, Item=items.encode(item)))
        return len(days)

    def _count(self, first: date, last: date, figures: Figures) -> None:
        """Count in one pass over the lists of leads and of each state, merged in one order.

        A delivery that changes its state during the pass can be in two lists or in none. The lead's partners show the
        second case. In both cases the delivery itself is read, and it is counted once.
        """
        reads, look_ups = iter(range(READS)), iter(range(LOOK_UPS))
        lists = [self._listed(items.LEADS, first, last, reads)]
        lists += [self._listed(f"delivery#{state.value}", first, last, reads) for state in State]
        merged = heapq.merge(*lists, key=lambda values: str(values["received_key"]))
        for _, found in groupby(merged, key=lambda values: str(values["received_key"])):
            self._count_lead(list(found), look_ups, figures)

    def _count_lead(self, found: list[dict[str, Any]], look_ups: Iterator[int], figures: Figures) -> None:
        """Count one lead by its entries in the lists."""
        day, source, pk = found[0]["received_key"][:10], found[0]["source"], found[0]["pk"]
        states: dict[str, set[State]] = {}
        for values in found:
            if values["listed"] == items.LEADS:
                figures.leads[day, source] += 1
                states = {**{partner: set() for partner in values.get("partners", ())}, **states}
            elif "partner" in values:  # the fetch of a lead without deliveries is in these lists, too
                states.setdefault(values["partner"], set()).add(State(values["listed"].removeprefix("delivery#")))
        for partner, seen in states.items():
            state = next(iter(seen)) if len(seen) == 1 else self._state(pk, partner, seen, look_ups)
            if state is not None:
                figures.deliveries[day, source, partner, state.value] += 1

    def _state(self, pk: str, partner: str, seen: set[State], look_ups: Iterator[int]) -> State | None:
        """Return the present state of a delivery that is in several lists or in none."""
        if next(look_ups, None) is None:
            return max(seen, key=list(State).index, default=None)
        got = self._client.get_item(
            TableName=self._table,
            Key=items.encode(items.delivery_key(pk.partition("#")[2], partner)),
            ProjectionExpression="#state",
            ExpressionAttributeNames={"#state": "state"},
            ConsistentRead=True,
        )
        return State(items.decode(got["Item"])["state"]) if "Item" in got else None

    def _listed(self, partition: str, first: date, last: date, reads: Iterator[int]) -> Iterator[dict[str, Any]]:
        query: dict[str, Any] = {
            "TableName": self._table,
            "IndexName": items.LISTING,
            "KeyConditionExpression": "listed = :listed AND received_key BETWEEN :first AND :last",
            "ProjectionExpression": "pk, listed, received_key, #source, #partner, partners",
            "ExpressionAttributeNames": {"#source": "source", "#partner": "partner"},
            "ExpressionAttributeValues": items.encode(
                {":listed": partition, ":first": _begins(first), ":last": _begins(last + timedelta(days=1))}
            ),
        }
        while next(reads, None) is not None:
            answer = self._client.query(**query)
            yield from map(items.decode, answer["Items"])
            if "LastEvaluatedKey" not in answer:
                return
            query["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
        raise TooMuch

    def _kept(self, first: date, last: date) -> Iterator[dict[str, Any]]:
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="pk = :pk AND sk BETWEEN :first AND :last",
            ExpressionAttributeValues=items.encode(
                {":pk": "FIGURES", ":first": f"DAY#{first.isoformat()}", ":last": f"DAY#{last.isoformat()}"}
            ),
            PaginationConfig={"MaxItems": 10_000},
        )
        for page in pages:
            yield from map(items.decode, page["Items"])


def _begins(day: date) -> str:
    return to_text(datetime.combine(day, time(), UTC))

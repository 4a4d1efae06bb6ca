"""What the statistics must be, computed from the leads, and counting leads without a stream."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from leadbridge.domain.statistics.contribution import OTHER, CountedLead, Counts, LeadChange, added, is_counted_source
from leadbridge.runtime import aws
from leadbridge.storage import items
from leadbridge.storage.statistics.campaigns import PARTITION, DayAndSource, names_by_cell
from leadbridge.storage.statistics.counted import CountedLeads, counted_of
from leadbridge.storage.statistics.counters import CAMPAIGN_COUNTERS, KEYS, MAIN_COUNTERS, CounterReader, cell_of
from leadbridge.storage.statistics.form_fields import FormFieldBook
from leadbridge.storage.statistics.records import lead_change
from leadbridge.storage.table import Table

COUNTERS = (f"{MAIN_COUNTERS}#", f"{CAMPAIGN_COUNTERS}#")
FIRST, LAST = date(2000, 1, 1), date(2199, 12, 31)


def every_item(table: str) -> list[dict[str, Any]]:
    """All items of a table, decoded."""
    pages = aws.dynamodb().get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
    return [items.decode(item) for page in pages for item in page["Items"]]


def changes_of(every: Iterable[dict[str, Any]]) -> dict[str, LeadChange]:
    """What is to be counted of each lead, by its items."""
    by_lead: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for values in every:
        if values["pk"].startswith("LEAD#"):
            by_lead[items.lead_id_of(values)].append(values)
    changes = {lead_id: lead_change(found) for lead_id, found in by_lead.items()}
    return {lead_id: change for lead_id, change in changes.items() if change is not None}


def expected_counts(every: Iterable[dict[str, Any]]) -> Counts:
    """The counts that the leads of a table add up to, with the numbers of the campaigns that it has."""
    every = list(every)
    names = names_by_cell(values for values in every if values["pk"] == PARTITION)
    return added((numbered(CountedLead().merged(one), names).counts(), 1) for one in changes_of(every).values())


def numbered(counted: CountedLead, names: Mapping[DayAndSource, list[str]]) -> CountedLead:
    """What is counted of a lead, with the number that these names of campaigns give its campaign."""
    if (lead := counted.lead) is None:
        return counted
    known = names.get((lead.day, lead.source), [])
    number = known.index(lead.campaign) if lead.campaign in known else OTHER
    return replace(counted, lead=replace(lead, campaign_number=number))


def miscounted(every: Iterable[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """The leads of a table that are not counted as their items are, and the counters that they do not add up to.

    The counts of an erased lead stay, although its tombstone has no campaign and no problems. The test lead of a
    deployment's check is not counted.
    """
    every = list(every)
    names = names_by_cell(values for values in every if values["pk"] == PARTITION)
    stored: Counts = {}
    by_lead: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for values in every:
        if values["pk"].startswith("LEAD#"):
            by_lead[values["pk"].removeprefix("LEAD#")].append(values)
        elif values["pk"].startswith(COUNTERS):
            of_cell = stored.setdefault(cell_of(values["sk"]), Counter())
            of_cell.update({name: int(number) for name, number in values.items() if name not in KEYS})
    parts: list[tuple[Counts, int]] = []
    for lead_id, found in by_lead.items():
        counted = next((counted_of(values) for values in found if values["sk"] == "COUNTED"), CountedLead())
        if counted.lead is not None and not is_counted_source(counted.lead.source):
            yield lead_id, f"is counted, although its source is {counted.lead.source}"
        parts.append((counted.counts(), 1))
        change = lead_change(found)
        expected = CountedLead() if change is None else numbered(CountedLead().merged(change), names)
        if any("erased_at" in values for values in found):
            expected = replace(expected, lead=counted.lead)
        if expected.counts() != counted.counts():
            yield lead_id, f"is counted as {counted.counts()}, and its items give {expected.counts()}"
    counters, leads = added([(stored, 1)]), added(parts)
    for cell in sorted(counters.keys() | leads.keys()):
        if counters.get(cell) != leads.get(cell):
            yield " ".join(map(str, cell)), f"counters are {counters.get(cell)}, and its leads give {leads.get(cell)}"


def counts_of(table: str) -> Counts:
    """What the counters of a table contain."""
    reader = CounterReader(Table(aws.dynamodb(), table), FIRST, LAST)
    return added([(reader.counts(), 1), (reader.counts(CAMPAIGN_COUNTERS), 1)])


def count_all(table: str, now: datetime) -> None:
    """Count all leads of a table as they are, and learn the fields of their forms."""
    every = every_item(table)
    result = CountedLeads(Table(aws.dynamodb(), table)).count(changes_of(every), now)
    assert not result.failed
    leads = [one for one in every if one["sk"] == "LEAD"]
    FormFieldBook(Table(aws.dynamodb(), table)).learn({"dynamodb": {"NewImage": items.encode(one)}} for one in leads)

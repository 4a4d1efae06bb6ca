"""What the statistics must be, computed from the leads, and counting leads without a stream."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from leadbridge.domain.statistics.contribution import OTHER, CountedLead, Counts, LeadChange, added
from leadbridge.runtime import aws
from leadbridge.storage import items
from leadbridge.storage.statistics.campaigns import PARTITION, DayAndSource, names_by_cell
from leadbridge.storage.statistics.counted import CountedLeads
from leadbridge.storage.statistics.counters import CAMPAIGN_COUNTERS, CounterReader
from leadbridge.storage.statistics.form_fields import FormFieldBook
from leadbridge.storage.statistics.records import lead_change
from leadbridge.storage.table import Table

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

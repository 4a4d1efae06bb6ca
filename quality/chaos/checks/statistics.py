"""The statistics count every lead once, as it is."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from leadbridge.domain.statistics.contribution import OTHER_CAMPAIGNS, CountedLead, Counts, added, is_counted_source
from leadbridge.storage.statistics.counted import counted_of
from leadbridge.storage.statistics.records import lead_change
from quality.chaos.reconciliation import Snapshot, check

LEAD, COUNTERS = "LEAD#", "STATS#"


@check
def statistics_count_every_lead(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """What is counted of each lead is what its items have, and the counters add up to it.

    The counts of an erased lead stay, although its tombstone has no campaign and no problems. The test lead of a
    deployment's check is not counted.
    """
    if not snapshot.has_statistics:
        return
    by_lead: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for values in snapshot.table:
        if values["pk"].startswith(LEAD):
            by_lead[values["pk"].removeprefix(LEAD)].append(values)
    total: list[tuple[Counts, int]] = []
    for lead_id, found in by_lead.items():
        counted = next((counted_of(values) for values in found if values["sk"] == "COUNTED"), CountedLead())
        if counted.lead is not None and not is_counted_source(counted.lead.source):
            yield lead_id, f"is counted, although its source is {counted.lead.source}"
        total.append((counted.counts(), 1))
        expected = _expected(found, counted)
        if expected.counts() != counted.counts():
            yield lead_id, f"is counted as {counted.counts()}, and its items give {expected.counts()}"
    counters, leads = added([(_counters(snapshot), 1)]), added(total)
    for cell in sorted(counters.keys() | leads.keys()):
        if counters.get(cell) != leads.get(cell):
            yield " ".join(cell), f"counters are {counters.get(cell)}, and its leads give {leads.get(cell)}"


def _expected(found: list[dict[str, Any]], counted: CountedLead) -> CountedLead:
    change = lead_change(found)
    expected = CountedLead() if change is None else CountedLead().merged(change)
    if any("erased_at" in values for values in found) or expected.lead is None:
        return replace(expected, lead=counted.lead)
    if counted.lead is not None and counted.lead.campaign == OTHER_CAMPAIGNS:
        return replace(expected, lead=replace(expected.lead, campaign=OTHER_CAMPAIGNS))
    return expected


def _counters(snapshot: Snapshot) -> Counts:
    counts: Counts = {}
    for values in snapshot.table:
        if values["pk"].startswith(COUNTERS):
            day, _, source = values["sk"].partition("#")
            of_cell = counts.setdefault((day, source), Counter())
            of_cell.update({name: int(number) for name, number in values.items() if name not in {"pk", "sk"}})
    return counts

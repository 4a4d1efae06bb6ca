"""The statistics count every lead once, as it is."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from leadbridge.domain.statistics.contribution import CountedLead, Counts, added, is_counted_source
from leadbridge.storage.statistics.campaigns import PARTITION, names_by_cell
from leadbridge.storage.statistics.counted import counted_of
from leadbridge.storage.statistics.counters import CAMPAIGN_COUNTERS, KEYS, MAIN_COUNTERS, cell_of
from leadbridge.storage.statistics.records import lead_change
from quality.chaos.checks.registry import check
from quality.chaos.records import Snapshot
from quality.testkit.statistics import numbered

COUNTERS = (f"{MAIN_COUNTERS}#", f"{CAMPAIGN_COUNTERS}#")


@check
def statistics_count_every_lead(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """What is counted of each lead is what its items have, and the counters add up to it.

    The counts of an erased lead stay, although its tombstone has no campaign and no problems. The test lead of a
    deployment's check is not counted.
    """
    if not snapshot.has_statistics:
        return
    names = names_by_cell(values for values in snapshot.table if values["pk"] == PARTITION)
    parts: list[tuple[Counts, int]] = []
    for lead_id, found in snapshot.items_by_lead.items():
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
    stored: Counts = {}
    for values in snapshot.table:
        if values["pk"].startswith(COUNTERS):
            of_cell = stored.setdefault(cell_of(values["sk"]), Counter())
            of_cell.update({name: int(number) for name, number in values.items() if name not in KEYS})
    counters, leads = added([(stored, 1)]), added(parts)
    for cell in sorted(counters.keys() | leads.keys()):
        if counters.get(cell) != leads.get(cell):
            yield " ".join(map(str, cell)), f"counters are {counters.get(cell)}, and its leads give {leads.get(cell)}"

"""The statistics count every lead once, as it is."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from leadbridge.domain.statistics.contribution import (
    OTHER,
    OTHER_CAMPAIGNS,
    CountedLead,
    Counts,
    added,
    is_counted_source,
)
from leadbridge.domain.statuses.outcomes import APPROVALS, SUCCESSES
from leadbridge.storage.statistics.campaigns import PARTITION, DayAndSource, names_by_cell
from leadbridge.storage.statistics.counted import counted_of
from leadbridge.storage.statistics.counters import CAMPAIGN_COUNTERS, KEYS, MAIN_COUNTERS, cell_of
from leadbridge.storage.statistics.records import day_of, lead_change
from quality.chaos.reconciliation import Snapshot, check

COUNTERS = (f"{MAIN_COUNTERS}#", f"{CAMPAIGN_COUNTERS}#")

type Figure = tuple[str, str, str, str]  # day, source, campaign; "leads", a stage or an outcome


@check
def statistics_count_every_lead(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """What is counted of each lead is what its items have, and the counters add up to it.

    The counts of an erased lead stay, although its tombstone has no campaign and no problems. The test lead of a
    deployment's check is not counted.
    """
    if not snapshot.has_statistics:
        return
    names = _campaign_names(snapshot)
    total: list[tuple[Counts, int]] = []
    for lead_id, found in snapshot.items_by_lead.items():
        counted = next((counted_of(values) for values in found if values["sk"] == "COUNTED"), CountedLead())
        if counted.lead is not None and not is_counted_source(counted.lead.source):
            yield lead_id, f"is counted, although its source is {counted.lead.source}"
        total.append((counted.counts(), 1))
        expected = _expected(found, counted, names)
        if expected.counts() != counted.counts():
            yield lead_id, f"is counted as {counted.counts()}, and its items give {expected.counts()}"
    counters, leads = added([(_counters(snapshot), 1)]), added(total)
    for cell in sorted(counters.keys() | leads.keys()):
        if counters.get(cell) != leads.get(cell):
            yield " ".join(map(str, cell)), f"counters are {counters.get(cell)}, and its leads give {leads.get(cell)}"


@check
def campaigns_agree_with_a_recount(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """Leads, stages and outcomes by campaign are those that the items of leads and deliveries have.

    An erased lead has no campaign any more, so the one under which it was counted is expected.
    """
    if not snapshot.has_statistics:
        return
    names, expected = _campaign_names(snapshot), Counter[Figure]()
    for found in snapshot.items_by_lead.values():
        expected.update(_figures(found, names))
    counted = Counter[Figure]()
    for (day, source, _), counts in _counters(snapshot).items():
        for name, number in counts.items():
            kind, _, rest = name.partition("|")
            if kind == "c":
                place, what, *more = rest.split("|")
                of_campaign = (day, source, _name(names, (day, source), int(place)))
                counted[*of_campaign, FIGURES[more[0] if what == "t" else what] or more[0]] += number
    for figure in sorted(expected.keys() | counted.keys()):
        if expected[figure] != counted[figure]:
            yield " ".join(figure), f"is counted as {counted[figure]}, and a recount gives {expected[figure]}"


FIGURES = {"l": "leads", "o": "", "s": "submitted", "a": "approved", "i": "issued"}  # the name of an "o" is its outcome


def _figures(found: list[dict[str, Any]], names: dict[DayAndSource, list[str]]) -> Iterator[Figure]:
    """Yield what one lead adds to the figures of its campaign."""
    by_sort_key = {values["sk"]: values for values in found}
    lead, counted = by_sort_key.get("LEAD"), by_sort_key.get("COUNTED")
    if lead is None or not is_counted_source(lead["source"]):
        return
    source = lead if "erased_at" not in lead else counted or lead
    day, campaign = day_of(lead), source.get("campaign")
    if not campaign:
        return
    known = names.get((day, lead["source"]), [])
    of_campaign = (day, lead["source"], campaign if campaign in known else OTHER_CAMPAIGNS)
    yield (*of_campaign, "leads")
    deliveries = [values for values in found if values["sk"].startswith("DELIVERY#")]
    for values in deliveries:
        if "outcome" in values:
            yield (*of_campaign, values["outcome"])
    outcomes = {values.get("outcome") for values in deliveries}
    if any("submitted_at" in values for values in deliveries):
        yield (*of_campaign, "submitted")
    if outcomes & APPROVALS or any("approved_at" in values for values in deliveries):
        yield (*of_campaign, "approved")
    if outcomes & SUCCESSES:
        yield (*of_campaign, "issued")


def _campaign_names(snapshot: Snapshot) -> dict[DayAndSource, list[str]]:
    return names_by_cell(values for values in snapshot.table if values["pk"] == PARTITION)


def _name(names: dict[DayAndSource, list[str]], place: DayAndSource, number: int) -> str:
    return OTHER_CAMPAIGNS if number == OTHER else names[place][number]


def _expected(found: list[dict[str, Any]], counted: CountedLead, names: dict[DayAndSource, list[str]]) -> CountedLead:
    change = lead_change(found)
    expected = CountedLead() if change is None else CountedLead().merged(change)
    if any("erased_at" in values for values in found) or expected.lead is None:
        return replace(expected, lead=counted.lead)
    lead = expected.lead
    known = names.get((lead.day, lead.source), [])
    number = known.index(lead.campaign) if lead.campaign in known else OTHER
    return replace(expected, lead=replace(lead, campaign_number=number))


def _counters(snapshot: Snapshot) -> Counts:
    counts: Counts = {}
    for values in snapshot.table:
        if values["pk"].startswith(COUNTERS):
            of_cell = counts.setdefault(cell_of(values["sk"]), Counter())
            of_cell.update({name: int(number) for name, number in values.items() if name not in KEYS})
    return counts

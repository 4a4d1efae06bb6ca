"""What one lead contributes to the statistics, and how its changes are merged.

A lead counts on the day on which it was received, in the time zone of the statistics, and for its source: itself, its
campaign, its problems while it is incomplete, and each delivery by partner, state and outcome. Each stage that a
delivery has reached counts by the time since the lead's reception: for the partner, for the lead and for its campaign.
A lead reaches a stage when the first of its deliveries does. The facts of each item have the item's version, and the
facts with the highest version win. So the order of the changes does not matter, and repeated ones change nothing.

The test lead of a deployment's check contributes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from leadbridge.domain.statistics.times import Stage, shortest

# The day of receipt, such as 2026-11-02, the source, and the number of the counter item (`part_of`).
type Cell = tuple[str, str, int]
type Counts = dict[Cell, Counter[str]]

MAX_CAMPAIGNS = 200  # campaigns of a day and a source that are counted by name
OTHER_CAMPAIGNS = "(other)"  # all further campaigns of a day and a source
OTHER = -1  # their number
MAIN = 0  # the counter item of a day and a source that counts everything but most campaigns
IN_MAIN, IN_PART = 2, 6  # campaigns that the main item counts, and each further item: so that it is below a kilobyte
SEPARATOR = "|"
SELF_CHECK = "self-check"  # the source of the test lead, as in settings/self_check.py, which domain cannot import

# The names of the counts of a cell: `d|lender|submitted|approved`. Those of a campaign begin with its number:
# `c|3|l`, `c|3|o|approved`. A time has the first letter of its stage and the partner; none for the lead: `t|s||30`.
LEADS, INCOMPLETE = "l", "i"
PROBLEM, DELIVERY, CAMPAIGN, OUTCOME, TIME = "p", "d", "c", "o", "t"


@dataclass(frozen=True)
class LeadFacts:
    """What is counted of a lead's own item. `problems` are empty unless the lead is incomplete.

    `campaign_number` is the number under which the campaign is counted, `OTHER` for those without a name; None until it
    is known. `is_counted` is False for a lead that was counted before, while the record of that has expired.
    """

    version: int
    day: str
    source: str
    campaign: str = ""
    campaign_number: int | None = None
    problems: tuple[str, ...] = ()
    is_counted: bool = True


@dataclass(frozen=True)
class DeliveryFacts:
    """What is counted of a delivery. `outcome` is a DeliveryOutcome; empty without one.

    `submitted`, `approved` and `issued` are results of `time_limit`; empty if the delivery has not reached the stage.
    """

    version: int
    state: str
    outcome: str = ""
    submitted: str = ""
    approved: str = ""
    issued: str = ""

    def within(self, stage: Stage) -> str:
        """Return the limit of the time to a stage; empty if the delivery has not reached it."""
        return str(getattr(self, stage.value))


@dataclass(frozen=True)
class LeadChange:
    """New facts about a lead. `day` and `source` are those of any of its items; that of `lead` is the one that counts.

    `opened` is the day on which each delivery was opened. `expires_at` is the Unix time at which the newest of the
    items expires, `received_at` that at which the lead was received; 0 without the lead's own facts.
    """

    day: str
    source: str
    lead: LeadFacts | None = None
    deliveries: Mapping[str, DeliveryFacts] = field(default_factory=dict)
    opened: Mapping[str, str] = field(default_factory=dict)
    expires_at: int = 0
    received_at: int = 0

    def merged(self, other: LeadChange) -> LeadChange:
        """Return both changes in one. Which one comes first does not matter."""
        return LeadChange(
            min(self.day, other.day),
            self.source,
            newest(self.lead, other.lead),
            newest_deliveries(self.deliveries, other.deliveries),
            {**self.opened, **other.opened},
            max(self.expires_at, other.expires_at),
            max(self.received_at, other.received_at),
        )


@dataclass(frozen=True)
class CountedLead:
    """What of a lead is counted. `version` is that of this record; 0 if it is not stored yet."""

    lead: LeadFacts | None = None
    deliveries: Mapping[str, DeliveryFacts] = field(default_factory=dict)
    version: int = 0
    expires_at: int = 0

    def merged(self, change: LeadChange) -> CountedLead:
        """Return what is to be counted after a change."""
        lead = newest(self.lead, change.lead)
        if lead is not None and self.lead is not None:
            number = self.lead.campaign_number if lead.campaign == self.lead.campaign else lead.campaign_number
            lead = replace(lead, is_counted=self.lead.is_counted, campaign_number=number)
        return replace(
            self,
            lead=lead,
            deliveries=newest_deliveries(self.deliveries, change.deliveries),
            expires_at=max(self.expires_at, change.expires_at),
        )

    def has_same_facts(self, other: CountedLead) -> bool:
        """Return whether both have the same facts in the same versions."""
        return self.lead == other.lead and self.deliveries == other.deliveries

    def counts(self) -> Counts:
        """Return what the lead contributes."""
        lead = self.lead
        if lead is None or not is_counted_source(lead.source):
            return {}
        main: Counter[str] = Counter()
        cells: Counts = {(lead.day, lead.source, MAIN): main}
        if lead.is_counted:
            main[LEADS] += 1
            if lead.problems:
                main[INCOMPLETE] += 1
                main.update(name_of(PROBLEM, problem) for problem in lead.problems)
        for partner, delivery in self.deliveries.items():
            main[name_of(DELIVERY, partner, delivery.state, delivery.outcome)] += 1
            main.update(time_name(stage, partner, within) for stage in Stage if (within := delivery.within(stage)))
        times = [name for stage in Stage if (name := self._time(stage))]
        main.update(times)
        if lead.campaign and lead.campaign_number is not None:
            outcomes = [name_of(OUTCOME, one.outcome) for one in self.deliveries.values() if one.outcome]
            number = lead.campaign_number
            of_campaign = cells.setdefault((lead.day, lead.source, part_of(number)), Counter())
            own = [*([LEADS] if lead.is_counted else []), *outcomes, *times]
            of_campaign.update(name_of(CAMPAIGN, str(number), name) for name in own)
        return cells

    def _time(self, stage: Stage) -> str:
        """Return the name of the count of the time to a stage; empty if no delivery has reached it."""
        within = shortest(found for one in self.deliveries.values() if (found := one.within(stage)))
        return time_name(stage, "", within) if within else ""


def is_counted_source(source: str) -> bool:
    """Return whether the leads of a source are counted."""
    return source != SELF_CHECK


def newest[F: (LeadFacts, DeliveryFacts)](first: F | None, second: F | None) -> F | None:
    """Return the facts with the higher version."""
    if first is None or second is None:
        return first or second
    return second if second.version > first.version else first


def newest_deliveries(
    first: Mapping[str, DeliveryFacts], second: Mapping[str, DeliveryFacts]
) -> dict[str, DeliveryFacts]:
    """Return the newest facts of each delivery."""
    merged = dict(first)
    for partner, facts in second.items():
        merged[partner] = newest(merged.get(partner), facts) or facts
    return merged


def difference(before: CountedLead, after: CountedLead) -> Counts:
    """Return what must be added to the counts so that they count `after` instead of `before`."""
    return added([(before.counts(), -1), (after.counts(), 1)])


def added(parts: Iterable[tuple[Counts, int]]) -> Counts:
    """Return the sum of counts, each times its factor, without zeros."""
    total: Counts = {}
    for counts, factor in parts:
        for cell, found in counts.items():
            of_cell = total.setdefault(cell, Counter())
            for name, number in found.items():
                of_cell[name] += factor * number
    cleaned = {cell: Counter({name: n for name, n in found.items() if n}) for cell, found in total.items()}
    return {cell: found for cell, found in cleaned.items() if found}


def name_of(kind: str, *parts: str) -> str:
    """Return the name of a count."""
    return SEPARATOR.join((kind, *parts))


def time_name(stage: Stage, partner: str, within: str) -> str:
    """Return the name of the count of a time to a stage: of deliveries to a partner, or of leads if it is empty."""
    return name_of(TIME, stage[0], partner, within)


def part_of(campaign_number: int) -> int:
    """Return the number of the counter item that counts a campaign.

    A write costs units by the size of the item. So a counter item has few campaigns, and those that a day begins with
    are together: most leads have one of them.
    """
    return MAIN if campaign_number < IN_MAIN else 1 + (campaign_number - IN_MAIN) // IN_PART

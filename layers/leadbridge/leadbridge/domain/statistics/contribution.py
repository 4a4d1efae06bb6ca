"""What one lead contributes to the statistics, and how its changes are merged.

A lead counts on the day on which it was received and for its source: itself, its campaign, its problems while it is
incomplete, and each delivery by partner, state and outcome. A submitted delivery also counts by the time since the
lead's reception. The facts of each item have the item's version, and the facts with the highest version win. So the
order of the changes does not matter, and repeated ones change nothing.

The test lead of a deployment's check contributes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

type Cell = tuple[str, str]  # the day of receipt, such as 2026-11-02, and the source
type Counts = dict[Cell, Counter[str]]

MAX_CAMPAIGN_LENGTH = 50  # characters of a campaign's name that are counted; the rest is cut
MAX_CAMPAIGNS = 20  # campaigns that one counter item counts by name
OTHER_CAMPAIGNS = "(other)"  # all further campaigns of a day and a source
SEPARATOR = "|"
SELF_CHECK = "self-check"  # the source of the test lead, as in settings/self_check.py, which domain cannot import

# The names of the counts of a cell. The campaign is the last part of a name, because it may contain the separator.
LEADS, INCOMPLETE = "l", "i"
PROBLEM, DELIVERY, CAMPAIGN, CAMPAIGN_OUTCOME, SUBMISSION = "p", "d", "n", "o", "t"

TIME_LIMITS = (5, 30, 300, 3600, 86400)  # seconds from a lead's reception to its submission
LONGER = "longer"  # than the last of `TIME_LIMITS`


@dataclass(frozen=True)
class LeadFacts:
    """What is counted of a lead's own item. `problems` are empty unless the lead is incomplete.

    `is_counted` is False for a lead that was counted before, while the record of that has expired.
    """

    version: int
    day: str
    source: str
    campaign: str = ""
    problems: tuple[str, ...] = ()
    is_counted: bool = True


@dataclass(frozen=True)
class DeliveryFacts:
    """What is counted of a delivery. `outcome` is a DeliveryOutcome; empty without one.

    `within` is the result of `time_limit`; empty unless the partner has the lead.
    """

    version: int
    state: str
    outcome: str = ""
    within: str = ""


@dataclass(frozen=True)
class LeadChange:
    """New facts about a lead. `day` and `source` are those of any of its items.

    `opened` is the day on which each delivery was opened. `expires_at` is the Unix time at which the newest of the
    items expires.
    """

    day: str
    source: str
    lead: LeadFacts | None = None
    deliveries: Mapping[str, DeliveryFacts] = field(default_factory=dict)
    opened: Mapping[str, str] = field(default_factory=dict)
    expires_at: int = 0

    def merged(self, other: LeadChange) -> LeadChange:
        """Return both changes in one. Which one comes first does not matter."""
        return LeadChange(
            min(self.day, other.day),
            self.source,
            newest(self.lead, other.lead),
            newest_deliveries(self.deliveries, other.deliveries),
            {**self.opened, **other.opened},
            max(self.expires_at, other.expires_at),
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
            lead = replace(lead, is_counted=self.lead.is_counted)
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
        found: Counter[str] = Counter()
        if lead.is_counted:
            found[LEADS] += 1
            if lead.campaign:
                found[name_of(CAMPAIGN, lead.campaign)] += 1
            if lead.problems:
                found[INCOMPLETE] += 1
                found.update(name_of(PROBLEM, problem) for problem in lead.problems)
        for partner, delivery in self.deliveries.items():
            found[name_of(DELIVERY, partner, delivery.state, delivery.outcome)] += 1
            if delivery.within:
                found[name_of(SUBMISSION, partner, delivery.within)] += 1
            if lead.campaign and delivery.outcome:
                found[name_of(CAMPAIGN_OUTCOME, delivery.outcome, lead.campaign)] += 1
        return {(lead.day, lead.source): found}


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


def time_limit(received_at: datetime, submitted_at: datetime) -> str:
    """Return the least of `TIME_LIMITS` within which a lead was submitted, or `LONGER`."""
    took = submitted_at - received_at
    return next((str(limit) for limit in TIME_LIMITS if took <= timedelta(seconds=limit)), LONGER)


def clean_campaign(name: str) -> str:
    """Return a campaign's name as it is counted."""
    return name.strip()[:MAX_CAMPAIGN_LENGTH]


def limit_campaign(campaign: str, known: set[str]) -> str:
    """Return the name under which a campaign is counted, and add it to the `known` names of its counter item.

    A form can send any name, so only the first `MAX_CAMPAIGNS` of a counter item have a count of their own.
    """
    if campaign in known or len(known) < MAX_CAMPAIGNS:
        known.add(campaign)
        return campaign
    return OTHER_CAMPAIGNS

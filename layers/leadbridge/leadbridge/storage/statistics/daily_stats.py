"""Daily statistics, read from the counters: leads by source, deliveries by state and outcome, times, campaigns."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import date

from leadbridge.domain.statistics.contribution import (
    CAMPAIGN,
    DELIVERY,
    INCOMPLETE,
    LEADS,
    OTHER_CAMPAIGNS,
    OUTCOME,
    PROBLEM,
    SEPARATOR,
    TIME,
)
from leadbridge.domain.statistics.times import Stage
from leadbridge.storage.statistics.campaigns import PARTITION as NAMES
from leadbridge.storage.statistics.campaigns import names_by_cell
from leadbridge.storage.statistics.counters import CAMPAIGN_COUNTERS, CounterReader
from leadbridge.storage.table import Table

STAGES = {stage[0]: stage for stage in Stage}
NUMBER = r"-?[0-9]{1,9}"  # of a campaign


@dataclass(frozen=True)
class StatsCounts:
    """Counts by day. `leads` by (day, source), `deliveries` by (day, source, partner, state).

    `incomplete` counts incomplete leads by (day, source), `problems` their problems by (day, source, field and code).
    `outcomes` counts deliveries by (day, source, partner, outcome); the outcome is empty while there is none.
    `times` counts what has reached a stage by (source, partner, stage, limit of the time to it): deliveries to the
    partner, or leads if the partner is empty.

    `campaigns` counts leads by (source, campaign), `campaign_outcomes` deliveries by (source, campaign, outcome), and
    `campaign_times` leads by (source, campaign, stage, limit); empty if they were not read.
    """

    leads: Counter[tuple[str, str]] = field(default_factory=Counter)
    deliveries: Counter[tuple[str, str, str, str]] = field(default_factory=Counter)
    incomplete: Counter[tuple[str, str]] = field(default_factory=Counter)
    problems: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    outcomes: Counter[tuple[str, str, str, str]] = field(default_factory=Counter)
    times: Counter[tuple[str, str, Stage, str]] = field(default_factory=Counter)
    campaigns: Counter[tuple[str, str]] = field(default_factory=Counter)
    campaign_outcomes: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    campaign_times: Counter[tuple[str, str, Stage, str]] = field(default_factory=Counter)

    def add(self, day: str, source: str, name: str, number: int) -> None:
        """Add one count that is not of a campaign. A name with other parts, of another version, is ignored."""
        kind, _, rest = name.partition(SEPARATOR)
        match kind:
            case _ if name == LEADS:
                self.leads[day, source] += number
            case _ if name == INCOMPLETE:
                self.incomplete[day, source] += number
            case _ if kind == PROBLEM:
                self.problems[day, source, rest] += number
            case _ if kind == DELIVERY:
                match rest.split(SEPARATOR):
                    case [partner, state, outcome]:
                        self.deliveries[day, source, partner, state] += number
                        self.outcomes[day, source, partner, outcome] += number
            case _ if kind == TIME:
                match rest.split(SEPARATOR):
                    case [stage, partner, limit] if stage in STAGES:
                        self.times[source, partner, STAGES[stage], limit] += number

    def add_campaign(self, source: str, campaign: str, name: str, number: int) -> None:
        """Add one count of a campaign. A name with other parts, of another version, is ignored."""
        kind, _, rest = name.partition(SEPARATOR)
        match kind:
            case _ if name == LEADS:
                self.campaigns[source, campaign] += number
            case _ if kind == OUTCOME:
                self.campaign_outcomes[source, campaign, rest] += number
            case _ if kind == TIME:
                match rest.split(SEPARATOR):
                    case [stage, _, limit] if stage in STAGES:
                        self.campaign_times[source, campaign, STAGES[stage], limit] += number


class DailyStats:
    """The statistics of this stack. They are up to a minute late (`update_stats`)."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def between(self, first: date, last: date, *, with_campaigns: bool = False) -> StatsCounts:
        """Return the statistics of some days, both ends included. Raises TooManyCounters, Contended.

        Counts that are zero or negative, which only lasts a moment, are left out.
        """
        reader, stats = CounterReader(self._table, first, last), StatsCounts()
        every = [*reader.counts().items()]
        names: dict[tuple[str, str], list[str]] = {}
        if with_campaigns:
            every += reader.counts(CAMPAIGN_COUNTERS).items()
            names = names_by_cell(reader.items(NAMES))  # read last, so that each number has its name
        for (day, source, _), found in every:
            for name, number in found.items():
                if number <= 0:
                    continue
                kind, _, rest = name.partition(SEPARATOR)
                if kind != CAMPAIGN:
                    stats.add(day, source, name, number)
                elif with_campaigns:
                    place, _, counted = rest.partition(SEPARATOR)
                    if re.fullmatch(NUMBER, place):
                        stats.add_campaign(source, _name(names.get((day, source), []), int(place)), counted, number)
        return stats


def _name(names: list[str], number: int) -> str:
    return names[number] if 0 <= number < len(names) else OTHER_CAMPAIGNS

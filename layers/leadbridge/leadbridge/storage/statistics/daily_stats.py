"""Daily statistics, read from the counters: leads by source, deliveries by state and outcome, campaigns."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import date

from leadbridge.domain.statistics.contribution import (
    CAMPAIGN,
    CAMPAIGN_OUTCOME,
    DELIVERY,
    INCOMPLETE,
    LEADS,
    PROBLEM,
    SEPARATOR,
    SUBMISSION,
    Counts,
)
from leadbridge.storage.statistics.counters import read_counts
from leadbridge.storage.table import Table


@dataclass(frozen=True)
class StatsCounts:
    """Counts by day. `leads` by (day, source), `deliveries` by (day, source, partner, state).

    `incomplete` counts incomplete leads by (day, source), `problems` their problems by (day, source, field and code).
    `outcomes` counts deliveries by (day, source, partner, outcome); the outcome is empty while there is none.
    `campaigns` counts leads by (source, campaign), `campaign_outcomes` deliveries by (source, campaign, outcome).
    `submission_times` counts submitted deliveries by (partner, the result of `time_limit`).
    """

    leads: Counter[tuple[str, str]] = field(default_factory=Counter)
    deliveries: Counter[tuple[str, str, str, str]] = field(default_factory=Counter)
    incomplete: Counter[tuple[str, str]] = field(default_factory=Counter)
    problems: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    outcomes: Counter[tuple[str, str, str, str]] = field(default_factory=Counter)
    campaigns: Counter[tuple[str, str]] = field(default_factory=Counter)
    campaign_outcomes: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    submission_times: Counter[tuple[str, str]] = field(default_factory=Counter)

    @classmethod
    def of(cls, counts: Counts) -> StatsCounts:
        """Sort the counts of all days by their kind, without zeros and negative counts, which only last a moment."""
        stats = cls()
        for (day, source), found in counts.items():
            for name, number in found.items():
                if number > 0:
                    stats.add(day, source, name, number)
        return stats

    def add(self, day: str, source: str, name: str, number: int) -> None:
        """Add one count."""
        kind, _, rest = name.partition(SEPARATOR)
        match kind:
            case _ if name == LEADS:
                self.leads[day, source] += number
            case _ if name == INCOMPLETE:
                self.incomplete[day, source] += number
            case _ if kind == PROBLEM:
                self.problems[day, source, rest] += number
            case _ if kind == DELIVERY:
                partner, state, outcome = rest.split(SEPARATOR, 2)
                self.deliveries[day, source, partner, state] += number
                self.outcomes[day, source, partner, outcome] += number
            case _ if kind == CAMPAIGN:
                self.campaigns[source, rest] += number
            case _ if kind == CAMPAIGN_OUTCOME:
                outcome, _, campaign = rest.partition(SEPARATOR)
                self.campaign_outcomes[source, campaign, outcome] += number
            case _ if kind == SUBMISSION:
                partner, within = rest.split(SEPARATOR)
                self.submission_times[partner, within] += number


class DailyStats:
    """The statistics of this stack. They are up to a minute late (`update_stats`)."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def between(self, first: date, last: date) -> StatsCounts:
        """Return the statistics of some days, both ends included. Raises TooManyCounters, Contended."""
        return StatsCounts.of(read_counts(self._table, first, last))

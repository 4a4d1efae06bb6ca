"""GET /stats."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from typing import Annotated, Literal, NotRequired, TypedDict

from pydantic import Field

from leadbridge.api.params import Day, QueryParams, invalid_query
from leadbridge.api.requests import ApiRequest
from leadbridge.api.response_size import MAX_BYTES, payload_bytes
from leadbridge.api.router import route
from leadbridge.api.schemas import Count, StoredOutcome
from leadbridge.domain.clock import utc_now
from leadbridge.domain.delivery import State
from leadbridge.domain.statistics.contribution import LONGER, TIME_LIMITS
from leadbridge.storage.statistics.daily_stats import StatsCounts

MAX_DAYS = 366
DEFAULT_DAYS = 30

DayText = Annotated[str, Field(json_schema_extra={"format": "date"})]


class StatsQuery(QueryParams):
    """The days to count, and a further grouping."""

    first: Day | None = Field(None, alias="from", description="The first day; 29 days before the last by default.")
    last: Day | None = Field(None, alias="to", description="The last day; today by default.")
    by: Literal["outcome", "campaign"] | None = Field(
        None, description="Also count deliveries by outcome, or leads by campaign."
    )


class TotalsView(TypedDict):
    """Counts of all days. `deliveries` are by state."""

    leads: Count
    deliveries: dict[str, Count]
    incomplete: Count


class ProblemCountView(TypedDict):
    """The number of incomplete leads of a source with a problem. `field` is empty for a problem of the whole post."""

    source: str
    field: str
    code: str
    count: Count


class LeadsOfDayView(TypedDict):
    """The number of leads of a source on a day."""

    day: DayText
    source: str
    count: Count


class DeliveriesOfDayView(LeadsOfDayView):
    """The number of deliveries of a day's leads in a state."""

    partner: str
    state: State


class OutcomesOfDayView(LeadsOfDayView):
    """The number of deliveries of a day's leads with an outcome; null if there is none."""

    partner: str
    outcome: StoredOutcome | None


class SubmissionTimeView(TypedDict):
    """The number of a partner's leads that were submitted within a time from their reception.

    Each lead counts for the shortest time; `within_seconds` is null for more than the longest one.
    """

    partner: str
    within_seconds: int | None
    count: Count


class CampaignView(TypedDict):
    """A source's campaign (`utm_campaign`) on all days: its leads, and the number of deliveries by outcome.

    The campaign `(other)` stands for those beyond the first of a day.
    """

    source: str
    campaign: str
    leads: Count
    outcomes: dict[str, Count]


# `from` is a Python keyword, so the class syntax is impossible.
StatsView = TypedDict(
    "StatsView",
    {
        "from": DayText,
        "to": DayText,
        "totals": TotalsView,
        "leads": list[LeadsOfDayView],
        "counts": list[DeliveriesOfDayView],
        "incomplete": list[LeadsOfDayView],
        "problems": list[ProblemCountView],
        "submission_times": list[SubmissionTimeView],
        "outcomes": NotRequired[list[OutcomesOfDayView]],
        "campaigns": NotRequired[list[CampaignView]],
    },
)


@route("GET", "/stats")
def show_stats(request: ApiRequest, query: StatsQuery) -> StatsView:
    """Count leads and deliveries by day, source, partner and state, and incomplete leads by source and problem.

    `submission_times` counts submitted leads by partner and the time since their reception, waits included. The counts
    are up to a minute late, and those of a lead stay after an erasure.
    """
    last = query.last or utc_now().date()
    first = query.first or last - timedelta(days=DEFAULT_DAYS - 1)
    if not timedelta() <= last - first < timedelta(days=MAX_DAYS):
        raise invalid_query(f"from must not be after to, and the range must be at most {MAX_DAYS} days.")
    stats = stats_view(first, last, request.resources.stats.between(first, last), query.by)
    if payload_bytes(stats) > MAX_BYTES:
        raise invalid_query("There is too much to show. Request fewer days.")
    return stats


def stats_view(first: date, last: date, figures: StatsCounts, by: str | None = None) -> StatsView:
    """Return counts with their totals, sorted by day, and a further grouping."""
    states = Counter[str]()
    for (_, _, _, state), number in figures.deliveries.items():
        states[state] += number
    problems = Counter[tuple[str, str]]()
    for (_, source, problem), number in figures.problems.items():
        problems[source, problem] += number
    view: StatsView = {
        "from": first.isoformat(),
        "to": last.isoformat(),
        "totals": {
            "leads": figures.leads.total(),
            "deliveries": dict(sorted(states.items())),
            "incomplete": figures.incomplete.total(),
        },
        "leads": [
            {"day": day, "source": source, "count": number} for (day, source), number in sorted(figures.leads.items())
        ],
        "counts": [
            {"day": day, "source": source, "partner": partner, "state": State(state), "count": number}
            for (day, source, partner, state), number in sorted(figures.deliveries.items())
        ],
        "incomplete": [
            {"day": day, "source": source, "count": number}
            for (day, source), number in sorted(figures.incomplete.items())
        ],
        "problems": [
            {"source": source, "field": field, "code": code, "count": number}
            for (source, problem), number in sorted(problems.items())
            for field, _, code in (problem.rpartition(" "),)
        ],
        "submission_times": submission_time_views(figures),
    }
    if by == "outcome":
        view["outcomes"] = [
            {"day": day, "source": source, "partner": partner, "outcome": outcome or None, "count": number}
            for (day, source, partner, outcome), number in sorted(figures.outcomes.items())
        ]
    if by == "campaign":
        view["campaigns"] = campaign_views(figures)
    return view


def submission_time_views(figures: StatsCounts) -> list[SubmissionTimeView]:
    """Return the submitted leads of each partner by the time that this took, shortest first."""
    partners = sorted({partner for partner, _ in figures.submission_times})
    limits = {**{str(seconds): seconds for seconds in TIME_LIMITS}, LONGER: None}
    return [
        {"partner": partner, "within_seconds": seconds, "count": figures.submission_times[partner, within]}
        for partner in partners
        for within, seconds in limits.items()
        if figures.submission_times[partner, within]
    ]


def campaign_views(figures: StatsCounts) -> list[CampaignView]:
    """Return the campaigns of each source, those with most leads first."""
    outcomes: dict[tuple[str, str], dict[str, int]] = {}
    for (source, campaign, outcome), number in sorted(figures.campaign_outcomes.items()):
        outcomes.setdefault((source, campaign), {})[outcome] = number
    return [
        {"source": source, "campaign": campaign, "leads": number, "outcomes": outcomes.get((source, campaign), {})}
        for (source, campaign), number in sorted(figures.campaigns.items(), key=lambda one: (-one[1], one[0]))
    ]

"""GET /stats."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date, timedelta
from typing import Literal, NotRequired, TypedDict

from pydantic import Field

from leadbridge.api.params import Day, QueryParams, invalid_query
from leadbridge.api.requests import ApiRequest
from leadbridge.api.response_size import MAX_BYTES, payload_bytes
from leadbridge.api.router import route
from leadbridge.api.schemas import Count, DayText, StoredOutcome
from leadbridge.domain.clock import date_in, utc_now
from leadbridge.domain.delivery import State
from leadbridge.domain.statistics.times import LONGER, TIME_LIMITS, Stage, median_seconds
from leadbridge.settings import settings
from leadbridge.storage.statistics.daily_stats import StatsCounts

MAX_DAYS = 366
DEFAULT_DAYS = 30


class StatsQuery(QueryParams):
    """The days to count, and a further grouping."""

    first: Day | None = Field(None, alias="from", description="The first day. By default `days` decides.")
    last: Day | None = Field(None, alias="to", description="The last day; today by default.")
    days: int = Field(DEFAULT_DAYS, ge=1, le=MAX_DAYS, description="The number of days, if `from` is not given.")
    by: Literal["outcome", "campaign"] | None = Field(
        None, description="Also count deliveries by outcome; with `campaign`, leads by campaign, too."
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


class StageView(TypedDict):
    """What has reached a stage of the funnel, and the median of the seconds from the lead's reception to it.

    The median is estimated from counts of ranges of time. It is null without any, and above the longest one.
    """

    count: Count
    median_seconds: int | None


class FunnelView(TypedDict):
    """What was received on all days, and how much of it has reached each stage.

    `approved` includes the successes, and approvals that were followed by a refusal; `issued` are the successes,
    issued or active.
    """

    received: Count
    submitted: StageView
    approved: StageView
    issued: StageView


class SourceFunnelView(FunnelView):
    """The funnel of a source's leads. A lead has reached a stage if one of its deliveries has."""

    source: str


class PartnerFunnelView(FunnelView):
    """The funnel of a partner's deliveries. `received` are all its deliveries."""

    partner: str


class FunnelsView(TypedDict):
    """The funnels of sources and partners, those with most leads first."""

    sources: list[SourceFunnelView]
    partners: list[PartnerFunnelView]


class CampaignView(SourceFunnelView):
    """The funnel of a source's campaign on all days, and the number of deliveries by outcome.

    The source's `count_by` says which field is counted. The campaign `(other)` stands for those beyond the first 200 of
    a day.
    """

    campaign: str
    outcomes: dict[str, Count]


# `from` is a Python keyword, so the class syntax is impossible.
StatsView = TypedDict(
    "StatsView",
    {
        "from": DayText,
        "to": DayText,
        "time_zone": str,
        "totals": TotalsView,
        "leads": list[LeadsOfDayView],
        "counts": list[DeliveriesOfDayView],
        "incomplete": list[LeadsOfDayView],
        "problems": list[ProblemCountView],
        "submission_times": list[SubmissionTimeView],
        "funnels": FunnelsView,
        "outcomes": NotRequired[list[OutcomesOfDayView]],
        "campaigns": NotRequired[list[CampaignView]],
    },
)


@route("GET", "/stats")
def show_stats(request: ApiRequest, query: StatsQuery) -> StatsView:
    """Count leads and deliveries by day, source, partner and state, and incomplete leads by source and problem.

    `submission_times` counts submitted leads by partner and the time since their reception, waits included. `funnels`
    count the leads that were received on these days and have reached a stage since. Days are those of the configured
    time zone; leads of before it was configured count on their UTC day. The counts are up to a minute late,
    and those of a lead stay after an erasure.
    """
    time_zone = settings().alerts.time_zone
    last = query.last or date_in(time_zone, utc_now())
    first = query.first or last - timedelta(days=query.days - 1)
    if not timedelta() <= last - first < timedelta(days=MAX_DAYS):
        raise invalid_query(f"from must not be after to, and the range must be at most {MAX_DAYS} days.")
    figures = request.resources.stats.between(first, last, with_campaigns=query.by == "campaign")
    stats = stats_view(first, last, figures, query.by, time_zone)
    if payload_bytes(stats) > MAX_BYTES:
        raise invalid_query("There is too much to show. Request fewer days.")
    return stats


def stats_view(
    first: date, last: date, figures: StatsCounts, by: str | None = None, time_zone: str = "UTC"
) -> StatsView:
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
        "time_zone": time_zone,
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
        "funnels": funnel_views(figures),
    }
    if by in {"outcome", "campaign"}:
        view["outcomes"] = [
            {"day": day, "source": source, "partner": partner, "outcome": outcome or None, "count": number}
            for (day, source, partner, outcome), number in sorted(figures.outcomes.items())
        ]
    if by == "campaign":
        view["campaigns"] = campaign_views(figures)
    return view


def submission_time_views(figures: StatsCounts) -> list[SubmissionTimeView]:
    """Return the submitted leads of each partner by the time that this took, shortest first."""
    counts = Counter[tuple[str, str]]()
    for (_, partner, stage, limit), number in figures.times.items():
        if partner and stage is Stage.SUBMITTED:
            counts[partner, limit] += number
    limits = {**{str(seconds): seconds for seconds in TIME_LIMITS[Stage.SUBMITTED]}, LONGER: None}
    return [
        {"partner": partner, "within_seconds": seconds, "count": counts[partner, limit]}
        for partner in sorted({partner for partner, _ in counts})
        for limit, seconds in limits.items()
        if counts[partner, limit]
    ]


type Times = dict[Stage, Counter[str]]


def funnel_views(figures: StatsCounts) -> FunnelsView:
    """Return the funnels of sources and partners."""
    by_source: dict[str, Times] = defaultdict(_no_times)
    by_partner: dict[str, Times] = defaultdict(_no_times)
    for (source, partner, stage, limit), number in figures.times.items():
        times = by_partner[partner] if partner else by_source[source]
        times[stage][limit] += number
    leads, deliveries = Counter[str](), Counter[str]()
    for (_, source), number in figures.leads.items():
        leads[source] += number
    for (_, _, partner, _), number in figures.deliveries.items():
        deliveries[partner] += number
    return {
        "sources": [
            {"source": source, **funnel_view(number, by_source[source])} for source, number in most_first(leads)
        ],
        "partners": [
            {"partner": partner, **funnel_view(number, by_partner[partner])}
            for partner, number in most_first(deliveries)
        ],
    }


def campaign_views(figures: StatsCounts) -> list[CampaignView]:
    """Return the campaigns of each source, those with most leads first."""
    outcomes: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for (source, campaign, outcome), number in sorted(figures.campaign_outcomes.items()):
        outcomes[source, campaign][outcome] = number
    times: dict[tuple[str, str], Times] = defaultdict(_no_times)
    for (source, campaign, stage, limit), number in figures.campaign_times.items():
        times[source, campaign][stage][limit] += number
    return [
        {
            "source": source,
            "campaign": campaign,
            **funnel_view(number, times[source, campaign]),
            "outcomes": outcomes[source, campaign],
        }
        for (source, campaign), number in most_first(figures.campaigns)
    ]


def funnel_view(received: int, times: Times) -> FunnelView:
    """Return a funnel."""
    submitted, approved, issued = (stage_view(stage, times[stage]) for stage in Stage)
    return {"received": received, "submitted": submitted, "approved": approved, "issued": issued}


def stage_view(stage: Stage, limits: Counter[str]) -> StageView:
    """Return what has reached a stage."""
    return {"count": limits.total(), "median_seconds": median_seconds(stage, limits)}


def most_first[K: (str, tuple[str, str])](counts: Counter[K]) -> list[tuple[K, int]]:
    """Return counts by size, and by name if they are equal."""
    return sorted(counts.items(), key=lambda one: (-one[1], one[0]))


def _no_times() -> Times:
    return {stage: Counter() for stage in Stage}

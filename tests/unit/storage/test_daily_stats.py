"""Reading the statistics by day, source, partner, state, outcome and campaign."""

import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from types import ModuleType
from typing import Any

import pytest

from leadbridge.api.routes.stats import FunnelView, stats_view
from leadbridge.domain import delivery as steps
from leadbridge.domain.fetch import new_fetch
from leadbridge.domain.statistics.contribution import MAIN
from leadbridge.domain.statuses.status_change import change_status
from leadbridge.runtime import aws
from leadbridge.settings import Settings
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.statistics.counters import SHARDS, TooManyCounters, counter_key, counter_write
from leadbridge.storage.statistics.daily_stats import DailyStats
from leadbridge.storage.table import Table
from leadbridge.storage.writes import put
from quality.testkit.fakes.errors import some_error
from quality.testkit.fixtures import TABLE, Context
from quality.testkit.people import NOW, lead
from quality.testkit.statistics import count_all

TODAY = date(2026, 3, 1)
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


@pytest.fixture
def aws_engine() -> str:
    """All expressions of these many writes are in tests that also run on moto, which takes seconds for them."""
    return "memory"


@pytest.fixture
def book(store: LeadRepository) -> DailyStats:
    return DailyStats(Table(aws.dynamodb(), TABLE))


def come(
    store: LeadRepository,
    number: int,
    *,
    days_ago: int = 0,
    source: str = "web",
    fails: bool = False,
    outcome: str = "",
    campaign: str = "",
    took: timedelta = timedelta(),
) -> None:
    one = lead(number, source=source, received_at=NOW - days_ago * DAY)
    store.accept(one.model_copy(update={"campaign": campaign}), phone_hash=None)
    found = store.delivery(one.lead_id, "leadleader")
    assert found is not None
    if fails:
        store.apply(steps.fail(found, NOW, some_error("spent")))
    if outcome:
        found = store.apply(steps.start_attempt(found, NOW, MINUTE))
        found = store.apply(steps.confirm(found, one.received_at + took, number, is_followed=True))
        store.apply(change_status(found, NOW, "a status", outcome=outcome, final=False, is_followed=True))


def some(store: LeadRepository) -> None:
    come(store, 1)
    come(store, 2, fails=True, campaign="spring")
    come(store, 3, source="tilda", campaign="autumn", outcome="approved")
    come(store, 4, days_ago=3, campaign="spring", outcome="issued")
    come(store, 5, days_ago=40, outcome="issued")
    count_all(TABLE, NOW)


def test_leads_are_counted_by_day_source_partner_and_state(book: DailyStats, store: LeadRepository) -> None:
    some(store)
    shown = stats_view(TODAY - 7 * DAY, TODAY, book.between(TODAY - 7 * DAY, TODAY))
    states = {"failed": 1, "received": 1, "submitted": 2}
    assert shown["totals"] == {"leads": 4, "deliveries": states, "incomplete": 0}
    assert {"day": "2026-03-01", "source": "web", "count": 2} in shown["leads"]
    counted = [tuple(one.values()) for one in shown["counts"]]
    assert ("2026-03-01", "web", "leadleader", "failed", 1) in counted
    assert ("2026-03-01", "tilda", "leadleader", "submitted", 1) in counted
    assert ("2026-02-26", "web", "leadleader", "submitted", 1) in counted
    assert sum(one["count"] for one in shown["counts"]) == 4
    assert not {"outcomes", "campaigns"} & shown.keys()


def test_deliveries_are_counted_by_outcome(book: DailyStats, store: LeadRepository) -> None:
    some(store)
    shown = stats_view(TODAY - 7 * DAY, TODAY, book.between(TODAY - 7 * DAY, TODAY), "outcome")
    assert [tuple(one.values()) for one in shown["outcomes"]] == [
        ("2026-02-26", "web", "leadleader", "issued", 1),
        ("2026-03-01", "tilda", "leadleader", "approved", 1),
        ("2026-03-01", "web", "leadleader", None, 2),
    ]


def test_submitted_leads_are_counted_by_the_time_since_their_reception(book: DailyStats, store: LeadRepository) -> None:
    come(store, 1)
    for number, took in enumerate((2 * DAY, 20 * MINUTE, 10 * MINUTE, timedelta()), start=2):
        come(store, number, days_ago=number, outcome="approved", took=took)
    count_all(TABLE, NOW)
    shown = stats_view(TODAY - 7 * DAY, TODAY, book.between(TODAY - 7 * DAY, TODAY))
    assert [tuple(one.values()) for one in shown["submission_times"]] == [
        ("leadleader", 5, 1),
        ("leadleader", 3600, 2),
        ("leadleader", None, 1),
    ]


def test_campaigns_are_counted_with_their_outcomes(book: DailyStats, store: LeadRepository) -> None:
    some(store)
    figures = book.between(TODAY - 7 * DAY, TODAY, with_campaigns=True)
    shown = stats_view(TODAY - 7 * DAY, TODAY, figures, "campaign")
    none, at_once = {"count": 0, "median_seconds": None}, {"count": 1, "median_seconds": 2}
    three_days = {"count": 1, "median_seconds": 216_000}  # the middle of the range from two days to three
    assert shown["campaigns"] == [
        {
            "source": "web",
            "campaign": "spring",
            "received": 2,
            "outcomes": {"issued": 1},
            "submitted": at_once,
            "approved": three_days,
            "issued": three_days,
        },
        {
            "source": "tilda",
            "campaign": "autumn",
            "received": 1,
            "outcomes": {"approved": 1},
            "submitted": at_once,
            "approved": {"count": 1, "median_seconds": 1800},
            "issued": none,
        },
    ]


def counts(funnel: FunnelView) -> list[int]:
    return [one["count"] for one in (funnel["submitted"], funnel["approved"], funnel["issued"])]


def test_funnels_of_sources_and_partners_have_rates_and_times(book: DailyStats, store: LeadRepository) -> None:
    some(store)
    shown = stats_view(TODAY - 7 * DAY, TODAY, book.between(TODAY - 7 * DAY, TODAY))
    web, tilda = shown["funnels"]["sources"]
    (partner,) = shown["funnels"]["partners"]
    assert (web["source"], web["received"], counts(web)) == ("web", 3, [1, 1, 1])
    assert (tilda["source"], tilda["received"], counts(tilda)) == ("tilda", 1, [1, 1, 0])
    assert (partner["partner"], partner["received"]) == ("leadleader", 4)
    assert counts(partner) == [2, 2, 1]
    assert 2 * 86_400 < (web["issued"]["median_seconds"] or 0) <= 3 * 86_400


def test_campaigns_beyond_the_first_of_a_day_are_others(
    book: DailyStats, store: LeadRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leadbridge.storage.statistics.campaigns.MAX_CAMPAIGNS", 9)
    for number in range(12):
        come(store, number, campaign=f"campaign {number:02}", outcome="approved")
    count_all(TABLE, NOW)
    found = book.between(TODAY, TODAY, with_campaigns=True)
    assert found.campaigns["web", "(other)"] == 3
    assert len(found.campaigns) == 10
    assert found.campaign_outcomes["web", "(other)", "approved"] == 3


def test_a_lead_that_waits_to_be_fetched_counts_as_a_lead_without_deliveries(
    book: DailyStats, store: LeadRepository
) -> None:
    named = lead(9, source="meta-credit").model_copy(update={"partners": ()})
    waits = new_fetch(named.lead_id, named.source, {"leadgen_id": "9"}, NOW)
    store.accept(named, phone_hash=None, fetch=waits)
    count_all(TABLE, NOW)
    shown = stats_view(TODAY, TODAY, book.between(TODAY, TODAY))
    assert shown["totals"] == {"leads": 1, "deliveries": {}, "incomplete": 0}


def test_both_ends_belong_to_the_range(book: DailyStats, store: LeadRepository) -> None:
    some(store)
    assert book.between(TODAY - 3 * DAY, TODAY - 3 * DAY).leads.total() == 1
    assert book.between(TODAY - 2 * DAY, TODAY - DAY).leads.total() == 0


def test_the_statistics_outlive_the_leads(book: DailyStats, store: LeadRepository) -> None:
    some(store)
    before = book.between(TODAY - 50 * DAY, TODAY)
    for page in aws.dynamodb().get_paginator("scan").paginate(TableName=TABLE):
        for item in page["Items"]:
            if "expires_at" in item:
                aws.dynamodb().delete_item(TableName=TABLE, Key={"pk": item["pk"], "sk": item["sk"]})
    assert book.between(TODAY - 50 * DAY, TODAY) == before
    assert before.leads.total() == 5


class Reading:
    """A client that counts calls and items."""

    def __init__(self) -> None:
        self.client = aws.dynamodb()
        self.calls = self.items = 0

    def __getattr__(self, name: str) -> Any:
        def called(**asked: Any) -> Any:
            answer = getattr(self.client, name)(**asked)
            self.calls += 1
            self.items += len(answer.get("Items", ()))
            return answer

        return called


@pytest.mark.parametrize(("days", "most_calls"), [(30, SHARDS), (366, 2 * SHARDS)])
def test_the_work_does_not_depend_on_the_number_of_leads(store: LeadRepository, days: int, most_calls: int) -> None:
    """A million leads a month, from five sources with ten campaigns, in all shards."""
    leads_a_day = 33_000
    counts = Counter({"l": leads_a_day, "d|leadleader|submitted|in_progress": leads_a_day})
    table = Table(aws.dynamodb(), TABLE)
    for number in range(days):
        for source in range(5):
            day = (TODAY - number * DAY).isoformat()
            table.write(counter_write((day, f"source-{source}", MAIN), counts, number % SHARDS))
    client: Any = Reading()
    found = DailyStats(Table(client, TABLE)).between(TODAY - (days - 1) * DAY, TODAY)
    assert found.leads.total() == days * 5 * leads_a_day
    assert client.calls <= most_calls
    assert client.items == days * 5


def test_a_range_with_too_many_counters_is_refused_before_it_takes_too_long(
    store: LeadRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page of a megabyte takes the function about a second, and the gateway waits for 29."""
    monkeypatch.setattr("quality.testkit.aws.memory_dynamodb.MAX_PAGE", 10_000)
    counts = Counter({f"p|field {number} required": 1 for number in range(100)})
    table = Table(aws.dynamodb(), TABLE)
    for number in range(100):
        cell = ((TODAY - number * DAY).isoformat(), "web", MAIN)
        table.write(put({**counter_key(cell, 0), **counts}, ttl=False))
    client: Any = Reading()
    with pytest.raises(TooManyCounters):
        DailyStats(Table(client, TABLE)).between(TODAY - 100 * DAY, TODAY)
    assert client.calls <= 20


def test_a_count_that_moves_between_shards_while_they_are_read_is_not_negative(store: LeadRepository) -> None:
    """The reader sees a state's end in a later shard, and has read the shard of its beginning before."""
    table, cell = Table(aws.dynamodb(), TABLE), (TODAY.isoformat(), "web", MAIN)
    moved = Counter({"d|leadleader|received|": -1, "d|leadleader|submitting|": 1})
    table.write(counter_write(cell, moved, 5))
    shown = stats_view(TODAY, TODAY, DailyStats(table).between(TODAY, TODAY), "outcome")
    assert [(one["state"], one["count"]) for one in shown["counts"]] == [("submitting", 1)]
    assert shown["totals"]["deliveries"] == {"submitting": 1}


@pytest.fixture
def get(
    store: LeadRepository, shipped_settings: Settings, function: Callable[[str], ModuleType], context: Context
) -> Callable[..., tuple[int, dict[str, Any]]]:
    app = function("manage_leads")

    def ask(**query: str) -> tuple[int, dict[str, Any]]:
        event = {
            "httpMethod": "GET",
            "resource": "/stats",
            "queryStringParameters": {name.rstrip("_"): value for name, value in query.items()} or None,
        }
        response = app.handler(event, context)
        return response["statusCode"], json.loads(response["body"])

    return ask


def test_the_route_shows_thirty_days_by_default(get: Callable[..., tuple[int, dict[str, Any]]]) -> None:
    status, shown = get(to="2026-03-01")
    assert (status, shown["from"], shown["to"]) == (200, "2026-01-31", "2026-03-01")
    assert shown["totals"] == {"leads": 0, "deliveries": {}, "incomplete": 0}


def test_the_days_are_those_of_the_configured_time_zone(
    get: Callable[..., tuple[int, dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leadbridge.api.routes.stats.utc_now", lambda: datetime(2026, 3, 1, 22, 30, tzinfo=UTC))
    shown = get(days="7")[1]
    assert (shown["from"], shown["to"], shown["time_zone"]) == ("2026-02-24", "2026-03-02", "Europe/Kyiv")


def test_the_route_groups_by_outcome_or_campaign(
    get: Callable[..., tuple[int, dict[str, Any]]], store: LeadRepository
) -> None:
    some(store)
    assert {one["outcome"] for one in get(to="2026-03-01", by="outcome")[1]["outcomes"]} == {None, "approved", "issued"}
    assert len(get(to="2026-03-01", by="campaign")[1]["campaigns"]) == 2


@pytest.mark.parametrize(
    "query",
    [
        {"from_": "yesterday"},
        {"from_": "2026-03-02", "to": "2026-03-01"},
        {"from_": "2020-01-01"},
        {"day": "1"},
        {"days": "0"},
        {"days": "367"},
        {"by": "person"},
    ],
)
def test_an_invalid_query_is_answered_with_400(
    get: Callable[..., tuple[int, dict[str, Any]]], query: dict[str, str]
) -> None:
    assert get(**query)[0] == 400


def test_names_of_counters_with_other_parts_are_ignored(book: DailyStats, store: LeadRepository) -> None:
    some(store)
    names = ("d|lender|failed", "d|lender|failed||more", "t|s|30", "t|z||30", "c|x|l", "c|0|t|s|30", "future|1")
    cell = (TODAY.isoformat(), "web", MAIN)
    Table(aws.dynamodb(), TABLE).write(counter_write(cell, Counter(dict.fromkeys(names, 1)), 0))
    figures = book.between(TODAY, TODAY, with_campaigns=True)
    assert "lender" not in {partner for _, _, partner, _ in figures.deliveries}
    assert figures.leads.total() == 3

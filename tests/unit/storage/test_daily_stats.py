"""Counting leads by day, source, partner and state, and keeping the figures when the leads are gone."""

import json
from collections.abc import Callable
from datetime import date, timedelta
from types import ModuleType
from typing import Any

import pytest

from leadbridge.api.routes.stats import stats_view
from leadbridge.domain import delivery as steps
from leadbridge.domain.delivery import State
from leadbridge.domain.fetch import new_fetch
from leadbridge.domain.operator_steps import retry_by_operator
from leadbridge.domain.shards import SHARDS, shard_of
from leadbridge.runtime import aws
from leadbridge.settings import Settings
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.queries.daily_stats import DailyStats, TooManyLeads
from leadbridge.storage.table import Table
from quality.testkit.fakes.errors import some_error
from quality.testkit.fixtures import TABLE, Context
from quality.testkit.people import NOW, lead

TODAY = date(2026, 3, 1)
DAY = timedelta(days=1)


@pytest.fixture
def book(store: LeadRepository) -> DailyStats:
    return DailyStats(Table(aws.dynamodb(), TABLE))


def come(store: LeadRepository, number: int, *, days_ago: int, source: str = "web", fails: bool = False) -> None:
    one = lead(number, source=source, received_at=NOW - days_ago * DAY)
    store.accept(one, phone_hash=None)
    if fails:
        found = store.delivery(one.lead_id, "leadleader")
        assert found is not None
        store.apply(steps.fail(found, NOW, some_error("spent")))


def some(store: LeadRepository) -> None:
    come(store, 1, days_ago=0)
    come(store, 2, days_ago=0, fails=True)
    come(store, 3, days_ago=0, source="tilda")
    come(store, 4, days_ago=3)
    come(store, 5, days_ago=40)


def test_leads_are_counted_by_day_source_partner_and_state(book: DailyStats, store: LeadRepository) -> None:
    some(store)
    shown = stats_view(TODAY - 7 * DAY, TODAY, book.between(TODAY - 7 * DAY, TODAY, TODAY))
    assert shown["totals"] == {"leads": 4, "deliveries": {"failed": 1, "received": 3}, "incomplete": 0}
    assert {"day": "2026-03-01", "source": "web", "count": 2} in shown["leads"]
    counted = [tuple(one.values()) for one in shown["counts"]]
    assert ("2026-03-01", "web", "leadleader", "failed", 1) in counted
    assert ("2026-03-01", "tilda", "leadleader", "received", 1) in counted
    assert ("2026-02-26", "web", "leadleader", "received", 1) in counted
    assert sum(one["count"] for one in shown["counts"]) == 4


def test_a_lead_that_waits_to_be_fetched_counts_as_a_lead_without_deliveries(
    book: DailyStats, store: LeadRepository
) -> None:
    some(store)
    named = lead(9, source="meta-credit").model_copy(update={"partners": ()})
    waits = new_fetch(named.lead_id, named.source, {"leadgen_id": "9"}, NOW)
    store.accept(named, phone_hash=None, fetch=waits)
    shown = stats_view(TODAY - 7 * DAY, TODAY, book.between(TODAY - 7 * DAY, TODAY, TODAY))
    assert shown["totals"] == {"leads": 5, "deliveries": {"failed": 1, "received": 3}, "incomplete": 0}
    assert book.snapshot(TODAY + DAY) > 0


class Moving:
    """A client in which something happens after so many queries."""

    def __init__(self, after: int, happens: Callable[[], object]) -> None:
        self.client = aws.dynamodb()
        self.after, self.happens, self.queries = after, happens, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.client, name)

    def query(self, **asked: Any) -> Any:
        self.queries += 1
        answer = self.client.query(**asked)
        if self.queries == self.after:
            self.happens()
        return answer


def queries_before(lead_id: str) -> int:
    """The queries before those of the lead's shard: in each shard of all leads, and of each state."""
    return shard_of(lead_id) * (len(State) + 1)


@pytest.mark.parametrize("back", [False, True])
@pytest.mark.parametrize("after", range(1, len(State) + 2))
def test_delivery_that_moves_while_it_is_counted_is_counted_once(store: LeadRepository, after: int, back: bool) -> None:
    """It moves to a list that is read later, or to one that was read before."""
    come(store, 1, days_ago=0, fails=back)
    come(store, 2, days_ago=0)

    def move() -> None:
        found = store.delivery(lead(1).lead_id, "leadleader")
        assert found is not None
        if back:
            store.apply(retry_by_operator(found, NOW, "olena", is_confirmed=False))
        else:
            store.apply(steps.fail(found, NOW, some_error("spent")))

    client: Any = Moving(queries_before(lead(1).lead_id) + after, move)
    figures = DailyStats(Table(client, TABLE)).between(TODAY, TODAY, TODAY)
    assert client.queries == SHARDS * (len(State) + 2)
    assert (figures.leads.total(), figures.deliveries.total()) == (2, 2)


def test_without_look_ups_left_the_later_state_is_counted(
    store: LeadRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leadbridge.storage.queries.daily_stats.MAX_LOOKUPS", 0)
    come(store, 1, days_ago=0)
    found = store.delivery(lead(1).lead_id, "leadleader")
    assert found is not None
    before = queries_before(lead(1).lead_id)
    client: Any = Moving(before + 2, lambda: store.apply(steps.fail(found, NOW, some_error("spent"))))
    figures = DailyStats(Table(client, TABLE)).between(TODAY, TODAY, TODAY)
    assert figures.deliveries == {("2026-03-01", "web", "leadleader", "failed"): 1}


def test_both_ends_belong_to_the_question(book: DailyStats, store: LeadRepository) -> None:
    some(store)
    assert book.between(TODAY - 3 * DAY, TODAY - 3 * DAY, TODAY).leads.total() == 1
    assert book.between(TODAY - 2 * DAY, TODAY - DAY, TODAY).leads.total() == 0


def test_figures_outlive_the_leads(book: DailyStats, store: LeadRepository) -> None:
    some(store)
    book.snapshot(TODAY)
    before = book.between(TODAY - 20 * DAY, TODAY, TODAY)
    later = TODAY + 60 * DAY
    for number in (1, 2, 4):
        key = {"pk": {"S": f"LEAD#{lead(number).lead_id}"}, "sk": {"S": "LEAD"}}
        aws.dynamodb().delete_item(TableName=TABLE, Key=key)
    kept = book.between(TODAY - 20 * DAY, TODAY - DAY, later)
    assert kept.leads == {("2026-02-26", "web"): 1}
    assert kept.deliveries == {("2026-02-26", "web", "leadleader", "received"): 1}
    assert before.leads.total() == 4


def test_keeping_twice_counts_once(book: DailyStats, store: LeadRepository) -> None:
    some(store)
    for _ in range(3):
        assert book.snapshot(TODAY) == 35
    assert book.between(TODAY - 30 * DAY, TODAY, TODAY + 60 * DAY).leads.total() == 1


def test_a_question_that_would_read_too_much_is_not_answered(
    book: DailyStats, store: LeadRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leadbridge.storage.queries.daily_stats.MAX_PAGES", 3)
    with pytest.raises(TooManyLeads):
        book.between(TODAY, TODAY, TODAY)


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


@pytest.mark.parametrize(
    "query",
    [{"from_": "yesterday"}, {"from_": "2026-03-02", "to": "2026-03-01"}, {"from_": "2020-01-01"}, {"day": "1"}],
)
def test_a_question_that_cannot_be_answered_is_a_400(
    get: Callable[..., tuple[int, dict[str, Any]]], query: dict[str, str]
) -> None:
    assert get(**query)[0] == 400

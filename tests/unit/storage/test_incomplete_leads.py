"""Incomplete leads in the statistics, on the bus and in the alarm."""

from collections.abc import Callable
from datetime import date, timedelta
from types import ModuleType
from typing import Any

import pytest

from leadbridge.api.routes.stats import stats_view
from leadbridge.domain.errors.field_codes import FieldCode, FieldError
from leadbridge.domain.events import LeadIncomplete
from leadbridge.runtime import aws
from leadbridge.settings import Settings
from leadbridge.storage import items
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.queries.incomplete_leads import IncompleteLeads, Share
from leadbridge.storage.statistics.daily_stats import DailyStats
from leadbridge.storage.stream import event_of
from leadbridge.storage.table import Table
from quality.testkit.fixtures import TABLE, Context
from quality.testkit.people import NOW, lead
from quality.testkit.statistics import count_all

TODAY = date(2026, 3, 1)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
PROBLEMS = (
    FieldError("person.phone", FieldCode.NOT_A_PHONE, "a secret message"),
    FieldError("", FieldCode.NO_CONFIGURED_FIELD),
)


@pytest.fixture
def table(store: LeadRepository) -> Table:
    return Table(aws.dynamodb(), TABLE)


def come(store: LeadRepository, number: int, *, ago: timedelta = HOUR, source: str = "web", good: bool = False) -> None:
    one = lead(number, source=source, received_at=NOW - ago)
    if not good:
        one = one.model_copy(update={"partners": (), "problems": PROBLEMS, "answers": {"phone": "?"}})
    assert store.accept(one, phone_hash=None) is None


def test_incomplete_leads_are_counted_by_source_and_problem(store: LeadRepository, table: Table) -> None:
    come(store, 1)
    come(store, 2, source="tilda-credit")
    come(store, 3, ago=3 * DAY)
    come(store, 4, good=True)
    count_all(TABLE, NOW)
    shown = stats_view(TODAY - 7 * DAY, TODAY, DailyStats(table).between(TODAY - 7 * DAY, TODAY))
    assert shown["totals"] == {"leads": 4, "deliveries": {"received": 1}, "incomplete": 3}
    assert {"day": "2026-03-01", "source": "web", "count": 1} in shown["incomplete"]
    assert shown["problems"] == [
        {"source": "tilda-credit", "field": "", "code": "no_configured_field", "count": 1},
        {"source": "tilda-credit", "field": "person.phone", "code": "not_a_phone", "count": 1},
        {"source": "web", "field": "", "code": "no_configured_field", "count": 2},
        {"source": "web", "field": "person.phone", "code": "not_a_phone", "count": 2},
    ]


def test_the_counts_outlive_the_leads(store: LeadRepository, table: Table) -> None:
    come(store, 1, ago=2 * DAY)
    count_all(TABLE, NOW)
    for key in (items.incomplete_key(lead(1).lead_id), items.lead_key(lead(1).lead_id)):
        aws.dynamodb().delete_item(TableName=TABLE, Key=items.encode(key))
    figures = DailyStats(table).between(TODAY - 3 * DAY, TODAY)
    assert dict(figures.incomplete) == {("2026-02-27", "web"): 1}
    assert figures.problems["2026-02-27", "web", "person.phone not_a_phone"] == 1


@pytest.mark.parametrize(
    ("share", "jumped"),
    [
        (Share(2, 2), False),
        (Share(3, 3), True),
        (Share(3, 6, 0, 100), True),
        (Share(3, 7, 0, 100), True),
        (Share(3, 7, 30, 100), False),
        (Share(3, 16, 0, 100), False),
        (Share(30, 50, 60, 100), True),
    ],
)
def test_a_share_jumps_where_it_is_high_or_has_grown(share: Share, jumped: bool) -> None:
    assert share.has_jumped is jumped


def test_shares_compare_the_recent_hours_with_the_day_before(store: LeadRepository, table: Table) -> None:
    for number in range(4):
        come(store, number)
    come(store, 10, good=True)
    come(store, 11, ago=5 * HOUR)
    come(store, 12, ago=5 * HOUR, good=True)
    come(store, 13, ago=40 * HOUR)
    come(store, 14, source="tilda-credit")
    shares = IncompleteLeads(table).shares({"web", "tilda-credit"}, NOW)
    assert shares == {"web": Share(4, 5, 1, 2)}


def test_the_function_names_the_sources_that_have_jumped(
    store: LeadRepository,
    shipped_settings: Settings,
    function: Callable[[str], ModuleType],
    monkeypatch: pytest.MonkeyPatch,
    context: Context,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for number in range(4):
        come(store, number)
    app = function("detect_stale_sources")
    monkeypatch.setattr(app, "utc_now", lambda: NOW)
    assert app.handler({}, context)["incomplete"] == ["web"]
    assert '"IncompleteSources":[1.0]' in capsys.readouterr().out


def test_the_event_of_an_incomplete_lead_has_fields_and_codes_alone() -> None:
    one = lead().model_copy(update={"problems": PROBLEMS})
    record: dict[str, Any] = {"eventName": "INSERT", "dynamodb": {"NewImage": items.encode(items.incomplete_item(one))}}
    event = event_of(record, str)
    assert isinstance(event, LeadIncomplete)
    assert event.problems == ("person.phone not_a_phone", " no_configured_field")
    assert "secret" not in str(event.detail())
    changed = {
        **record,
        "eventName": "MODIFY",
        "dynamodb": {**record["dynamodb"], "OldImage": record["dynamodb"]["NewImage"]},
    }
    assert event_of(changed, str) is None

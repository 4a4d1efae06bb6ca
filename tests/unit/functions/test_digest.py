"""The daily digest: its figures agree with a recount, in three languages, once a day, with bounded reads."""

import json
import re
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from types import ModuleType
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from leadbridge.domain import delivery as steps
from leadbridge.domain.statuses.status_change import change_status
from leadbridge.runtime import aws
from leadbridge.services.alerts.digest import cap_windows, due_digest, full_caps, waiting_texts
from leadbridge.services.alerts.words import LANGUAGES
from leadbridge.settings import Settings
from leadbridge.storage.leads import LeadRepository
from quality.testkit.fakes.errors import some_error
from quality.testkit.fixtures import TABLE, Context, Time, queue
from quality.testkit.people import lead
from quality.testkit.statistics import count_all, every_item

DAY = date(2026, 3, 1)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MORNING = datetime(2026, 3, 2, 7, 5, tzinfo=UTC)  # 09:05 in Kyiv


@pytest.fixture
def app(
    store: LeadRepository,
    shipped_settings: Settings,
    function: Callable[[str], ModuleType],
    monkeypatch: pytest.MonkeyPatch,
    time: Time,
) -> ModuleType:
    time.now = MORNING
    monkeypatch.setenv("QUEUE_URL", queue("alerts"))
    monkeypatch.setenv("DEAD_LETTER_QUEUES", json.dumps({"messages": queue("dead")}))
    app = function("send_alert")
    monkeypatch.setattr(app, "utc_now", time)
    return app


def fill(store: LeadRepository) -> None:
    """Leads of two days of each source and of every end; and one before the month."""
    number = 0
    for age in (0, 3, 20, 45):
        for source, ends in {
            "web": ["approved", "issued", "failed", ""],
            "tilda-credit": ["declined", "failed"],
        }.items():
            for end in ends:
                number += 1
                received = NOON - timedelta(days=age)
                one = lead(number, source=source, received_at=received)
                store.accept(one, phone_hash=None)
                found = store.delivery(one.lead_id, "leadleader")
                assert found is not None
                if end == "failed":
                    store.apply(steps.fail(found, received, some_error("spent")))
                elif end:
                    found = store.apply(steps.start_attempt(found, received, timedelta(minutes=1)))
                    found = store.apply(steps.confirm(found, received, number, is_followed=True))
                    store.apply(change_status(found, received, "x", outcome=end, final=False, is_followed=True))
    count_all(TABLE, NOON)


def recount(days: int) -> dict[str, int]:
    """The figures of the last days up to the digest's, from the items of the leads."""
    first = (DAY - timedelta(days=days - 1)).isoformat()
    found: Counter[str] = Counter()
    by_lead = {item["pk"]: item for item in every_item(TABLE) if item["sk"] == "LEAD"}
    for item in every_item(TABLE):
        owner = by_lead.get(item["pk"])
        if owner is None or not first <= owner["received_at"][:10] <= DAY.isoformat():
            continue
        if item["sk"] == "LEAD":
            found["leads"] += 1
            found[owner["source"]] += 1
        elif item["sk"].startswith("DELIVERY#"):
            found[item["state"]] += 1
            found["approved"] += item.get("outcome") in {"approved", "issued", "active"}
            found["issued"] += item.get("outcome") in {"issued", "active"}
    return found


def numbers(text: str) -> list[int]:
    return [int(one) for one in re.findall(r"\d+", text)]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_figures_agree_with_a_recount(
    app: ModuleType, store: LeadRepository, monkeypatch: pytest.MonkeyPatch, language: str, shipped_settings: Settings
) -> None:
    fill(store)
    aws.sqs().send_message(QueueUrl=queue("dead"), MessageBody="{}")
    alerts = shipped_settings.alerts.model_copy(update={"language": language})
    monkeypatch.setattr(app, "settings", lambda: shipped_settings.model_copy(update={"alerts": alerts}))
    notice = app.digest(DAY)
    head, leads, figures, week, attention = notice.text.splitlines()
    day, seven, ever = recount(1), recount(7), recount(1000)
    assert "01.03.2026" in head
    assert "web 4, tilda-credit 2" in leads
    assert numbers(leads) == [day["leads"], day["web"], day["tilda-credit"]]
    assert numbers(figures) == [day["submitted"], day["approved"], day["issued"], 0]
    assert numbers(week) == [7, seven["leads"], seven["submitted"], seven["approved"], seven["issued"]]
    assert numbers(attention) == [ever["failed"], 0, 0, 1]
    assert ever["failed"] > seven["failed"] > day["failed"] > 0
    assert notice.notice_id == "digest-2026-03-01"
    assert not re.search(r"\+380|@", notice.text)


def test_a_digest_is_queued_in_its_hours_and_sent_once(
    app: ModuleType, store: LeadRepository, context: Context, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    published: list[str] = []
    monkeypatch.setattr(app, "publish", lambda subject, text: published.append(text))
    monkeypatch.setattr(app, "targets", list)
    for minutes in range(0, 24 * 60, 15):
        time.now = datetime(2026, 3, 2, tzinfo=UTC) + timedelta(minutes=minutes)
        app.handler({"source": "aws.events"}, context)
    received = []
    while found := aws.sqs().receive_message(QueueUrl=queue("alerts"), MaxNumberOfMessages=10).get("Messages"):
        for one in found:
            aws.sqs().delete_message(QueueUrl=queue("alerts"), ReceiptHandle=one["ReceiptHandle"])
        received += [json.loads(one["Body"]) for one in found]
    assert received == [{"digest": "2026-03-01"}] * 8
    for number, body in enumerate(received):
        record = {"messageId": f"m{number}", "receiptHandle": "r", "body": json.dumps(body)}
        assert app.handler({"Records": [record]}, context) == {"batchItemFailures": []}
    assert len(published) == 1


@pytest.mark.parametrize(
    ("zone", "at", "now", "day"),
    [
        ("Europe/Kyiv", time(9), datetime(2026, 3, 2, 6, 59, tzinfo=UTC), None),
        ("Europe/Kyiv", time(9), datetime(2026, 3, 2, 7, tzinfo=UTC), date(2026, 3, 1)),
        ("Europe/Kyiv", time(9), datetime(2026, 7, 2, 6, tzinfo=UTC), date(2026, 7, 1)),
        ("Europe/Kyiv", time(9), datetime(2026, 3, 2, 9, tzinfo=UTC), None),
        ("Asia/Kolkata", time(9, 30), datetime(2026, 3, 2, 4, tzinfo=UTC), date(2026, 3, 1)),
        ("Pacific/Auckland", time(8), datetime(2026, 3, 1, 19, tzinfo=UTC), date(2026, 3, 1)),
    ],
)
def test_the_time_is_local_and_so_is_the_last_whole_day(
    shipped_settings: Settings, zone: str, at: time, now: datetime, day: date | None
) -> None:
    digest = shipped_settings.alerts.digest.model_copy(update={"at": at})
    configured = shipped_settings.alerts.model_copy(update={"time_zone": zone, "digest": digest})
    assert due_digest(configured, now) == day
    off = configured.model_copy(update={"digest": digest.model_copy(update={"on": False})})
    assert due_digest(off, now) is None


@given(
    at=st.times().map(lambda one: one.replace(second=0, microsecond=0)),
    zone=st.sampled_from(["UTC", "Europe/Kyiv", "Asia/Kolkata", "Pacific/Auckland", "Pacific/Kiritimati", "US/Hawaii"]),
    phase=st.integers(0, 14 * 60 + 59),
    start=st.dates(date(2026, 1, 5), date(2026, 12, 20)),
)
@hypothesis_settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_each_digest_is_due_whatever_its_time(
    shipped_settings: Settings, at: time, zone: str, phase: int, start: date
) -> None:
    digest = shipped_settings.alerts.digest.model_copy(update={"at": at})
    configured = shipped_settings.alerts.model_copy(update={"time_zone": zone, "digest": digest})
    first = datetime.combine(start, time(), UTC) + timedelta(seconds=phase)
    found: dict[date, list[datetime]] = {}
    for tick in range(3 * 96):
        now = first + timedelta(minutes=15 * tick)
        day = due_digest(configured, now)
        if day is not None:
            assert day < now.astimezone(ZoneInfo(zone)).date(), "the day is over"
            found.setdefault(day, []).append(now)
    days = sorted(found)
    assert len(days) >= 2
    assert any(len(ticks) == 8 for ticks in found.values())


def test_caps_that_were_reached_are_named(app: ModuleType, store: LeadRepository, shipped_settings: Settings) -> None:
    partner = shipped_settings.partners["leadleader"]
    intake: Any = type("Intake", (), {"caps": {"per_hour": 2, "per_day": 5, "total": 9}})()
    capped: Any = type("Partner", (), {"intake": intake, "time_zone": partner.time_zone})()
    windows = cap_windows({"lender": capped}, DAY, "UTC")
    assert len(windows["lender"]) == 26
    counts = {"2026-03-01T10": 2, "2026-03-01T11": 2, "2026-03-01T12": 1, DAY.isoformat(): 5, "total": 8}
    assert full_caps(windows, {"lender": counts}) == ["lender per_day 5", "lender per_hour 2 ×2"]


def test_the_number_of_reads_does_not_depend_on_the_leads(app: ModuleType, store: LeadRepository) -> None:
    app.digest(DAY)
    few = reads(app)
    fill(store)
    assert reads(app) == few


def reads(app: ModuleType) -> int:
    calls: list[str] = []
    events = aws.dynamodb().meta.events
    events.register("before-call.dynamodb", lambda model, **_: calls.append(model.name), unique_id="count")
    try:
        app.digest(DAY)
    finally:
        events.unregister("before-call.dynamodb", unique_id="count")
    return len(calls)


def test_a_number_that_is_not_counted_to_its_end_says_so() -> None:
    assert waiting_texts({"failed": 999, "unknown": 1000, "incomplete": 0}, 1000) == {
        "failed": "999",
        "unknown": "1000+",
        "incomplete": "0",
    }

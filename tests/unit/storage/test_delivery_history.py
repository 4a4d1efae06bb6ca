"""A delivery's newest timeline entries are in its own item, and a change that is one write survives a lost answer."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError
from hypothesis import given, settings
from hypothesis import strategies as st

from leadbridge.domain import delivery as steps
from leadbridge.domain.delivery import Change, Delivery, State
from leadbridge.domain.errors.error_codes import ErrorCode, ErrorInfo
from leadbridge.domain.transitions import Conflict
from leadbridge.runtime import aws
from leadbridge.runtime.aws_errors import Contended
from leadbridge.storage import items
from leadbridge.storage.erasure.eraser import Eraser
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.links import MAX_HISTORY
from leadbridge.storage.table import Query, Table
from quality.testkit.aws.capacity import size
from quality.testkit.fixtures import TABLE
from quality.testkit.people import lead

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
LEAD = lead(1)
QUOTE = ErrorInfo(ErrorCode.REJECTED, "the partner quotes Прикладенко", {"fields": ["person.phone"]})


class LosesAnswers:
    """A client of DynamoDB that makes each write, and loses its answer where `lost` says so."""

    def __init__(self, *lost: bool) -> None:
        self.lost: Iterator[bool] = iter(lost)

    def __getattr__(self, name: str) -> Any:
        real = getattr(aws.dynamodb(), name)

        def call(**parameters: Any) -> Any:
            try:
                return real(**parameters)
            finally:
                if next(self.lost, False):
                    raise ReadTimeoutError(endpoint_url="aws")

        return call


@pytest.fixture(autouse=True)
def no_pauses(store: LeadRepository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)


def accepted(store: LeadRepository) -> Delivery:
    assert store.accept(LEAD, phone_hash=None) is None
    return current(store)


def current(store: LeadRepository) -> Delivery:
    found = store.delivery(LEAD.lead_id, "leadleader")
    assert found is not None
    return found


def losing(*lost: bool) -> LeadRepository:
    client: Any = LosesAnswers(*lost)
    return LeadRepository(Table(client, TABLE))


def applied(store: LeadRepository, change: Change) -> bool:
    try:
        store.apply(change)
    except Conflict:
        return False
    return True


@pytest.mark.parametrize("times", [1, 2, 5])
def test_an_attempt_whose_written_answer_is_lost_starts_once(store: LeadRepository, times: int) -> None:
    begun = losing(*[True] * times).apply(steps.start_attempt(accepted(store), NOW, MINUTE))
    assert (begun.state, begun.version) == (State.SUBMITTING, 2)
    assert current(store) == begun
    assert [one.entry.what for one in current(store).history] == ["submitting"]


@settings(max_examples=20, deadline=None)
@given(lost=st.lists(st.lists(st.booleans(), max_size=4), min_size=2, max_size=3))
def test_of_workers_that_start_the_same_attempt_one_may_create(lost: list[list[bool]]) -> None:
    """Their clocks agree to the millisecond, so nothing but the `write_id` tells their items apart."""
    for item in Table(aws.dynamodb(), TABLE).query(Query("pk = :pk", {":pk": f"LEAD#{LEAD.lead_id}"}), limit=100):
        aws.dynamodb().delete_item(TableName=TABLE, Key=items.encode({"pk": item["pk"], "sk": item["sk"]}))
    waiting = accepted(losing())
    started = [applied(losing(*answers), steps.start_attempt(waiting, NOW, MINUTE)) for answers in lost]
    assert started == [True] + [False] * (len(lost) - 1)


def test_a_write_whose_answers_are_all_lost_is_not_taken_for_made(
    store: LeadRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting, now = accepted(store), [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    with pytest.raises(Contended):
        losing(*[True] * 1000).apply(steps.start_attempt(waiting, NOW, MINUTE))
    with pytest.raises(Conflict):
        store.apply(steps.start_attempt(waiting, NOW, MINUTE))


@pytest.mark.parametrize("aws_engine", ["memory"], indirect=True)  # moto copies the table for each write
def test_a_hundred_retries_stay_in_the_timeline_and_outside_of_the_item(store: LeadRepository) -> None:
    delivery, sizes, expected = accepted(store), [], ["received"]
    for number in range(100):
        now = NOW + number * MINUTE
        delivery = store.apply(steps.start_attempt(delivery, now, MINUTE))
        delivery = store.apply(steps.schedule_retry(delivery, now + MINUTE / 2, QUOTE, MINUTE))
        expected += ["submitting", "attempt_failed"]
        assert len(current(store).history) <= MAX_HISTORY
        sizes.append(size(items.encode(items.delivery_item(current(store)))))
    journey = store.journey(LEAD.lead_id)
    assert journey is not None
    assert [entry.what for entry in journey.timeline] == expected
    assert [entry.at for entry in journey.timeline] == sorted(entry.at for entry in journey.timeline)
    assert max(sizes) < 4096


def test_an_erasure_takes_quotations_from_the_history(store: LeadRepository) -> None:
    begun = store.apply(steps.start_attempt(accepted(store), NOW, MINUTE))
    store.apply(steps.reject(begun, NOW, QUOTE))
    Eraser(Table(aws.dynamodb(), TABLE)).erase(LEAD.lead_id, "olena", NOW + MINUTE)
    journey = store.journey(LEAD.lead_id)
    assert journey is not None
    assert [(one.what, one.detail, dict(one.data)) for one in journey.timeline] == [
        ("received", None, {}),
        ("submitting", None, {}),
        ("rejected", None, {}),
        ("erased", "by olena", {"operator": "olena"}),
    ]
    stored = Table(aws.dynamodb(), TABLE).get(items.delivery_key(LEAD.lead_id, "leadleader"))
    assert "Прикладенко" not in str(stored)

"""The nightly comparison of the statistics with the leads."""

import dataclasses
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import patch

import pytest

from leadbridge.domain import delivery as steps
from leadbridge.runtime import aws
from leadbridge.runtime.aws_errors import Contended
from leadbridge.settings import self_check
from leadbridge.storage.erasure.eraser import Eraser
from leadbridge.storage.items import delivery_item, delivery_key, lead_key
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.statistics.counted import counted_key
from leadbridge.storage.statistics.reconciliation import AGES, SETTLED_AFTER, Reconciled, Reconciler
from leadbridge.storage.table import Table
from leadbridge.storage.writes import put
from quality.testkit.aws.memory_dynamodb import MemoryDynamoDB
from quality.testkit.fakes.errors import some_error
from quality.testkit.fixtures import TABLE
from quality.testkit.memory_aws.calls import Refused
from quality.testkit.people import NOW, lead
from quality.testkit.statistics import count_all, counts_of, every_item, expected_counts

DAY = timedelta(days=1)


@pytest.fixture
def aws_engine() -> str:
    """The contract of the repositories is tested elsewhere; this takes moto minutes."""
    return "memory"


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    """Set the clock by which items expire."""

    def set_clock(moment: datetime) -> None:
        monkeypatch.setattr("leadbridge.storage.writes.time.time", moment.timestamp)

    set_clock(NOW - 40 * DAY)
    return set_clock


def come(store: LeadRepository, number: int, days_ago: int = 1) -> None:
    one = lead(number, received_at=NOW - days_ago * DAY).model_copy(update={"campaign": "spring"})
    store.accept(one, phone_hash=None)


def fail(store: LeadRepository, number: int) -> None:
    found = store.delivery(lead(number).lead_id, "leadleader")
    assert found is not None
    store.apply(steps.fail(found, NOW, some_error("spent")))


def run(now: datetime = NOW, *, pages: int = 10_000) -> Reconciled:
    left = iter(range(pages))
    return Reconciler(Table(aws.dynamodb(), TABLE)).run(now, lambda: next(left, None) is not None)


def is_exact() -> bool:
    return counts_of(TABLE) == expected_counts(every_item(TABLE))


@pytest.mark.usefixtures("at")
def test_what_the_stream_lost_is_corrected_and_returned_once(store: LeadRepository) -> None:
    come(store, 1)
    count_all(TABLE, NOW)
    come(store, 2)
    fail(store, 1)
    done = run()
    assert done.corrections == {"2026-02-28": 2}
    assert done.differences == {"2026-02-28": {"web l": 1, "web d|leadleader|failed|": 1}}
    assert is_exact()
    again = run(NOW + DAY)
    assert (again.leads, again.corrections.total()) == (2, 0)


@pytest.mark.usefixtures("at")
def test_the_test_lead_of_a_deployment_is_no_difference(store: LeadRepository) -> None:
    one = lead(1, received_at=NOW - DAY).model_copy(update={"source": self_check.SOURCE})
    store.accept(one, phone_hash=None)
    done = run()
    assert (done.leads, done.corrections.total()) == (1, 0)
    assert "COUNTED" not in {item["sk"] for item in every_item(TABLE)}
    assert counts_of(TABLE) == {}


@pytest.mark.usefixtures("at")
def test_a_difference_of_versions_alone_is_ignored(store: LeadRepository) -> None:
    come(store, 1)
    fail(store, 1)
    count_all(TABLE, NOW)
    found = store.delivery(lead(1).lead_id, "leadleader")
    assert found is not None
    again = dataclasses.replace(found, version=found.version + 1)
    Table(aws.dynamodb(), TABLE).write(put(delivery_item(again)))
    before = every_item(TABLE)
    assert run().corrections.total() == 0
    assert [one for one in every_item(TABLE) if one["pk"] != "STATS"] == before


def test_what_is_still_in_the_stream_is_not_corrected(store: LeadRepository, at: Callable[[datetime], None]) -> None:
    come(store, 1)
    count_all(TABLE, NOW)
    at(NOW - SETTLED_AFTER / 2)
    come(store, 2)
    fail(store, 1)
    assert run().corrections.total() == 0
    assert run(NOW + DAY).corrections.total() == 2
    assert is_exact()


def test_a_shorter_retention_does_not_hide_differences(
    store: LeadRepository, at: Callable[[datetime], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    come(store, 1)
    monkeypatch.setenv("RETENTION_DAYS", "60")
    assert run().corrections.total() == 1


@pytest.mark.usefixtures("at")
def test_only_some_days_are_compared(store: LeadRepository) -> None:
    for age in range(31):
        come(store, age, days_ago=age)
    done = run()
    assert done.leads == len(AGES)
    assert sorted(done.corrections) == sorted((NOW - age * DAY).date().isoformat() for age in AGES)


@pytest.mark.usefixtures("at")
def test_a_run_continues_where_the_one_before_ended(store: LeadRepository, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each shard of a day has several pages."""
    monkeypatch.setattr("leadbridge.storage.statistics.reconciliation.PAGE", 2)
    for number in range(60):
        come(store, number, days_ago=1 + number % 2)
    compared = 0
    for _ in range(300):
        done = run(pages=1)
        compared += done.leads
        if done.is_done:
            break
    assert done.is_done
    assert compared == 60, "each lead once"
    assert is_exact()
    assert run().leads == 0, "the night is done"
    assert run(NOW + DAY).leads > 0


@pytest.mark.usefixtures("at")
def test_a_lead_that_cannot_be_corrected_now_is_not_skipped(
    store: LeadRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leadbridge.storage.statistics.counted.RETRY_FOR", 0.01)
    come(store, 1)
    with (
        patch.object(MemoryDynamoDB, "_transact_write_items", side_effect=Refused("ThrottlingException")),
        pytest.raises(Contended),
    ):
        run()
    assert run().corrections.total() == 1
    assert is_exact()


@pytest.mark.usefixtures("at")
def test_what_was_corrected_before_an_error_is_in_the_result(store: LeadRepository) -> None:
    come(store, 1)
    come(store, 2, days_ago=2)
    done = Reconciled()
    with pytest.raises(ZeroDivisionError):
        Reconciler(Table(aws.dynamodb(), TABLE)).run(NOW, lambda: done.leads == 0 or bool(1 // 0), done)
    assert done.corrections == {"2026-02-28": 1}


@pytest.mark.usefixtures("at")
@pytest.mark.parametrize(
    ("key", "broken"),
    [
        (lambda lead_id: delivery_key(lead_id, "leadleader"), {"version": "one"}),
        (lead_key, {"received_at": None}),
        (counted_key, {"deliveries": {"leadleader": 1}}),
        (counted_key, {"lead_version": None}),
    ],
    ids=["delivery", "lead", "counted", "counted without a version"],
)
def test_an_unreadable_lead_does_not_end_the_comparison(
    store: LeadRepository, key: Callable[[str], dict[str, str]], broken: dict[str, Any]
) -> None:
    come(store, 1)
    count_all(TABLE, NOW)
    come(store, 2)
    come(store, 3, days_ago=2)
    (found,) = [one for one in every_item(TABLE) if one.items() >= key(lead(1).lead_id).items()]
    Table(aws.dynamodb(), TABLE).write(put(found | broken))
    done = run()
    assert done.unreadable == [lead(1).lead_id]
    assert done.is_done
    assert done.corrections == {"2026-02-28": 1, "2026-02-27": 1}


@pytest.mark.usefixtures("at")
def test_an_erased_lead_keeps_its_counts(store: LeadRepository) -> None:
    come(store, 1)
    count_all(TABLE, NOW)
    before = counts_of(TABLE)
    Eraser(Table(aws.dynamodb(), TABLE)).erase(lead(1).lead_id, "olena", NOW)
    run()
    after = counts_of(TABLE)
    (cell,) = before
    assert (after[cell]["l"], after[cell]["c|0|l"], after[cell]["d|leadleader|failed|"]) == (1, 1, 1)


@pytest.mark.usefixtures("at")
def test_an_erased_lead_that_was_never_counted_is_counted_without_its_campaign(store: LeadRepository) -> None:
    come(store, 1)
    Eraser(Table(aws.dynamodb(), TABLE)).erase(lead(1).lead_id, "olena", NOW)
    assert run().corrections.total() == 1
    (found,) = counts_of(TABLE).values()
    assert found == {"l": 1, "d|leadleader|failed|": 1}

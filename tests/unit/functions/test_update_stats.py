"""The function that counts the stream's records and compares the statistics at night."""

import json
from collections.abc import Callable
from datetime import timedelta
from types import ModuleType
from typing import Any

import pytest

from leadbridge.domain import delivery as steps
from leadbridge.runtime import aws
from leadbridge.runtime.aws_errors import Contended
from leadbridge.settings import self_check
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.statistics.counted import CountResult
from leadbridge.storage.table import Table
from leadbridge.storage.writes import put
from quality.testkit.aws.memory_dynamodb import memory_table
from quality.testkit.fixtures import TABLE, Context, queue
from quality.testkit.people import NOW, lead
from quality.testkit.statistics import counts_of, every_item
from quality.testkit.template import template
from quality.testkit.wiring import passes_stream_filter, stream_mappings

CELL = ("2026-03-01", "web", 0)
DONE: dict[str, list[Any]] = {"batchItemFailures": []}


@pytest.fixture
def app(store: LeadRepository, function: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setenv("DEAD_LETTER_QUEUE_URL", queue("dead"))
    found = function("update_stats")
    monkeypatch.setattr(found, "utc_now", lambda: NOW)
    return found


def records() -> list[dict[str, Any]]:
    return [one for one in memory_table(TABLE).take_records() if passes_stream_filter(one, "UpdateStats")]


def letters() -> list[dict[str, Any]]:
    answer = aws.sqs().receive_message(QueueUrl=queue("dead"), MaxNumberOfMessages=10)
    return [json.loads(message["Body"]) for message in answer.get("Messages", [])]


def test_the_records_of_a_lead_are_counted_as_one_change(
    app: ModuleType, store: LeadRepository, context: Context, capsys: pytest.CaptureFixture[str]
) -> None:
    store.accept(lead(1), phone_hash=None)
    store.accept(lead(2), phone_hash=None)
    found = records()
    assert len(found) == 4
    assert app.handler({"Records": found}, context) == DONE
    assert '"LeadsCounted":[2.0]' in capsys.readouterr().out
    assert counts_of(TABLE)[CELL] == {"l": 2, "d|leadleader|received|": 2}


def test_the_test_lead_of_a_deployment_is_not_counted(app: ModuleType, store: LeadRepository, context: Context) -> None:
    store.accept(lead(1).model_copy(update={"source": self_check.SOURCE}), phone_hash=None)
    before, found = every_item(TABLE), records()
    assert len(found) == 2
    assert app.handler({"Records": found}, context) == DONE
    assert every_item(TABLE) == before


@pytest.mark.parametrize(
    "broken",
    [
        {"Keys": {"pk": {"S": "x"}}, "NewImage": {"pk": {"S": "x"}}},
        {"Keys": {"pk": {"S": "x"}}, "NewImage": {"pk": {"S": "LEAD#x"}, "sk": {"S": "DELIVERY#y"}}},
        {"Keys": {"pk": {"S": "x"}}, "NewImage": {"pk": {"S": "LEAD#x"}, "sk": {"S": "LEAD"}, "campaign": {"X": 1}}},
    ],
)
@pytest.mark.filterwarnings("ignore:No application metrics")
def test_an_unreadable_record_is_set_aside_and_does_not_block_the_others(
    app: ModuleType, store: LeadRepository, context: Context, broken: dict[str, Any]
) -> None:
    store.accept(lead(1), phone_hash=None)
    poison = {"eventName": "INSERT", "dynamodb": {**broken, "SequenceNumber": "0"}}
    assert app.handler({"Records": [poison, *records()]}, context) == DONE
    assert counts_of(TABLE)[CELL]["l"] == 1
    (letter,) = letters()
    assert (letter["step"], letter["keys"]) == ("count", {"pk": {"S": "x"}})
    assert letter["reason_code"] == "record_invalid"


@pytest.mark.parametrize("broken", [{"deliveries": {"leadleader": 1}}, {"lead_version": None}])
def test_a_lead_whose_counted_item_is_unreadable_is_set_aside(
    app: ModuleType, store: LeadRepository, context: Context, broken: dict[str, Any]
) -> None:
    store.accept(lead(1), phone_hash=None)
    app.handler({"Records": records()}, context)
    (counted,) = [values for values in every_item(TABLE) if values["sk"] == "COUNTED"]
    Table(aws.dynamodb(), TABLE).write(put(counted | broken))
    for number in (1, 2):
        found = store.delivery(lead(number).lead_id, "leadleader")
        if found is None:
            store.accept(lead(number), phone_hash=None)
        else:
            store.apply(steps.start_attempt(found, NOW, timedelta(minutes=1)))
    assert app.handler({"Records": records()}, context) == DONE
    assert counts_of(TABLE)[CELL]["l"] == 2
    (letter,) = letters()
    assert letter["keys"]["pk"]["S"] == f"LEAD#{lead(1).lead_id}"


def test_the_retried_record_is_the_right_one_after_a_record_that_cannot_be_read(
    app: ModuleType, store: LeadRepository, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.accept(lead(1), phone_hash=None)
    found = records()
    poison = {"eventName": "INSERT", "dynamodb": {"Keys": {}, "NewImage": {"pk": {"S": "x"}}, "SequenceNumber": "0"}}

    def busy(changes: Any, *_: Any, **__: Any) -> Any:
        return CountResult(failed={*changes})

    monkeypatch.setattr(app.counted_leads(), "count", busy)
    failure = {"itemIdentifier": found[0]["dynamodb"]["SequenceNumber"]}
    assert app.handler({"Records": [poison, *found]}, context) == {"batchItemFailures": [failure]}


def test_the_first_record_of_a_lead_that_was_not_counted_is_retried(
    app: ModuleType, store: LeadRepository, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.accept(lead(1), phone_hash=None)
    store.accept(lead(2), phone_hash=None)
    found = records()
    count = app.counted_leads().count

    def busy(changes: Any, *about: Any, **more: Any) -> Any:
        result = count({lead(1).lead_id: changes[lead(1).lead_id]}, *about, **more)
        result.failed.add(lead(2).lead_id)
        return result

    monkeypatch.setattr(app.counted_leads(), "count", busy)
    first = next(one for one in found if lead(2).lead_id in one["dynamodb"]["Keys"]["pk"]["S"])
    failure = {"itemIdentifier": first["dynamodb"]["SequenceNumber"]}
    assert app.handler({"Records": found}, context) == {"batchItemFailures": [failure]}
    monkeypatch.undo()
    assert counts_of(TABLE)[CELL]["l"] == 1


def test_the_schedule_compares_and_reports_what_was_wrong(
    app: ModuleType,
    store: LeadRepository,
    context: Context,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("leadbridge.storage.writes.time.time", (NOW - timedelta(days=2)).timestamp)
    store.accept(lead(1, received_at=NOW - timedelta(days=1)), phone_hash=None)
    context.milliseconds = 240_000
    assert app.handler({}, context) == {"compared": 1, "corrected": 1, "is_done": True}
    assert '"StatsCorrected":[1.0]' in capsys.readouterr().out
    (line,) = [one for one in caplog.records if one.message == "statistics corrected"]
    assert (vars(line)["day"], vars(line)["leads"]) == ("2026-02-28", 1)


def test_what_was_corrected_before_an_error_is_reported(
    app: ModuleType,
    store: LeadRepository,
    context: Context,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("leadbridge.storage.writes.time.time", (NOW - timedelta(days=2)).timestamp)
    store.accept(lead(1, received_at=NOW - timedelta(days=1)), phone_hash=None)
    monkeypatch.setattr("leadbridge.storage.statistics.reconciliation.Reconciler._save", failing)
    context.milliseconds = 240_000
    with pytest.raises(Contended):
        app.handler({}, context)
    assert '"StatsCorrected":[1.0]' in capsys.readouterr().out


def failing(*_: object) -> None:
    raise Contended


@pytest.mark.filterwarnings("ignore:No application metrics")
def test_without_time_nothing_is_compared(app: ModuleType, store: LeadRepository, context: Context) -> None:
    context.milliseconds = 50_000
    assert app.handler({}, context) == {"compared": 0, "corrected": 0, "is_done": False}


def mapping() -> dict[str, Any]:
    (found,) = [properties for name, properties in stream_mappings() if name == "UpdateStats"]
    return found


def test_the_mapping_waits_for_a_minute_and_is_bounded() -> None:
    options = mapping()
    assert options["MaximumBatchingWindowInSeconds"] == 60
    assert options["BatchSize"] == 1000
    assert options["MaximumRetryAttempts"] == 10_000, "the age bounds the attempts: a fault of AWS may last for hours"
    assert 3600 < options["MaximumRecordAgeInSeconds"] < 24 * 3600
    assert options["BisectBatchOnFunctionError"] is True
    assert "OnFailure" in options["DestinationConfig"]
    assert template()["Resources"]["UpdateStats"]["Properties"]["Timeout"] > 120


def record(event: str, sk: str, new: dict[str, Any] | None = None, old: dict[str, Any] | None = None) -> dict[str, Any]:
    images = {"NewImage": new or {}, "OldImage": old or {}}
    return {"eventName": event, "dynamodb": {"Keys": {"pk": {"S": "LEAD#x"}, "sk": {"S": sk}}, **images}}


@pytest.mark.parametrize(
    ("one", "passes"),
    [
        (record("INSERT", "LEAD"), True),
        (record("INSERT", "DELIVERY#leadleader"), True),
        (record("MODIFY", "DELIVERY#leadleader"), True),
        (record("MODIFY", "LEAD", old={"awaits_fetch": {"BOOL": True}}), True),
        (record("MODIFY", "LEAD", new={"revision": {"N": "1"}}), True),
        (record("MODIFY", "LEAD", new={"expires_at": {"N": "1"}}), False),
        (record("REMOVE", "LEAD"), False),
        (record("REMOVE", "DELIVERY#leadleader"), False),
        (record("INSERT", "EVENT#x"), False),
        (record("INSERT", "MESSAGE#x"), False),
        (record("MODIFY", "COUNTED"), False),
        (record("INSERT", "INCOMPLETE"), False),
    ],
)
def test_only_records_that_may_change_a_count_start_the_function(one: dict[str, Any], passes: bool) -> None:
    assert passes_stream_filter(one, "UpdateStats") is passes

"""The stream's mapping as Lambda carries it out: a record that cannot be published holds up the others for a bound."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from types import ModuleType
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from leadbridge.domain.delivery import new_delivery
from leadbridge.runtime import aws
from leadbridge.settings import Settings
from leadbridge.storage import items
from quality.testkit.aws.aws_answers import aws_error
from quality.testkit.fixtures import Context, queue
from quality.testkit.people import NOW
from quality.testkit.template import template

Records = list[dict[str, Any]]
LONGEST_HOLD_UP = 3600  # seconds
LAMBDA_WAITS = 60  # seconds between two tries at most


def mapping_properties() -> dict[str, Any]:
    (event,) = template()["Resources"]["PublishChanges"]["Properties"]["Events"].values()
    found: dict[str, Any] = event["Properties"]
    return found


@dataclass
class Mapping:
    """One lane of a shard, as Lambda's guide describes it: records expire one by one, failed batches are halved.

    The guide leaves open whether a batch is halved whose first record is reported: `halves_reported`.
    """

    handler: Callable[[dict[str, Any], Any], dict[str, Any]]
    context: Context
    halves_reported: bool = True
    options: dict[str, Any] = field(default_factory=mapping_properties)
    now: float = 0.0
    discarded: list[str] = field(default_factory=list)
    invocations: int = 0

    def run(self, records: Records) -> None:
        """Take records that were all written at 0 to their end."""
        batches = [records]
        while batches:
            batches = self._halves(batches.pop(0)) + batches

    def _halves(self, batch: Records) -> list[Records]:
        """Try a batch until it is done with; what is left of it is returned when it is to be tried in parts."""
        retries = 0
        while retries <= self.options["MaximumRetryAttempts"]:
            if self.now > self.options["MaximumRecordAgeInSeconds"]:
                break
            left, has_failed = self._invoke(batch)
            if not left:
                return []
            retries = 0 if len(left) < len(batch) else retries + 1
            self.now += min(2**retries, LAMBDA_WAITS)
            if len(left) > 1 and (has_failed or self.halves_reported):
                return [left[: len(left) // 2], left[len(left) // 2 :]]
            batch = left
        self.discarded += [record["dynamodb"]["SequenceNumber"] for record in batch]
        return []

    def _invoke(self, batch: Records) -> tuple[Records, bool]:
        """What is left of a batch, and whether the function itself failed."""
        self.invocations += 1
        assert self.invocations < 10_000
        try:
            failures = self.handler({"Records": batch}, self.context)["batchItemFailures"]
        except ClientError:
            return batch, True
        numbers = [record["dynamodb"]["SequenceNumber"] for record in batch]
        return (batch[numbers.index(failures[0]["itemIdentifier"]) :] if failures else []), False


@dataclass
class Bus:
    """A bus that refuses the events of one lead, in one of the ways in which PutEvents refuses."""

    refuses: str
    code: str | None = None
    error: Exception | None = None
    published: set[str] = field(default_factory=set)

    def put_events(self, Entries: list[dict[str, Any]]) -> dict[str, Any]:
        if self.error and any(self.refuses in entry["Detail"] for entry in Entries):
            raise self.error
        refused = [self.refuses in entry["Detail"] for entry in Entries]
        self.published |= {
            entry["Detail"] for entry, is_refused in zip(Entries, refused, strict=True) if not is_refused
        }
        return {"Entries": [{"ErrorCode": self.code} if one else {"EventId": "e"} for one in refused]}


POISON = "ld_poison"
RECORDS = 40


def records() -> Records:
    found = []
    for number in range(RECORDS):
        lead_id = POISON if number == 13 else f"ld_{number:02d}"
        image = items.encode(items.delivery_item(new_delivery(lead_id, "leadleader", "web", NOW)))
        keys = {"pk": image["pk"], "sk": image["sk"]}
        change = {"SequenceNumber": str(number), "Keys": keys, "NewImage": image}
        found.append({"eventName": "INSERT", "dynamodb": {**change, "ApproximateCreationDateTime": NOW.timestamp()}})
    return found


@pytest.fixture
def lane(
    aws_mocked: None,
    shipped_settings: Settings,
    function: Callable[[str], ModuleType],
    context: Context,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[Bus], Mapping]:
    def make(bus: Bus) -> Mapping:
        monkeypatch.setattr(aws, "eventbridge", lambda: bus)
        monkeypatch.setenv("BUS_NAME", "leadbridge")
        monkeypatch.setenv("DEAD_LETTER_QUEUE_URL", queue("dead"))
        app = function("publish_changes")
        found = Mapping(app.handler, context)
        monkeypatch.setattr(app, "utc_now", lambda: NOW + timedelta(seconds=found.now))
        return found

    return make


def letters() -> list[str]:
    answer = aws.sqs().receive_message(QueueUrl=queue("dead"), MaxNumberOfMessages=10)
    return [message["Body"] for message in answer.get("Messages", [])]


def test_the_mapping_is_bounded_and_its_attempts_end_before_its_age() -> None:
    options = mapping_properties()
    assert 0 < options["MaximumRetryAttempts"] * LAMBDA_WAITS <= LONGEST_HOLD_UP
    assert LONGEST_HOLD_UP < options["MaximumRecordAgeInSeconds"] < 24 * 3600
    assert options["BisectBatchOnFunctionError"] is True
    assert options["ParallelizationFactor"] > 1
    assert "OnFailure" in options["DestinationConfig"]


@pytest.mark.filterwarnings("ignore:No application metrics")
@pytest.mark.parametrize("halves_reported", [True, False])
@pytest.mark.parametrize(
    "refusal",
    [
        {"code": "InternalFailure"},
        {"code": "ThrottlingException"},
        {"error": aws_error("ValidationException")},
    ],
    ids=["fails", "throttled", "invalid"],
)
def test_an_event_that_is_never_accepted_is_set_aside_alone_within_an_hour(
    lane: Callable[[Bus], Mapping], refusal: dict[str, Any], halves_reported: bool
) -> None:
    bus = Bus(POISON, **refusal)
    one = lane(bus)
    one.halves_reported = halves_reported
    one.run(records())
    said = letters()
    assert [*one.discarded, *said], "by Lambda or by the function"
    assert set(one.discarded) <= {"13"}, "no other record is discarded"
    assert all(POISON in letter for letter in said)
    assert len(bus.published) == RECORDS - 1
    assert one.now <= LONGEST_HOLD_UP


def test_an_event_that_the_bus_rejects_for_good_is_set_aside_at_once(lane: Callable[[Bus], Mapping]) -> None:
    bus = Bus(POISON, code="MalformedDetail")
    one = lane(bus)
    one.run(records())
    assert (one.discarded, one.now, one.invocations) == ([], 0, 1)
    assert len(bus.published) == RECORDS - 1
    (letter,) = letters()
    assert "MalformedDetail" in letter
    assert POISON in letter


def test_a_bus_that_is_away_for_a_quarter_of_an_hour_loses_nothing(lane: Callable[[Bus], Mapping]) -> None:
    bus = Bus("ld_", code="InternalFailure")
    one = lane(bus)
    invoke = one.handler

    def away_for_a_while(event: dict[str, Any], context: Any) -> dict[str, Any]:
        bus.refuses = "ld_" if one.now < 900 else "nothing"
        return invoke(event, context)

    one.handler = away_for_a_while
    one.run(records())
    assert one.discarded == []
    assert len(bus.published) == RECORDS


def test_a_call_that_aws_does_not_answer_fails_no_version(lane: Callable[[Bus], Mapping]) -> None:
    one = lane(Bus("ld_", error=ReadTimeoutError(endpoint_url="https://events")))
    answer = one.handler({"Records": records()}, one.context)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "0"}]}
    assert letters() == []


@dataclass
class BusyBus(Bus):
    """A bus that accepts one call of each two, and throttles the other one as a whole."""

    calls: int = 0

    def put_events(self, Entries: list[dict[str, Any]]) -> dict[str, Any]:
        self.calls += 1
        if self.calls % 2 == 0:
            raise aws_error("ThrottlingException")
        return super().put_events(Entries)


@pytest.mark.filterwarnings("ignore:No application metrics")
def test_old_records_are_retried_while_the_bus_throttles_some_calls(lane: Callable[[Bus], Mapping]) -> None:
    bus = BusyBus("nothing")
    one = lane(bus)
    one.now = 900
    one.run(records())
    assert letters() == []
    assert one.discarded == []
    assert len(bus.published) == RECORDS

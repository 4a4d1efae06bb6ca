"""The stream to the bus: every change that counts is told, and what the bus did not take comes again."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from types import ModuleType
from typing import Any

import pytest

from leadbridge.domain import delivery as steps
from leadbridge.domain.delivery import Delivery, new_delivery
from leadbridge.domain.events import DeliveryChanged, InvalidEvent, read_delivery_changed
from leadbridge.domain.repeats import wait_for_earlier_lead
from leadbridge.runtime import aws
from leadbridge.settings import Settings
from leadbridge.storage import items
from quality.testkit.fakes.errors import some_error
from quality.testkit.fixtures import Context, queue
from quality.testkit.people import NOW, lead
from quality.testkit.template import template

LEAD = lead()
NEW = new_delivery(LEAD.lead_id, "leadleader", "web", NOW)
HOUR = timedelta(hours=1)


def record(new: Any, old: Any = None, number: str = "1") -> dict[str, Any]:
    images = {"NewImage": items.encode(new)} | ({} if old is None else {"OldImage": items.encode(old)})
    return {
        "eventName": "INSERT" if old is None else "MODIFY",
        "dynamodb": {"SequenceNumber": number, "Keys": items.encode({"sk": new.get("sk")}), **images},
    }


def changed(before: Delivery, after: Delivery, number: str = "1") -> dict[str, Any]:
    return record(items.delivery_item(after), items.delivery_item(before), number)


class Bus:
    """A bus that keeps what it takes, and takes nothing whose number stands in `refuses`."""

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []
        self.refuses: set[int] = set()
        self.seen = 0

    def put_events(self, Entries: list[dict[str, Any]]) -> dict[str, Any]:
        assert len(Entries) <= 10
        answers: list[dict[str, str]] = []
        for entry in Entries:
            if self.seen in self.refuses:
                answers.append({"ErrorCode": "ThrottlingException"})
            else:
                self.taken.append(entry)
                answers.append({"EventId": "e"})
            self.seen += 1
        return {"Entries": answers, "FailedEntryCount": len(self.refuses)}


@pytest.fixture
def bus(monkeypatch: pytest.MonkeyPatch) -> Bus:
    fake = Bus()
    monkeypatch.setattr(aws, "eventbridge", lambda: fake)
    monkeypatch.setenv("BUS_NAME", "leadbridge")
    return fake


@pytest.fixture
def publish(
    bus: Bus, shipped_settings: Settings, function: Callable[[str], ModuleType], context: Context
) -> Callable[..., list[str]]:
    app = function("publish_changes")

    def handle(*records: dict[str, Any]) -> list[str]:
        failures = app.handler({"Records": list(records)}, context)["batchItemFailures"]
        return [failure["itemIdentifier"] for failure in failures]

    return handle


def test_a_new_lead_and_its_delivery_are_announced_without_the_person(
    publish: Callable[..., list[str]], bus: Bus
) -> None:
    assert (
        publish(
            record(items.lead_item(LEAD, phone_hash="h")),
            record(items.delivery_item(NEW), number="2"),
        )
        == []
    )
    assert [entry["DetailType"] for entry in bus.taken] == ["LeadReceived", "DeliveryChanged"]
    told = json.dumps(bus.taken, ensure_ascii=False)
    assert LEAD.lead_id in told
    for private in ("Прикладенко", "500000001", "3068208400", "olena@"):
        assert private not in told


def test_what_is_published_is_what_the_consumers_read(publish: Callable[..., list[str]], bus: Bus) -> None:
    publish(record(items.delivery_item(NEW)))
    entry = bus.taken[0]
    event = read_delivery_changed({"detail-type": entry["DetailType"], "detail": json.loads(entry["Detail"])})
    assert event == DeliveryChanged.of(None, NEW, "leadleader")


def test_a_put_off_look_is_no_announcement(publish: Callable[..., list[str]], bus: Bus) -> None:
    later = items.delivery_item(NEW) | {"due_at": "2026-03-02T00:00:00.000Z"}
    assert publish(record(later, items.delivery_item(NEW))) == []
    assert bus.taken == []


def test_a_rejected_event_is_retried_with_all_later_ones(publish: Callable[..., list[str]], bus: Bus) -> None:
    bus.refuses = {13, 17}
    records = [record(items.delivery_item(NEW), number=str(number)) for number in range(25)]
    assert publish(*records) == ["13"]


def test_an_unreadable_record_becomes_a_dead_letter_and_blocks_no_other(
    publish: Callable[..., list[str]], bus: Bus, monkeypatch: pytest.MonkeyPatch, aws_mocked: None
) -> None:
    url = queue("dead")
    monkeypatch.setenv("DEAD_LETTER_QUEUE_URL", url)
    broken = record({"sk": "DELIVERY#leadleader", "phone": "+380500000001"}, number="2")
    good = record(items.delivery_item(NEW), number="1")
    assert publish(good, broken, record(items.delivery_item(NEW), number="3")) == []
    assert len(bus.taken) == 2
    [letter] = aws.sqs().receive_message(QueueUrl=url)["Messages"]
    assert json.loads(letter["Body"])["keys"] == {"sk": {"S": "DELIVERY#leadleader"}}


def matches(event: DeliveryChanged) -> bool:
    pattern = template()["Resources"]["SubmitLeadLeaderRule"]["Properties"]["EventPattern"]["detail"]
    return all(event.detail()[name] in wanted for name, wanted in pattern.items())


def test_the_rule_takes_new_deliveries_to_the_queue_and_no_others() -> None:
    started = steps.start_attempt(NEW, NOW, HOUR).after
    waiting = steps.schedule_retry(started, NOW, some_error("away"), HOUR).after
    assert matches(DeliveryChanged.of(None, NEW, "leadleader"))
    assert not matches(DeliveryChanged.of(NEW, started, "leadleader"))
    assert not matches(DeliveryChanged.of(started, waiting, "leadleader")), "its message is in the queue already"
    assert not matches(
        DeliveryChanged.of(NEW, wait_for_earlier_lead(NEW, NOW, "ld_first", HOUR, due_after=HOUR).after, "leadleader")
    )
    assert not matches(
        DeliveryChanged.of(started, steps.confirm(started, NOW, 24, is_followed=True).after, "leadleader")
    )


@pytest.mark.parametrize(
    "envelope",
    [
        None,
        [],
        {},
        {"detail-type": "LeadReceived", "detail": {}},
        {"detail-type": "DeliveryChanged"},
        {
            "detail-type": "DeliveryChanged",
            "detail": {**DeliveryChanged.of(None, NEW, "leadleader").detail(), "schema_version": 2},
        },
        {
            "detail-type": "DeliveryChanged",
            "detail": {**DeliveryChanged.of(None, NEW, "leadleader").detail(), "state": "lost"},
        },
    ],
)
def test_an_event_that_is_none_of_ours_is_refused(envelope: Any) -> None:
    with pytest.raises(InvalidEvent):
        read_delivery_changed(envelope)


def test_a_field_added_later_is_ignored() -> None:
    detail = {**DeliveryChanged.of(None, NEW, "leadleader").detail(), "colour": "blue"}
    assert read_delivery_changed({"detail-type": "DeliveryChanged", "detail": detail}).lead_id == LEAD.lead_id


def test_the_event_of_an_unknown_partner_has_no_kind_and_no_rule_takes_it(
    publish: Callable[..., list[str]], bus: Bus
) -> None:
    gone = replace(NEW, partner="broker-z")
    assert publish(record(items.delivery_item(gone))) == []
    detail = json.loads(bus.taken[0]["Detail"])
    assert (detail["partner"], detail["kind"]) == ("broker-z", None)
    assert not matches(DeliveryChanged.of(None, gone, None))

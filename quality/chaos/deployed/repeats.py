"""Stream records, bus events, queue messages and schedules that are repeated, late, reordered or lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from devstack.deployment import ALIAS
from devstack.partners import kind_of
from devstack.scheduler import scheduled_event
from leadbridge.domain.events import DeliveryChanged, FetchChanged, LeadReceived, MessageChanged
from leadbridge.domain.feedback.events import PostbackChanged
from leadbridge.partners.registry import kind_named
from leadbridge.services.checks.batch import CheckBatch
from leadbridge.storage.stream import event_of
from quality.chaos.counters import Counters
from quality.chaos.deployed.target import Target

SCHEDULED = ("FindDue", "SyncAccounts", "UpdateStats", "DetectStaleSources")
PUBLISHED = ("LEAD", "DELIVERY#", "MESSAGE#", "FETCH", "FEEDBACK#")


@dataclass
class Repeats:
    """Repeats what was delivered before."""

    target: Target
    random: Random
    counters: Counters

    def queue_messages(self) -> None:
        """Repeat some leads' messages, now or late, in any order."""
        found = list(self._events())
        self.random.shuffle(found)
        for event in found:
            queue, body = self._addressed(event)
            if queue is not None:
                self.counters.add("queue messages sent again")
                self.target.stack.client("sqs").send_message(
                    QueueUrl=self.target.stores.queues[queue],
                    MessageBody=json.dumps(body),
                    DelaySeconds=self.random.choice([0, 0, 1, 5, 15]),
                )

    def bus_events(self) -> None:
        """Repeat some bus events, in any order."""
        found = list(self._events())
        self.random.shuffle(found)
        entries = [
            {
                "Source": "leadbridge",
                "DetailType": event.detail_type,
                "Detail": json.dumps(event.detail()),
                "EventBusName": self.target.outputs["BusName"],
            }
            for event in found[:10]
        ]
        if entries:
            self.counters.add("bus events sent again", len(entries))
            self.target.stack.client("events").put_events(Entries=entries)

    def stream_records(self) -> None:
        """Invoke publish_changes with repeated stream records, in any order."""
        records = [
            {
                "eventName": "INSERT",
                "dynamodb": {"Keys": {"pk": item["pk"], "sk": item["sk"]}, "NewImage": item, "SequenceNumber": str(n)},
            }
            for n, item in enumerate(self._items())
        ]
        self.random.shuffle(records)
        self.counters.add("stream records sent again", len(records))
        self.call("PublishChanges", {"Records": records})

    def lose_messages(self) -> None:
        """Delete a few messages from a queue."""
        sqs, url = self.target.stack.client("sqs"), self.random.choice(list(self.target.stores.queues.values()))
        for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=3).get("Messages", []):
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            self.counters.add("queue messages lost")

    def schedules(self, pool: Executor) -> list[Future[None]]:
        """Invoke scheduled functions twice at once."""
        struck = []
        for function in self.random.choices(SCHEDULED, [4, 3, 1, 1], k=3):
            for _ in range(2):
                self.counters.add("schedules overlapping")
                struck.append(pool.submit(self.call, function, scheduled_event()))
        return struck

    def call(self, function: str, event: dict[str, Any]) -> None:
        """Invoke a function and ignore its result."""
        names = self.target.stack.resources["AWS::Lambda::Function"]
        with suppress(BotoCoreError, ClientError):
            client = self.target.stack.client("lambda")
            client.invoke(FunctionName=f"{names[function]}:{ALIAS}", Payload=json.dumps(event))

    def _items(self) -> Iterator[dict[str, Any]]:
        """Some leads' items that the stream publishes."""
        with self.target.lock:
            some = self.random.sample(self.target.posted, min(5, len(self.target.posted)))
        dynamodb, table = self.target.stack.client("dynamodb"), self.target.stores.table
        for posted in some:
            found = dynamodb.query(
                TableName=table,
                KeyConditionExpression="pk = :pk",
                ExpressionAttributeValues={":pk": {"S": f"LEAD#{posted.lead_id}"}},
            )
            yield from (item for item in found["Items"] if item["sk"]["S"].startswith(PUBLISHED))

    def _events(self) -> Iterator[Any]:
        for item in self._items():
            event = event_of({"eventName": "INSERT", "dynamodb": {"NewImage": item}}, kind_of=kind_of)
            if event is not None:
                yield event

    def _addressed(self, event: Any) -> tuple[str | None, dict[str, Any]]:
        """The queue of an event, and the message."""
        envelope = {"source": "leadbridge", "detail-type": event.detail_type, "detail": event.detail()}
        match event:
            case DeliveryChanged() if self.random.random() < 0.3:
                return "checks", CheckBatch(event.partner, (event.lead_id,), at_once=True).body()
            case DeliveryChanged():
                return kind_named(event.kind or kind_of(event.partner)).queue, envelope
            case MessageChanged():
                return "messages", envelope
            case FetchChanged():
                return "fetch", envelope
            case PostbackChanged():
                return "feedback", envelope
            case LeadReceived() | _:
                return None, {}

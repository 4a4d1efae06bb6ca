"""Stream records, bus events, queue messages and schedules that are repeated, late, reordered or lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from devstack.deployment import ALIAS
from devstack.partners import kind_of
from devstack.scheduler import scheduled_event
from leadbridge.domain.events import DeliveryChanged, FetchChanged, MessageChanged
from leadbridge.domain.feedback.events import PostbackChanged
from leadbridge.partners.registry import kind_named
from leadbridge.services.checks.batch import CheckBatch
from leadbridge.storage.stream import event_of

if TYPE_CHECKING:
    from quality.chaos.deployed.stack import DeployedStack

SCHEDULED = ("FindDue", "SyncAccounts", "UpdateStats", "DetectStaleSources")
PUBLISHED = ("LEAD", "DELIVERY#", "MESSAGE#", "FETCH", "FEEDBACK#")
QUEUES: dict[type, str] = {MessageChanged: "messages", FetchChanged: "fetch", PostbackChanged: "feedback"}


@dataclass
class Repeats:
    """Repeats what was delivered before."""

    world: DeployedStack
    random: Random

    def queue_messages(self) -> None:
        """Repeat some leads' messages, now or late, in any order."""
        for event in self._events():
            queue, body = self._addressed(event)
            if queue is not None:
                self.world.counters.add("queue messages sent again")
                self.world.stores.sqs.send_message(
                    QueueUrl=self.world.stores.queues[queue],
                    MessageBody=json.dumps(body),
                    DelaySeconds=self.random.choice([0, 0, 1, 5, 15]),
                )

    def bus_events(self) -> None:
        """Repeat some bus events, in any order."""
        common = {"Source": "leadbridge", "EventBusName": self.world.outputs["BusName"]}
        entries = [
            {**common, "DetailType": event.detail_type, "Detail": json.dumps(event.detail())}
            for event in self._events()[:10]
        ]
        if entries:
            self.world.counters.add("bus events sent again", len(entries))
            self.world.stack.client("events").put_events(Entries=entries)

    def stream_records(self) -> None:
        """Invoke publish_changes with repeated stream records, in any order."""
        records: list[dict[str, Any]] = [
            {"Keys": {"pk": item["pk"], "sk": item["sk"]}, "NewImage": item, "SequenceNumber": str(number)}
            for number, item in enumerate(self._items())
        ]
        self.random.shuffle(records)
        self.world.counters.add("stream records sent again", len(records))
        self.call("PublishChanges", {"Records": [{"eventName": "INSERT", "dynamodb": one} for one in records]})

    def lose_messages(self) -> None:
        """Delete a few messages from a queue."""
        sqs, url = self.world.stores.sqs, self.random.choice(list(self.world.stores.queues.values()))
        for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=3).get("Messages", []):
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            self.world.counters.add("queue messages lost")

    def schedules(self, pool: Executor) -> list[Future[None]]:
        """Invoke scheduled functions twice at once."""
        chosen = self.random.choices(SCHEDULED, [4, 3, 1, 1], k=3)
        self.world.counters.add("schedules overlapping", 2 * len(chosen))
        return [pool.submit(self.call, function, scheduled_event()) for function in chosen for _ in range(2)]

    def call(self, function: str, event: dict[str, Any]) -> None:
        """Invoke a function and ignore its result."""
        names = self.world.stack.resources["AWS::Lambda::Function"]
        with suppress(BotoCoreError, ClientError):
            client = self.world.stack.client("lambda")
            client.invoke(FunctionName=f"{names[function]}:{ALIAS}", Payload=json.dumps(event))

    def _items(self) -> Iterator[dict[str, Any]]:
        """Some leads' items that the stream publishes."""
        posted = list(self.world.posted)
        for one in self.random.sample(posted, min(5, len(posted))):
            found = self.world.stores.dynamodb.query(
                TableName=self.world.stores.table,
                KeyConditionExpression="pk = :pk",
                ExpressionAttributeValues={":pk": {"S": f"LEAD#{one.lead_id}"}},
            )
            yield from (item for item in found["Items"] if item["sk"]["S"].startswith(PUBLISHED))

    def _events(self) -> list[Any]:
        """Some leads' events, in any order."""
        images = ({"eventName": "INSERT", "dynamodb": {"NewImage": item}} for item in self._items())
        events = [event for image in images if (event := event_of(image, kind_of=kind_of)) is not None]
        self.random.shuffle(events)
        return events

    def _addressed(self, event: Any) -> tuple[str | None, dict[str, Any]]:
        """The queue of an event, and the message."""
        envelope = {"source": "leadbridge", "detail-type": event.detail_type, "detail": event.detail()}
        if not isinstance(event, DeliveryChanged):
            return QUEUES.get(type(event)), envelope
        if self.random.random() < 0.3:
            return "checks", CheckBatch(event.partner, (event.lead_id,), at_once=True).body()
        return kind_named(event.kind or kind_of(event.partner)).queue, envelope

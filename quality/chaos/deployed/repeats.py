"""What comes twice, late, in another order, or never: stream records, bus events, queue messages, schedules."""

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
from devstack.scheduler import scheduled_event
from leadbridge.domain.events import DeliveryChanged, FetchChanged, LeadReceived, MessageChanged
from leadbridge.partners.registry import kind_named
from leadbridge.storage.stream import event_of
from quality.chaos.counters import Tally
from quality.chaos.deployed.world import World

SCHEDULED = ("FindDue", "SyncAccounts", "SnapshotStats", "DetectStaleSources")
TOLD = ("LEAD", "DELIVERY#", "MESSAGE#", "FETCH")


@dataclass
class Repeats:
    """Brings up what was told before, as stream, bus and queues may."""

    world: World
    random: Random
    tally: Tally

    def queue_messages(self) -> None:
        """Some leads' messages go to their workers once more, now or late, in any order."""
        found = list(self._events())
        self.random.shuffle(found)
        for event in found:
            queue, body = self._addressed(event)
            if queue is not None:
                self.tally.add("queue messages sent again")
                self.world.stack.client("sqs").send_message(
                    QueueUrl=self.world.stores.queues[queue],
                    MessageBody=json.dumps(body),
                    DelaySeconds=self.random.choice([0, 0, 1, 5, 15]),
                )

    def bus_events(self) -> None:
        """Some events go over the bus once more, in any order."""
        found = list(self._events())
        self.random.shuffle(found)
        entries = [
            {
                "Source": "leadbridge",
                "DetailType": event.detail_type,
                "Detail": json.dumps(event.detail()),
                "EventBusName": self.world.outputs["BusName"],
            }
            for event in found[:10]
        ]
        if entries:
            self.tally.add("bus events sent again", len(entries))
            self.world.stack.client("events").put_events(Entries=entries)

    def stream_records(self) -> None:
        """publish_changes is given records of changes that it has told of already, in any order."""
        records = [
            {
                "eventName": "INSERT",
                "dynamodb": {"Keys": {"pk": item["pk"], "sk": item["sk"]}, "NewImage": item, "SequenceNumber": str(n)},
            }
            for n, item in enumerate(self._items())
        ]
        self.random.shuffle(records)
        self.tally.add("stream records sent again", len(records))
        self.call("PublishChanges", {"Records": records})

    def lose_messages(self) -> None:
        """What waits in a queue at this moment is gone."""
        sqs, url = self.world.stack.client("sqs"), self.random.choice(list(self.world.stores.queues.values()))
        for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=3).get("Messages", []):
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            self.tally.add("queue messages lost")

    def schedules(self, pool: Executor) -> list[Future[None]]:
        """Schedules strike twice and thrice at once; what comes of it."""
        struck = []
        for function in self.random.choices(SCHEDULED, [4, 3, 1, 1], k=3):
            for _ in range(2):
                self.tally.add("schedules overlapping")
                struck.append(pool.submit(self.call, function, scheduled_event()))
        return struck

    def call(self, function: str, event: dict[str, Any]) -> None:
        """Call a function; whether it answers is its own affair."""
        names = self.world.stack.resources["AWS::Lambda::Function"]
        with suppress(BotoCoreError, ClientError):
            client = self.world.stack.client("lambda")
            client.invoke(FunctionName=f"{names[function]}:{ALIAS}", Payload=json.dumps(event))

    def _items(self) -> Iterator[dict[str, Any]]:
        """What the table holds of some leads, as the stream tells of it."""
        with self.world.lock:
            some = self.random.sample(self.world.posted, min(5, len(self.world.posted)))
        dynamodb, table = self.world.stack.client("dynamodb"), self.world.stores.table
        for posted in some:
            found = dynamodb.query(
                TableName=table,
                KeyConditionExpression="pk = :pk",
                ExpressionAttributeValues={":pk": {"S": f"LEAD#{posted.lead_id}"}},
            )
            yield from (item for item in found["Items"] if item["sk"]["S"].startswith(TOLD))

    def _events(self) -> Iterator[Any]:
        for item in self._items():
            event = event_of({"eventName": "INSERT", "dynamodb": {"NewImage": item}})
            if event is not None:
                yield event

    def _addressed(self, event: Any) -> tuple[str | None, dict[str, Any]]:
        """The queue that an event's message goes to, and the message."""
        envelope = {"source": "leadbridge", "detail-type": event.detail_type, "detail": event.detail()}
        match event:
            case DeliveryChanged() if self.random.random() < 0.3:
                return "checks", {"lead_id": event.lead_id, "partner": event.partner, "at_once": True}
            case DeliveryChanged():
                return kind_named(event.partner).queue, envelope
            case MessageChanged():
                return "messages", envelope
            case FetchChanged():
                return "fetch", envelope
            case LeadReceived() | _:
                return None, {}

"""Stream records and queue messages in transit: delivered once or twice, late, in any order, or never."""

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any

from leadbridge.runtime import aws
from quality.chaos.in_process.aws_faults import Throttling, fail_call
from quality.testkit.aws.moto_stack import MotoStack
from quality.testkit.fakes.workers import Make, Time, Worker
from quality.testkit.template import template
from quality.testkit.wiring import passes_stream_filter, workers


@dataclass
class QueueMessage:
    """A message in a queue. `visible_at` is its next delivery, `received` the number of deliveries."""

    queue: str
    function: str
    body: str
    visible_at: datetime
    name: str
    received: int = 0

    @property
    def lead_id(self) -> str | None:
        """The lead in the message, if it is about one."""
        body = json.loads(self.body)
        found: str | None = body.get("lead_id") or body.get("detail", {}).get("lead_id")
        return body["lead_ids"][0] if len(body.get("lead_ids", ())) == 1 else found


@dataclass
class Transit:
    """Everything between the table and a worker. While `bus_is_off`, the event bus accepts events and delivers none."""

    stack: MotoStack
    time: Time
    random: Random
    bus_is_off: bool = False
    records: list[dict[str, Any]] = field(default_factory=list)
    overwritten: list[tuple[str, str]] = field(default_factory=list)
    stats_records: list[dict[str, Any]] = field(default_factory=list)
    messages: list[QueueMessage] = field(default_factory=list)
    delays: dict[str, datetime] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def collect(self) -> None:
        """Read new stream records and queue messages."""
        records = self.stack.take_records()
        self.overwritten += filter(None, map(overwritten_step, records))
        self.records += [record for record in records if passes_stream_filter(record)]
        self.stats_records += [record for record in records if passes_stream_filter(record, "UpdateStats")]
        for queue, function in workers():
            for message in self.stack.receive(queue):
                body = message["Body"]
                self.add(queue, function, body, self.delays.pop(body, self.time.now))
                aws.sqs().delete_message(QueueUrl=self.stack.ref(queue), ReceiptHandle=message["ReceiptHandle"])

    def visible(self) -> list[QueueMessage]:
        """The messages that a worker can receive now."""
        return [message for message in self.messages if message.visible_at <= self.time.now]

    def call_aws(self, make: Make, worker: Worker, client: Any, operation: str, parameters: dict[str, Any]) -> Any:
        """A worker's call to AWS: it may be throttled, hide or delay a message, or reach a bus that is off."""
        plan = worker.fault_plan
        if isinstance(plan, Throttling) and plan.applies_to(worker, client.meta.service_model.service_name):
            worker.was_throttled = True
            return fail_call(make, client, operation, parameters, self.random)
        match operation:
            case "ChangeMessageVisibility" if parameters["ReceiptHandle"].startswith("message-"):
                for message in self.messages:
                    if message.name == parameters["ReceiptHandle"]:
                        message.visible_at = self.time.now + timedelta(seconds=parameters["VisibilityTimeout"])
                return {}
            case "SendMessage" if parameters.get("DelaySeconds"):
                parameters = dict(parameters)
                delay = timedelta(seconds=parameters.pop("DelaySeconds"))
                self.delays[parameters["MessageBody"]] = self.time.now + delay
            case "PutEvents" if self.bus_is_off:
                return {"FailedEntryCount": 0, "Entries": [{"EventId": "lost"} for _ in parameters["Entries"]]}
        return make(client, operation, parameters)

    def take(self, message: QueueMessage) -> None:
        """A worker receives the message and hides it for the visibility timeout."""
        message.received += 1
        seconds = template()["Resources"][message.queue]["Properties"]["VisibilityTimeout"]
        message.visible_at = self.time.now + timedelta(seconds=seconds)

    def add(self, queue: str, function: str, body: str, visible_at: datetime) -> QueueMessage:
        self.messages.append(QueueMessage(queue, function, body, visible_at, f"message-{next(self.numbers)}"))
        return self.messages[-1]

    def settle(self, message: QueueMessage, answer: Any) -> None:
        """Delete a message, or move it to the dead-letter queue, after its worker ended.

        `answer` is None if the worker failed.
        """
        is_done = answer is not None and not answer["batchItemFailures"]
        policy = template()["Resources"][message.queue]["Properties"].get("RedrivePolicy")
        if is_done or policy is None:  # without a policy it expires before it is visible again
            if message in self.messages:
                self.messages.remove(message)
        elif message.received >= int(policy["maxReceiveCount"]):
            letter = policy["deadLetterTargetArn"]["Fn::GetAtt"][0]
            aws.sqs().send_message(QueueUrl=self.stack.ref(letter), MessageBody=message.body)
            self.messages.remove(message)


def overwritten_step(record: dict[str, Any]) -> tuple[str, str] | None:
    """Return the lead and the delivery of a stream record that replaces a step, or leaves one out; None for any other.

    A delivery's item has its own newest steps, so the timeline does not show that a step was replaced.
    """
    before, after = (record["dynamodb"].get(name) for name in ("OldImage", "NewImage"))
    if before is None or after is None or not after["sk"]["S"].startswith("DELIVERY#"):
        return None
    old, new = int(before["version"]["N"]), int(after["version"]["N"])
    same = all(before.get(name) == after.get(name) for name in ("state", "history"))
    if new == old + 1 or (new == old and same):
        return None
    return after["lead_id"]["S"], f"{after['partner']['S']}: version {new} replaces version {old}"

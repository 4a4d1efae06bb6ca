"""Stream records and queue messages in transit: delivered once or twice, late, in any order, or never."""

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from leadbridge.runtime import aws
from quality.chaos.in_process.harness import Time
from quality.testkit.aws.moto_stack import MotoStack
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

    def event(self) -> dict[str, Any]:
        """Lambda's event."""
        record = {
            "messageId": self.name,
            "receiptHandle": self.name,
            "body": self.body,
            "attributes": {"ApproximateReceiveCount": str(self.received)},
            "eventSource": "aws:sqs",
        }
        return {"Records": [record]}


@dataclass
class Transit:
    """Everything between the table and a worker."""

    stack: MotoStack
    time: Time
    records: list[dict[str, Any]] = field(default_factory=list)
    overwritten: list[tuple[str, str]] = field(default_factory=list)
    stats_records: list[dict[str, Any]] = field(default_factory=list)
    messages: list[QueueMessage] = field(default_factory=list)
    delays: dict[str, datetime] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def collect(self) -> None:
        """Read new stream records and queue messages."""
        records = self.stack._records()
        self.overwritten += filter(None, map(overwritten_step, records))
        self.records += [record for record in records if passes_stream_filter(record)]
        self.stats_records += [record for record in records if passes_stream_filter(record, "UpdateStats")]
        for queue, function in workers():
            url = self.stack.ref(queue)
            while self.stack.has_messages(queue):
                for message in aws.sqs().receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
                    visible_at = self.delays.pop(message["Body"], self.time.now)
                    self._add(queue, function, message["Body"], visible_at)
                    aws.sqs().delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    def visible(self) -> list[QueueMessage]:
        """The messages that a worker can receive now."""
        return [message for message in self.messages if message.visible_at <= self.time.now]

    def hides(self, parameters: dict[str, Any]) -> bool:
        """Handle ChangeMessageVisibility of a message in transit."""
        for message in self.messages:
            if message.name == parameters["ReceiptHandle"]:
                message.visible_at = self.time.now + timedelta(seconds=parameters["VisibilityTimeout"])
        return str(parameters["ReceiptHandle"]).startswith("message-")

    def delay(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Note the delay of a sent message, and return the parameters without it: so the message is seen in transit."""
        seconds = parameters.get("DelaySeconds", 0)
        if seconds:
            self.delays[parameters["MessageBody"]] = self.time.now + timedelta(seconds=seconds)
        return {name: value for name, value in parameters.items() if name != "DelaySeconds"}

    def take(self, message: QueueMessage) -> None:
        """A worker receives the message and hides it for the visibility timeout."""
        message.received += 1
        seconds = template()["Resources"][message.queue]["Properties"]["VisibilityTimeout"]
        message.visible_at = self.time.now + timedelta(seconds=seconds)

    def copy(self, message: QueueMessage) -> QueueMessage:
        """A duplicate, visible now."""
        return self._add(message.queue, message.function, message.body, self.time.now)

    def _add(self, queue: str, function: str, body: str, visible_at: datetime) -> QueueMessage:
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

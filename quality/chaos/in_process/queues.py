"""What is on its way: stream records and queue messages, which come twice, late, in any order, or not at all."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from moto.sqs.models import sqs_backends

from leadbridge.runtime import aws
from quality.chaos.in_process.stage import Time
from quality.testkit.aws.moto_stack import ACCOUNT, REGION, MotoStack
from quality.testkit.template import template
from quality.testkit.wiring import is_told, workers

_numbers = itertools.count(1)


@dataclass
class Held:
    """A message of a queue, as SQS holds it: `visible_at` is when it comes (again), `received` how often it came."""

    queue: str
    function: str
    body: str
    visible_at: datetime
    received: int = 0
    number: int = field(default_factory=lambda: next(_numbers))

    @property
    def name(self) -> str:
        return f"held-{self.number}"

    @property
    def lead_id(self) -> str | None:
        """The lead that it is about, if it names one."""
        body = json.loads(self.body)
        found: str | None = body.get("lead_id") or body.get("detail", {}).get("lead_id")
        return found

    def event(self) -> dict[str, Any]:
        """What Lambda is called with."""
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
    """Everything that is between the table and a worker."""

    stack: MotoStack
    time: Time
    records: list[dict[str, Any]] = field(default_factory=list)
    messages: list[Held] = field(default_factory=list)

    def collect(self) -> None:
        """Take what was written to the stream and to the queues since."""
        self.records += [record for record in self.stack._records() if is_told(record)]
        for queue, function in workers():
            if not sqs_backends[ACCOUNT][REGION].queues[queue].messages:
                continue  # asked of moto itself, which is much quicker than to receive nothing
            url = self.stack.ref(queue)
            while found := aws.sqs().receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
                for message in found:
                    self.messages.append(Held(queue, function, message["Body"], self.time.now))
                    aws.sqs().delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    def visible(self) -> list[Held]:
        """The messages that a worker can be given now."""
        return [message for message in self.messages if message.visible_at <= self.time.now]

    def hides(self, parameters: dict[str, Any]) -> bool:
        """ChangeMessageVisibility of a message that is held here."""
        for message in self.messages:
            if message.name == parameters["ReceiptHandle"]:
                message.visible_at = self.time.now + timedelta(seconds=parameters["VisibilityTimeout"])
        return str(parameters["ReceiptHandle"]).startswith("held-")

    def take(self, message: Held) -> None:
        """A worker is given the message: others do not see it until its visibility runs out."""
        message.received += 1
        message.visible_at = self.time.now + timedelta(seconds=_property(message.queue, "VisibilityTimeout"))

    def copy(self, message: Held) -> Held:
        """The same message once more, for others to see while a worker has it."""
        copy = Held(message.queue, message.function, message.body, self.time.now)
        self.messages.append(copy)
        return copy

    def settle(self, message: Held, answer: Any) -> None:
        """The worker has ended, with this answer or none."""
        is_done = answer is not None and not answer["batchItemFailures"]
        if is_done and message in self.messages:
            self.messages.remove(message)
        elif not is_done and message.received >= int(_property(message.queue, "RedrivePolicy")["maxReceiveCount"]):
            letter = _property(message.queue, "RedrivePolicy")["deadLetterTargetArn"]["Fn::GetAtt"][0]
            aws.sqs().send_message(QueueUrl=self.stack.ref(letter), MessageBody=message.body)
            self.messages.remove(message)

    def is_empty(self) -> bool:
        """Whether nothing is on its way."""
        return not self.records and not self.messages


def _property(queue: str, name: str) -> Any:
    return template()["Resources"][queue]["Properties"][name]

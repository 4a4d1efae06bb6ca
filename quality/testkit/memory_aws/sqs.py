"""SQS in memory: standard queues. A receive call does not wait: nothing arrives meanwhile."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import md5
from itertools import count
from typing import Any

from quality.testkit.memory_aws.calls import ACCOUNT, REGION, Answer, MemoryService, Refused

MAX_BODY = 1024 * 1024  # bytes, of a message or of all messages of a batch
MAX_BATCH = 10
MAX_DELAY = 900  # seconds
MAX_VISIBILITY = 12 * 3600  # seconds after the receipt
DEFAULTS = {"MessageRetentionPeriod": "345600", "VisibilityTimeout": "30"}
NOT_ALLOWED = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

unix_seconds = time.time


@dataclass
class MemoryMessage:
    """A message. Times are Unix seconds."""

    message_id: str
    body: str
    sent_at: float
    delayed_until: float
    attributes: Mapping[str, Any]
    visible_at: float = 0.0
    first_received_at: float = 0.0
    received_at: float = 0.0
    received: int = 0

    def answer(self, receipt: str, asked: Mapping[str, Any]) -> Answer:
        """Return the message as a receive call answers it."""
        found = {"MessageId": self.message_id, "ReceiptHandle": receipt, "Body": self.body, "MD5OfBody": _md5(self)}
        system = {
            "SenderId": "AIDAIT2UOQQY3AUEKVGXU",
            "SentTimestamp": str(int(self.sent_at * 1000)),
            "ApproximateReceiveCount": str(self.received),
            "ApproximateFirstReceiveTimestamp": str(int(self.first_received_at * 1000)),
        }
        names = [*asked.get("AttributeNames", ()), *asked.get("MessageSystemAttributeNames", ())]
        return {
            **found,
            **_present("Attributes", _chosen(system, names)),
            **_present("MessageAttributes", _chosen(self.attributes, asked.get("MessageAttributeNames", ()))),
        }


@dataclass
class MemoryQueue:
    """A queue. `receipts` are those of all messages that were received, deleted ones too."""

    name: str
    attributes: dict[str, str]
    messages: dict[str, MemoryMessage] = field(default_factory=dict)
    receipts: dict[str, MemoryMessage] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{self.name}"

    @property
    def arn(self) -> str:
        return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{self.name}"

    def drop_expired(self) -> None:
        """Delete the messages that are older than the retention period."""
        oldest = unix_seconds() - int(self.attributes["MessageRetentionPeriod"])
        for message in [message for message in self.messages.values() if message.sent_at <= oldest]:
            del self.messages[message.message_id]

    def visible(self) -> list[MemoryMessage]:
        """The messages that can be received, oldest first."""
        self.drop_expired()
        now = unix_seconds()
        return [one for one in self.messages.values() if one.visible_at <= now and one.delayed_until <= now]

    def received(self, receipt: str) -> MemoryMessage:
        """The message of a receipt. Raises Refused."""
        if receipt not in self.receipts:
            raise Refused("ReceiptHandleIsInvalid", "The input receipt handle is invalid.")
        return self.receipts[receipt]


class MemorySqs(MemoryService):
    """The queues of one account."""

    def __init__(self) -> None:
        super().__init__()
        self.queues: dict[str, MemoryQueue] = {}
        self._numbers = count(1)

    def queue(self, name: str) -> MemoryQueue:
        """A queue by its name, which ends its URL and its ARN. Raises Refused."""
        if name not in self.queues:
            raise Refused("AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist.")
        return self.queues[name]

    def deliver(self, arn: str, body: str) -> None:
        """Put a message of another service into a queue."""
        with self._lock:
            self._sent(self.queue(arn.rpartition(":")[2]), {"MessageBody": body})

    def _create_queue(self, asked: Mapping[str, Any]) -> Answer:
        given = dict(asked.get("Attributes", {}))
        if unknown := given.keys() - DEFAULTS.keys():
            raise NotImplementedError(", ".join(unknown))
        found = self.queues.setdefault(asked["QueueName"], MemoryQueue(asked["QueueName"], {**DEFAULTS, **given}))
        if given.items() - found.attributes.items():
            raise Refused("QueueAlreadyExists", "A queue already exists with the same name and other attributes")
        return {"QueueUrl": found.url}

    def _get_queue_url(self, asked: Mapping[str, Any]) -> Answer:
        return {"QueueUrl": self.queue(asked["QueueName"]).url}

    def _get_queue_attributes(self, asked: Mapping[str, Any]) -> Answer:
        queue = self._of(asked)
        visible, now = len(queue.visible()), unix_seconds()
        delayed = sum(message.delayed_until > now for message in queue.messages.values())
        numbers = {"": visible, "Delayed": delayed, "NotVisible": len(queue.messages) - visible - delayed}
        values = {f"ApproximateNumberOfMessages{kind}": str(number) for kind, number in numbers.items()}
        values |= {"QueueArn": queue.arn, **queue.attributes}
        names = asked.get("AttributeNames", ())
        if unknown := {*names} - values.keys() - {"All"}:
            raise NotImplementedError(", ".join(unknown))
        return _present("Attributes", _chosen(values, names))

    def _send_message(self, asked: Mapping[str, Any]) -> Answer:
        return self._sent(self._of(asked), asked)

    def _send_message_batch(self, asked: Mapping[str, Any]) -> Answer:
        queue, entries = self._of(asked), asked["Entries"]
        code = "AWS.SimpleQueueService"
        if not entries:
            raise Refused(f"{code}.EmptyBatchRequest", "There should be at least one entry in the request.")
        if len(entries) > MAX_BATCH:
            raise Refused(f"{code}.TooManyEntriesInBatchRequest", f"You have sent {len(entries)} entries.")
        if len({entry["Id"] for entry in entries}) < len(entries):
            raise Refused(f"{code}.BatchEntryIdsNotDistinct", "An Id is repeated.")
        if sum(len(entry["MessageBody"].encode()) for entry in entries) > MAX_BODY:
            raise Refused(f"{code}.BatchRequestTooLong", f"Batch requests cannot be longer than {MAX_BODY} bytes.")
        answer: dict[str, list[Answer]] = {"Successful": [], "Failed": []}
        for entry in entries:
            try:
                answer["Successful"].append({"Id": entry["Id"], **self._sent(queue, entry)})
            except Refused as refused:
                failed = {"Id": entry["Id"], "SenderFault": True, "Code": refused.code, "Message": refused.message}
                answer["Failed"].append(failed)
        return {name: found for name, found in answer.items() if found}

    def _sent(self, queue: MemoryQueue, entry: Mapping[str, Any]) -> Answer:
        body, delay = entry["MessageBody"], entry.get("DelaySeconds", 0)
        if not body:
            raise Refused("MissingParameter", "The request must contain the parameter MessageBody.")
        if len(body.encode()) > MAX_BODY:
            raise Refused("InvalidParameterValue", f"Message must be shorter than {MAX_BODY} bytes.")
        if NOT_ALLOWED.search(body):
            raise Refused("InvalidMessageContents", "Invalid characters found.")
        if not 0 <= delay <= MAX_DELAY:
            raise Refused("InvalidParameterValue", f"Value {delay} for parameter DelaySeconds is invalid.")
        now = unix_seconds()
        message = MemoryMessage(self._next_id(), body, now, now + delay, entry.get("MessageAttributes", {}))
        queue.messages[message.message_id] = message
        return {"MessageId": message.message_id, "MD5OfMessageBody": _md5(message)}

    def _receive_message(self, asked: Mapping[str, Any]) -> Answer:
        queue, number = self._of(asked), asked.get("MaxNumberOfMessages", 1)
        if not 1 <= number <= MAX_BATCH:
            raise Refused("InvalidParameterValue", f"Value {number} for parameter MaxNumberOfMessages is invalid.")
        hidden = asked.get("VisibilityTimeout", int(queue.attributes["VisibilityTimeout"]))
        _check_visibility(hidden)
        now, found = unix_seconds(), []
        for message in queue.visible()[:number]:
            message.received += 1
            message.first_received_at = message.first_received_at or now
            message.received_at, message.visible_at = now, now + hidden
            receipt = self._next_id()
            queue.receipts[receipt] = message
            found.append(message.answer(receipt, asked))
        return _present("Messages", found)

    def _delete_message(self, asked: Mapping[str, Any]) -> Answer:
        queue = self._of(asked)
        queue.messages.pop(queue.received(asked["ReceiptHandle"]).message_id, None)
        return {}

    def _change_message_visibility(self, asked: Mapping[str, Any]) -> Answer:
        queue, seconds, now = self._of(asked), asked["VisibilityTimeout"], unix_seconds()
        message = queue.received(asked["ReceiptHandle"])
        _check_visibility(seconds)
        if message.message_id not in queue.messages:
            raise Refused("InvalidParameterValue", "Message does not exist or is not available for visibility change.")
        if now + seconds - message.received_at > MAX_VISIBILITY:
            raise Refused("InvalidParameterValue", "Total VisibilityTimeout for the message is beyond the limit.")
        message.visible_at = now + seconds
        return {}

    def _of(self, asked: Mapping[str, Any]) -> MemoryQueue:
        return self.queue(asked["QueueUrl"].rpartition("/")[2])

    def _next_id(self) -> str:
        return f"00000000-0000-4000-8000-{next(self._numbers):012x}"


def _md5(message: MemoryMessage) -> str:
    return md5(message.body.encode(), usedforsecurity=False).hexdigest()


def _check_visibility(seconds: int) -> None:
    if not 0 <= seconds <= MAX_VISIBILITY:
        raise Refused("InvalidParameterValue", f"Value {seconds} for parameter VisibilityTimeout is invalid.")


def _chosen(values: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """The values that a call asks for."""
    return {name: value for name, value in values.items() if name in names or "All" in names}


def _present(name: str, found: Any) -> Answer:
    """A member of an answer, left out if it is empty."""
    return {name: found} if found else {}

"""AWS in a run in one process: messages in transit, and throttling, conflicts and errors of its services.

Stream records and queue messages are delivered once or twice, late, in any order, or never. Errors are those that each
service returns after botocore's own retries.
"""

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any, Self

from leadbridge.runtime import aws
from quality.testkit.aws.memory_stack import MemoryStack
from quality.testkit.fakes.workers import FaultPlan, Make, Time, Worker
from quality.testkit.template import template
from quality.testkit.wiring import passes_stream_filter, workers

DYNAMODB, SQS, SECRETS, EVENTS = "dynamodb", "sqs", "secretsmanager", "events"
ALL_REMAINING = 1_000_000  # more calls than an invocation makes
SERVICES = {DYNAMODB: 7, SQS: 2, SECRETS: 1, EVENTS: 1}
FIRST = {DYNAMODB: 9, SQS: 3, SECRETS: 2, EVENTS: 1}  # the latest call of each service at which a fault may begin

THROUGHPUT, THROTTLING = "ProvisionedThroughputExceededException", "ThrottlingException"
CANCELED, IN_PROGRESS = "TransactionCanceledException", "TransactionInProgressException"
REASONS = ("ThrottlingError", "ProvisionedThroughputExceeded", "TransactionConflict")
READS = ((THROUGHPUT, 400), (THROTTLING, 400), ("InternalServerError", 500))
WRITES = (*READS, ("TransactionConflictException", 400), ("RequestLimitExceeded", 400))
ERRORS: dict[str, tuple[tuple[str, int], ...]] = {
    **dict.fromkeys(("PutItem", "UpdateItem", "DeleteItem"), WRITES),
    "TransactWriteItems": (*READS, (CANCELED, 400), (CANCELED, 400), (CANCELED, 400), (IN_PROGRESS, 400)),
    "TransactGetItems": (*READS, (CANCELED, 400)),
    DYNAMODB: READS,
    SQS: ((THROTTLING, 400), ("RequestThrottled", 403), ("KmsThrottled", 400), ("InternalError", 500)),
    SECRETS: ((THROTTLING, 400), ("InternalServiceError", 500)),
    EVENTS: ((THROTTLING, 400), ("InternalException", 500)),
}
"""The codes and statuses of an operation, or else of a service."""
IN_PART = frozenset({"BatchWriteItem", "BatchGetItem", "SendMessageBatch", "PutEvents"})


@dataclass(frozen=True)
class Throttling(FaultPlan):
    """`calls` calls to a service, from its `first` one in an invocation, fail completely or in part."""

    service: str = DYNAMODB
    first: int = 1
    calls: int = ALL_REMAINING

    @classmethod
    def random_one(cls, random: Random) -> Self:
        """A short burst or, for the table, sometimes the rest of the invocation."""
        (service,) = random.choices(list(SERVICES), list(SERVICES.values()))
        lengths = [1, 1, 2, 3, 3, 8, ALL_REMAINING] if service == DYNAMODB else [1, 1, 2, 3]
        return cls(service=service, first=random.randint(1, FIRST[service]), calls=random.choice(lengths))

    def applies_to(self, worker: Worker, service: str) -> bool:
        return service == self.service and self.first <= worker.calls[service] < self.first + self.calls


def fail_call(make: Make, client: Any, operation: str, parameters: dict[str, Any], random: Random) -> Any:
    """Execute a call in part, or not at all, as AWS does when it throttles. Raises botocore's ClientError."""
    if operation in IN_PART and random.random() < 0.7:
        return _process_half(lambda given: make(client, operation, given), operation, parameters)
    service = client.meta.service_model.service_name
    code, status = random.choice(ERRORS.get(operation) or ERRORS[service])
    if code == IN_PROGRESS:  # the first attempt of the transaction is still running, and succeeds
        make(client, operation, parameters)
    answer: dict[str, Any] = {
        "Error": {"Code": code, "Message": "Rate exceeded"},
        "ResponseMetadata": {"HTTPStatusCode": status, "RetryAttempts": 2},
    }
    if code == CANCELED:
        reasons: list[dict[str, str]] = [{"Code": "None"} for _ in parameters["TransactItems"]]
        reasons[random.randrange(len(reasons))] = {"Code": random.choice(REASONS), "Message": "Rate exceeded"}
        answer |= {"CancellationReasons": reasons}
    raise client.exceptions.from_code(code)(answer, operation)


def _process_half(call: Callable[[Any], Any], operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """The second half of a batch stays unprocessed, or is rejected."""
    of_table, has_keys = "RequestItems" in parameters, operation == "BatchGetItem"
    ((table, batch),) = parameters["RequestItems"].items() if of_table else [("", parameters["Entries"])]
    entries = batch["Keys"] if has_keys else batch
    halves = (entries[: len(entries) // 2], entries[len(entries) // 2 :])
    done, left = ({**batch, "Keys": half} if has_keys else half for half in halves)
    answer: dict[str, Any] = {}
    if halves[0]:
        answer = call({**parameters, **({"RequestItems": {table: done}} if of_table else {"Entries": done})})
    match operation:
        case "BatchWriteItem":
            return {"UnprocessedItems": {table: left}}
        case "BatchGetItem":
            return {"Responses": {table: []}, **answer, "UnprocessedKeys": {table: left}}
        case "SendMessageBatch":
            failed = [{"Id": entry["Id"], "SenderFault": False, "Code": "InternalError"} for entry in left]
            return {"Successful": [], **answer, "Failed": [*answer.get("Failed", []), *failed]}
        case _:
            refused = [{"ErrorCode": THROTTLING, "ErrorMessage": "Rate exceeded"} for _ in left]
            return {"FailedEntryCount": len(refused), "Entries": [*answer.get("Entries", []), *refused]}


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

    stack: MemoryStack
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

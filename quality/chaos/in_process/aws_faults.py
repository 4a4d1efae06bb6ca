"""Throttling, conflicts and errors of AWS, as each service returns them, after botocore's own retries."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, Self

from quality.testkit.fakes.workers import FaultPlan, Make, Worker

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

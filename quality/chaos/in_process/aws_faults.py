"""Throttling, conflicts and errors of AWS, as each service returns them, after botocore's own retries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

DYNAMODB, SQS, SECRETS, EVENTS = "dynamodb", "sqs", "secretsmanager", "events"
ALL_REMAINING = 1_000_000  # more calls than an invocation makes
SERVICES = {DYNAMODB: 7, SQS: 2, SECRETS: 1, EVENTS: 1}
FIRST = {DYNAMODB: 9, SQS: 3, SECRETS: 2, EVENTS: 1}  # the latest call of each service at which a fault may begin

THROUGHPUT, THROTTLING = "ProvisionedThroughputExceededException", "ThrottlingException"
CANCELED, IN_PROGRESS = "TransactionCanceledException", "TransactionInProgressException"
REASONS = ("ThrottlingError", "ProvisionedThroughputExceeded", "TransactionConflict")
READS = ((THROUGHPUT, 400), (THROTTLING, 400), ("InternalServerError", 500))
WRITES = (*READS, ("TransactionConflictException", 400), ("RequestLimitExceeded", 400))
TRANSACTIONS = (*READS, (CANCELED, 400), (CANCELED, 400), (CANCELED, 400), (IN_PROGRESS, 400))
OF_SERVICE = {
    SQS: ((THROTTLING, 400), ("RequestThrottled", 403), ("KmsThrottled", 400), ("InternalError", 500)),
    SECRETS: ((THROTTLING, 400), ("InternalServiceError", 500)),
    EVENTS: ((THROTTLING, 400), ("InternalException", 500)),
}

type Make = Callable[[Any, str, dict[str, Any]], Any]


@dataclass(frozen=True)
class Throttling:
    """`calls` calls to a service, from its `first` one in an invocation, fail completely or in part."""

    service: str
    first: int
    calls: int

    @classmethod
    def random_one(cls, random: Random) -> Throttling:
        """A short burst or, for the table, sometimes the rest of the invocation."""
        (service,) = random.choices(list(SERVICES), list(SERVICES.values()))
        lengths = [1, 1, 2, 3, 3, 8, ALL_REMAINING] if service == DYNAMODB else [1, 1, 2, 3]
        return cls(service, random.randint(1, FIRST[service]), random.choice(lengths))

    def applies_to(self, service: str, number: int) -> bool:
        return service == self.service and self.first <= number < self.first + self.calls


def fail_call(make: Make, client: Any, operation: str, parameters: dict[str, Any], random: Random) -> Any:
    """Execute a call in part, or not at all, as AWS does when it throttles. Raises botocore's ClientError."""
    part = _PARTIAL.get(operation)
    if part is not None and random.random() < 0.7:
        return part(make, client, operation, parameters)
    service = client.meta.service_model.service_name
    code, status = random.choice(_errors(service, operation))
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


def _errors(service: str, operation: str) -> tuple[tuple[str, int], ...]:
    if service != DYNAMODB:
        return OF_SERVICE[service]
    if operation == "TransactWriteItems":
        return TRANSACTIONS
    if operation == "TransactGetItems":
        return (*READS, (CANCELED, 400))
    return WRITES if operation in {"PutItem", "UpdateItem", "DeleteItem"} else READS


def _half_written(make: Make, client: Any, operation: str, parameters: dict[str, Any]) -> Any:
    """The second half of a batch stays unprocessed."""
    ((table, requests),) = parameters["RequestItems"].items()
    done, left = _halves(requests)
    if done:
        make(client, operation, {**parameters, "RequestItems": {table: done}})
    return {"UnprocessedItems": {table: left}}


def _half_read(make: Make, client: Any, operation: str, parameters: dict[str, Any]) -> Any:
    """The second half of the keys stays unprocessed."""
    ((table, request),) = parameters["RequestItems"].items()
    done, left = _halves(request["Keys"])
    answer: dict[str, Any] = {"Responses": {table: []}}
    if done:
        answer = make(client, operation, {**parameters, "RequestItems": {table: {**request, "Keys": done}}})
    return {**answer, "UnprocessedKeys": {table: {**request, "Keys": left}}}


def _half_sent(make: Make, client: Any, operation: str, parameters: dict[str, Any]) -> Any:
    """SQS rejects the second half of a batch."""
    done, left = _halves(parameters["Entries"])
    answer = make(client, operation, {**parameters, "Entries": done}) if done else {"Successful": []}
    failed = [{"Id": entry["Id"], "SenderFault": False, "Code": "InternalError"} for entry in left]
    return {**answer, "Failed": [*answer.get("Failed", []), *failed]}


def _half_put(make: Make, client: Any, operation: str, parameters: dict[str, Any]) -> Any:
    """The bus rejects the second half of the events."""
    done, left = _halves(parameters["Entries"])
    taken = make(client, operation, {**parameters, "Entries": done})["Entries"] if done else []
    refused = [{"ErrorCode": THROTTLING, "ErrorMessage": "Rate exceeded"} for _ in left]
    return {"FailedEntryCount": len(refused), "Entries": [*taken, *refused]}


def _halves(entries: list[Any]) -> tuple[list[Any], list[Any]]:
    return entries[: len(entries) // 2], entries[len(entries) // 2 :]


_PARTIAL: dict[str, Callable[[Make, Any, str, dict[str, Any]], Any]] = {
    "BatchWriteItem": _half_written,
    "BatchGetItem": _half_read,
    "SendMessageBatch": _half_sent,
    "PutEvents": _half_put,
}

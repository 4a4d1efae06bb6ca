"""Which errors of AWS are transient, and how a write retries them."""

import time
from collections.abc import Iterator
from itertools import chain, repeat
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError

from leadbridge.domain.transitions import Conflict
from leadbridge.runtime.aws_errors import Contended, call_with_retries, is_transient
from leadbridge.storage.table import Table
from leadbridge.storage.writes import Write, delete
from quality.testkit.aws.aws_answers import aws_error, canceled

WRITE: Write = delete({"pk": "a", "sk": "b"})


class Client:
    """A client of DynamoDB that gives the given answers to transactions, and then accepts them."""

    def __init__(self, *answers: ClientError | ReadTimeoutError) -> None:
        self._answers: Iterator[Exception | None] = chain(answers, repeat(None))
        self.tokens: list[str] = []

    def transact_write_items(self, *, TransactItems: Any, ClientRequestToken: str) -> None:
        self.tokens.append(ClientRequestToken)
        answer = next(self._answers)
        if answer is not None:
            raise answer


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses between tries, which tests do not wait for."""
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    return slept


@pytest.mark.parametrize(
    "error",
    [
        aws_error("ThrottlingException"),
        aws_error("ProvisionedThroughputExceededException"),
        aws_error("TransactionConflictException"),
        aws_error("TransactionInProgressException"),
        aws_error("InternalServerError", status=500),
        aws_error("SomethingNew", status=503),
        canceled("None", "ThrottlingError"),
        canceled("ProvisionedThroughputExceeded", "TransactionConflict", "None"),
        ReadTimeoutError(endpoint_url="aws"),
        ConnectTimeoutError(endpoint_url="aws"),
        EndpointConnectionError(endpoint_url="aws"),
        Contended(),
    ],
    ids=str,
)
def test_transient_errors(error: Exception) -> None:
    assert is_transient(error)


@pytest.mark.parametrize(
    "error",
    [
        aws_error("ValidationException"),
        aws_error("AccessDeniedException"),
        aws_error("ConditionalCheckFailedException"),
        canceled("ConditionalCheckFailed", "None"),
        canceled("ThrottlingError", "ConditionalCheckFailed"),
        canceled("ValidationError", "None"),
        ValueError(),
    ],
    ids=str,
)
def test_errors_that_stay(error: Exception) -> None:
    assert not is_transient(error)


@pytest.mark.parametrize("reason", ["ThrottlingError", "ProvisionedThroughputExceeded", "TransactionConflict"])
def test_a_throttled_transaction_is_retried_with_the_same_token_and_growing_pauses(
    reason: str, pauses: list[float]
) -> None:
    client: Any = Client(*[canceled("None", reason)] * 5)
    assert Table(client, "t").transact([WRITE] * 2) is None
    assert len(client.tokens) == 6
    assert len(set(client.tokens)) == 1
    assert pauses[-1] > pauses[0]


def test_a_transaction_whose_answer_was_lost_is_retried_with_the_same_token() -> None:
    client: Any = Client(ReadTimeoutError(endpoint_url="aws"))
    assert Table(client, "t").transact([WRITE]) is None
    assert len(set(client.tokens)) == 1


def test_two_transactions_have_two_tokens() -> None:
    client: Any = Client()
    Table(client, "t").transact([WRITE])
    Table(client, "t").transact([WRITE])
    assert len(set(client.tokens)) == 2


def test_a_failed_condition_is_reported_even_if_another_write_was_throttled() -> None:
    client: Any = Client(canceled("ThrottlingError", "ConditionalCheckFailed"))
    assert Table(client, "t").transact([WRITE] * 2) == 1


def test_a_conflict_tells_which_conditions_failed() -> None:
    client: Any = Client(canceled("None", "ConditionalCheckFailed", "ConditionalCheckFailed"))
    with pytest.raises(Conflict) as found:
        Table(client, "t").transact([WRITE] * 3, or_conflict=True)
    assert found.value.failed == {1, 2}


def test_retries_end_with_the_time_that_the_caller_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    client: Any = Client(*[canceled("ThrottlingError")] * 500)
    with pytest.raises(Contended):
        Table(client, "t").transact([WRITE], retry_for=20.0)
    assert 18 < now[0] <= 20
    with pytest.raises(Contended):
        Table(client, "t").transact([WRITE])
    assert now[0] <= 22


def test_an_error_that_stays_is_raised_at_once(pauses: list[float]) -> None:
    def call() -> None:
        raise aws_error("ValidationException")

    with pytest.raises(ClientError, match="ValidationException"):
        call_with_retries(call)
    assert not pauses

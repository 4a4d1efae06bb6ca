"""DynamoDB by moto without what surrounds it: no request is built, signed, serialized or parsed.

A call takes a tenth of the time. The expressions, conditions and tables are moto's own. Transactions are refused before
moto is asked: moto copies the whole table for every item of one, to undo what a refused transaction has done.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from botocore.client import BaseClient
from botocore.exceptions import ClientError
from moto.core.utils import camelcase_to_underscores
from moto.dynamodb.comparisons import get_filter_expression
from moto.dynamodb.exceptions import ConditionalCheckFailed
from moto.dynamodb.models import DynamoDBBackend, dynamodb_backends
from moto.dynamodb.models.dynamo_type import Item
from moto.dynamodb.models.table import Table
from moto.dynamodb.responses import DynamoHandler

ACCOUNT, REGION = "123456789012", "eu-central-1"

type Call = Callable[[Any, str, dict[str, Any]], Any]


def answer(client: Any, operation: str, parameters: dict[str, Any]) -> Any:
    """Answer a call to DynamoDB as the client would. Raises ClientError for a failed condition, else moto's errors."""
    handler: Any = DynamoHandler()
    handler.current_account, handler.region = ACCOUNT, REGION
    handler.body = handler.params = copy.deepcopy(parameters)
    if operation == "TransactWriteItems":
        refuse(handler.dynamodb_backend, handler.body["TransactItems"])
    try:
        return getattr(handler, camelcase_to_underscores(operation))().result
    except ConditionalCheckFailed:
        raise failure(client, operation, "ConditionalCheckFailedException") from None


def refuse(backend: DynamoDBBackend, writes: list[dict[str, Any]]) -> None:
    """Raise what DynamoDB raises if the condition of one of a transaction's writes fails."""
    reasons = []
    for write in writes:
        ((kind, asked),) = write.items()
        key = {name: (asked["Item"] if kind == "Put" else asked["Key"])[name] for name in ("pk", "sk")}
        found = backend.get_item(asked["TableName"], key)
        condition = asked.get("ConditionExpression")
        names, values = asked.get("ExpressionAttributeNames"), asked.get("ExpressionAttributeValues")
        holds = condition is None or get_filter_expression(condition, names, values).expr(found or nothing())
        reasons.append({"Code": "None" if holds else "ConditionalCheckFailed"})
    if any(reason["Code"] != "None" for reason in reasons):
        error: Any = failure(None, "TransactWriteItems", "TransactionCanceledException")
        error.response["CancellationReasons"] = reasons
        raise error


def nothing() -> Item:
    """The item that is compared with where there is none."""
    return Item(hash_key=None, range_key=None, attrs={})  # type: ignore[arg-type]


def failure(client: Any, operation: str, code: str) -> ClientError:
    """An error as botocore raises it."""
    kind = ClientError if client is None else client.exceptions.from_code(code)
    error: ClientError = kind({"Error": {"Code": code, "Message": code}}, operation)
    return error


def table(name: str) -> Any:
    """moto's own table."""
    return dynamodb_backends[ACCOUNT][REGION].get_table(name)


@contextmanager
def quick_moto() -> Iterator[None]:
    """While the block runs, within `moto_calls`, calls to DynamoDB are answered so."""
    base: Any = BaseClient
    call: Call = base._make_api_call

    def answered(client: Any, operation: str, parameters: dict[str, Any]) -> Any:
        if client.meta.service_model.service_name != "dynamodb" or operation == "CreateTable":
            return call(client, operation, parameters)
        return answer(client, operation, parameters)

    class NoCopies:
        deepcopy = staticmethod(lambda found: found if isinstance(found, Table) else copy.deepcopy(found))

    with patch.object(base, "_make_api_call", answered), patch("moto.dynamodb.models.copy", NoCopies):
        yield

"""How the table is written: conditional puts, alone or together, and what it means when one is refused."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from leadbridge.leads.items import Item, encode, lead_key

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

TRIES = 6  # how often a transaction that met another one is tried
DEFAULT_RETENTION_DAYS = "400"
PAUSE = 0.02  # seconds before the second try; each later one is twice as long at most, and left to chance


class Conflict(Exception):
    """Somebody else changed it first: what was known of it no longer holds."""


class Contended(Exception):
    """Two writers met in one moment and neither won; the same call may succeed a little later."""


def kept(item: Item) -> Item:
    """An item that the table lets go `RETENTION_DAYS` after this write, unless it says itself when."""
    ends = time.time() + int(os.environ.get("RETENTION_DAYS", DEFAULT_RETENTION_DAYS)) * 86_400
    return {"expires_at": {"N": str(int(ends))}, **item}


def put(table: str, item: Item, condition: str | None = None, *, version: int | None = None) -> Any:
    """A put for a transaction, on a condition, or on the condition that the item there has this version.

    Like all that tells of people, the item is let go after a time.
    """
    write: dict[str, Any] = {"TableName": table, "Item": kept(item)}
    if condition is not None:
        write["ConditionExpression"] = condition
    if version is not None:
        write["ConditionExpression"] = "#version = :version"
        write["ExpressionAttributeNames"] = {"#version": "version"}
        write["ExpressionAttributeValues"] = encode({":version": version})
    return {"Put": write}


def unless_erased(table: str, lead_id: str) -> Any:
    """A check for a transaction: what would lie beside a lead is not written once its person was forgotten."""
    check = {"TableName": table, "Key": encode(dict(lead_key(lead_id)))}
    return {"ConditionCheck": {**check, "ConditionExpression": "attribute_not_exists(erased_at)"}}


def transact(client: DynamoDBClient, writes: Sequence[Any], *, or_conflict: bool = False) -> int | None:
    """Write all or nothing; None if written, else the number of the first write whose condition failed.

    Raises Contended; with `or_conflict`, Conflict instead of returning a number.
    """
    for number in range(TRIES):
        if number:
            time.sleep(random.uniform(0, PAUSE * 2**number))  # noqa: S311 - nothing secret
        try:
            client.transact_write_items(TransactItems=writes)
        except ClientError as error:
            answer: dict[str, Any] = dict(error.response)
            reasons = [reason.get("Code") for reason in answer.get("CancellationReasons", [])]
            if "ConditionalCheckFailed" in reasons:
                if or_conflict:
                    raise Conflict from None
                return reasons.index("ConditionalCheckFailed")
            if "TransactionConflict" not in reasons:
                raise
        else:
            return None
    raise Contended

"""How the table is written: conditional puts, alone or together, and what it means when one is refused."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

from leadbridge.aws_errors import CONDITION_FAILED, Contended, cancellation_reasons, is_transient
from leadbridge.clock import to_text
from leadbridge.leads.items import Item, encode, lead_key

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

__all__ = [
    "RETRY_FOR",
    "AlreadyTied",
    "Conflict",
    "Contended",
    "defer",
    "kept",
    "persist",
    "put",
    "transact",
    "unless_erased",
]

RETRY_FOR = 2.0  # seconds for which a write is retried, where its caller does not say otherwise
MAX_TRIES = 1000  # of one write, however long it may be retried
FIRST_PAUSE = 0.02  # seconds before the second try; each later pause is twice as long, half of it left to chance
LONGEST_PAUSE = 1.0
DEFAULT_RETENTION_DAYS = "400"


class Conflict(Exception):
    """A condition failed: what the caller knew is out of date.

    `failed` are the numbers of the writes of a transaction whose conditions failed.
    """

    def __init__(self, *about: object, failed: frozenset[int] = frozenset()) -> None:
        super().__init__(*about)
        self.failed = failed


class AlreadyTied(Conflict):
    """Another lead, `lead_id`, has the deal or the account at the partner."""

    def __init__(self, lead_id: str, *, failed: frozenset[int] = frozenset()) -> None:
        super().__init__(f"{lead_id} has it", failed=failed)
        self.lead_id = lead_id


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


def defer(
    client: DynamoDBClient, table: str, key: dict[str, str], version: int, seen: datetime | None, due_at: datetime
) -> None:
    """Move the time at which an item is due, unless the item has changed or was deferred since it was read.

    `version` and `seen` are its version and its due time as they were read. Raises Contended.
    """
    values = {":due_at": to_text(due_at), ":version": version, ":seen": to_text(seen) if seen else None}
    with suppress(client.exceptions.ConditionalCheckFailedException):
        persist(
            lambda: client.update_item(
                TableName=table,
                Key=encode(dict(key)),
                UpdateExpression="SET due_at = :due_at",
                ConditionExpression="#version = :version AND due_at = :seen",
                ExpressionAttributeNames={"#version": "version"},
                ExpressionAttributeValues=encode(values),
            )
        )


def transact(
    client: DynamoDBClient, writes: Sequence[Any], *, or_conflict: bool = False, retry_for: float = RETRY_FOR
) -> int | None:
    """Write all or nothing; return None if written, else the number of the first write whose condition failed.

    Every try carries the same idempotency token: a transaction whose answer was lost is not taken for another
    writer's. Raises Contended after `retry_for` seconds; with `or_conflict`, Conflict instead of returning a number.
    """
    token = uuid4().hex
    try:
        persist(lambda: client.transact_write_items(TransactItems=writes, ClientRequestToken=token), retry_for)
    except ClientError as error:
        reasons = cancellation_reasons(error)
        failed = [number for number, reason in enumerate(reasons) if reason == CONDITION_FAILED]
        if not failed:
            raise
        if or_conflict:
            raise Conflict(failed=frozenset(failed)) from None
        return failed[0]
    return None


def persist[T](call: Callable[[], T], retry_for: float = RETRY_FOR) -> T:
    """Call AWS until it answers; errors that pass by themselves are retried with growing pauses.

    The call must be safe to repeat. Raises Contended after `retry_for` seconds, and any other error at once.
    """
    ends = time.monotonic() + retry_for
    for number in range(MAX_TRIES):
        try:
            return call()
        except (ClientError, BotoCoreError) as error:
            if not is_transient(error):
                raise
            longest = min(FIRST_PAUSE * 2 ** min(number, 10), LONGEST_PAUSE)
            pause = longest * random.uniform(0.5, 1)  # noqa: S311 - nothing secret
            if time.monotonic() + pause >= ends:
                raise Contended from error
        time.sleep(pause)
    raise Contended

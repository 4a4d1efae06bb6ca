"""How the table is written: conditional puts, alone or together, and what it means when one is refused."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

from leadbridge.domain.clock import to_text
from leadbridge.runtime.aws_errors import CONDITION_FAILED, Contended, cancellation_reasons, is_transient
from leadbridge.storage.items import Item, encode, lead_key

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

__all__ = [
    "RETRY_FOR",
    "AlreadyLinked",
    "Conflict",
    "Contended",
    "defer",
    "expires_at",
    "is_late",
    "not_erased",
    "persist",
    "prolong",
    "put",
    "transact",
    "transact_beside",
    "transact_late",
    "with_ttl",
]

RETRY_FOR = 2.0  # seconds for which a write is retried, where its caller does not say otherwise
MAX_TRIES = 1000  # of one write, however long it may be retried
FIRST_PAUSE = 0.02  # seconds before the second try; each later pause is twice as long, half of it is random
LONGEST_PAUSE = 1.0
DEFAULT_RETENTION_DAYS = "400"
DAY = 86_400
LEAD_OUTLIVES = DAY  # seconds by which a lead's own item outlives what is written with it
FRESH = timedelta(hours=22)  # after a lead came; what is written in this time cannot outlive the lead's item


class Conflict(Exception):
    """A condition failed: what the caller knew is out of date.

    `failed` are the numbers of the writes of a transaction whose conditions failed. `found` are the stored items of
    those that set `ReturnValuesOnConditionCheckFailure`.
    """

    def __init__(
        self, *about: object, failed: frozenset[int] = frozenset(), found: Mapping[int, Item] | None = None
    ) -> None:
        super().__init__(*about)
        self.failed = failed
        self.found = found or {}


class AlreadyLinked(Conflict):
    """Another lead, `lead_id`, has the deal or the account at the partner."""

    def __init__(self, lead_id: str, *, failed: frozenset[int] = frozenset()) -> None:
        super().__init__(f"{lead_id} has it", failed=failed)
        self.lead_id = lead_id


def expires_at() -> int:
    """The Unix time at which DynamoDB may delete what is written now."""
    return int(time.time()) + int(os.environ.get("RETENTION_DAYS", DEFAULT_RETENTION_DAYS)) * DAY


def with_ttl(item: Item) -> Item:
    """Add the time at which DynamoDB may delete an item, unless the item has one.

    A lead's own item is kept a day longer than any other: without it nothing that belongs to the lead is found.
    """
    longer = LEAD_OUTLIVES if item.get("sk") == {"S": "LEAD"} else 0
    return {"expires_at": {"N": str(expires_at() + longer)}, **item}


def put(table: str, item: Item, condition: str | None = None, *, version: int | None = None) -> Any:
    """A put for a transaction, on a condition, or on the condition that the item there has this version.

    Like all that tells of people, the item is let go after a time.
    """
    write: dict[str, Any] = {"TableName": table, "Item": with_ttl(item)}
    if condition is not None:
        write["ConditionExpression"] = condition
    if version is not None:
        write["ConditionExpression"] = "#version = :version"
        write["ExpressionAttributeNames"] = {"#version": "version"}
        write["ExpressionAttributeValues"] = encode({":version": version})
    return {"Put": write}


def not_erased(table: str, lead_id: str) -> Any:
    """A check for a transaction: it fails if the lead's person was erased."""
    check = {"TableName": table, "Key": encode(dict(lead_key(lead_id)))}
    return {"ConditionCheck": {**check, "ConditionExpression": "attribute_not_exists(erased_at)"}}


def is_late(began_at: datetime, now: datetime, fresh: timedelta = FRESH) -> bool:
    """Return whether a write at `now` to an item that was new at `began_at` could outlive the lead's item."""
    return now - began_at >= fresh


def prolong(table: str, lead_id: str, *, not_erased: bool = False) -> Any:
    """An update for a transaction that writes beside a lead: the lead's item outlives what is written.

    It fails where the lead's item is missing; with `not_erased`, also where the lead's person was erased.
    """
    condition = "attribute_exists(pk)" + (" AND attribute_not_exists(erased_at)" if not_erased else "")
    return {
        "Update": {
            "TableName": table,
            "Key": encode(dict(lead_key(lead_id))),
            "UpdateExpression": "SET expires_at = :expires_at",
            "ConditionExpression": condition,
            "ExpressionAttributeValues": encode({":expires_at": expires_at() + LEAD_OUTLIVES}),
        }
    }


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

    Every try carries the same idempotency token, so a retry after a lost answer does not fail on its own conditions.
    Raises Contended after `retry_for` seconds; with `or_conflict`, Conflict instead of returning a number.
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
            answer: Any = error.response
            found = {number: answer["CancellationReasons"][number].get("Item", {}) for number in failed}
            raise Conflict(failed=frozenset(failed), found=found) from None
        return failed[0]
    return None


def transact_late(
    client: DynamoDBClient, table: str, writes: Sequence[Any], lead_id: str, *, retry_for: float = RETRY_FOR
) -> None:
    """Write all or nothing, and prolong the lead's item if it still exists. Raises Conflict, Contended."""
    ends = time.monotonic() + retry_for
    try:
        transact(client, [*writes, prolong(table, lead_id)], or_conflict=True, retry_for=retry_for)
    except Conflict as conflict:
        if conflict.failed != {len(writes)}:
            raise
        transact(client, writes, or_conflict=True, retry_for=ends - time.monotonic())


def transact_beside(
    client: DynamoDBClient,
    table: str,
    writes: Sequence[Any],
    lead_id: str,
    *,
    or_conflict: bool = False,
    retry_for: float = RETRY_FOR,
) -> int | None:
    """Write all or nothing unless the lead's person was erased, and prolong the lead's item if it still exists.

    Returns what `transact` returns; the number after the last write means that the person was erased.
    """
    ends = time.monotonic() + retry_for
    refused = transact(client, [*writes, prolong(table, lead_id, not_erased=True)], retry_for=retry_for)
    if refused == len(writes):
        found = client.get_item(TableName=table, Key=encode(dict(lead_key(lead_id))), ConsistentRead=True)
        if "Item" not in found:  # it has expired, and the person was not erased
            refused = transact(client, writes, retry_for=ends - time.monotonic())
    if refused is not None and or_conflict:
        raise Conflict(failed=frozenset({refused}))
    return refused


def persist[T](call: Callable[[], T], retry_for: float = RETRY_FOR) -> T:
    """Call AWS; retry transient errors with growing pauses.

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

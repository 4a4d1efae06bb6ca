"""The gateway to the table: the only module that calls DynamoDB.

Items go in and come out as plain values. Every call is retried while its error is transient: throttling, conflicts,
time-outs, faults inside AWS, and what DynamoDB leaves unprocessed of a batch. Then it raises Contended. botocore's
other errors are raised at once.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import batched
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from botocore.exceptions import ClientError

from leadbridge.domain.clock import to_text
from leadbridge.domain.transitions import Conflict
from leadbridge.runtime import aws
from leadbridge.runtime.aws_errors import (
    CONDITION_FAILED,
    RETRY_FOR,
    Contended,
    call_with_retries,
    cancellation_reasons,
    code_of,
)
from leadbridge.runtime.environment import TableEnvironment
from leadbridge.storage.items import Item, decode, encode, lead_key
from leadbridge.storage.writes import Write, due_at_unchanged, extend_ttl, update

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

MAX_BATCH_READS = 100  # keys that BatchGetItem takes
MAX_BATCH_WRITES = 25  # writes that BatchWriteItem takes
BATCH_RETRY_FOR = 5.0  # seconds for which one such call and what it leaves unprocessed are retried
MAX_PAGE = 1000  # items that `query` reads with one call


@dataclass(frozen=True)
class Query:
    """A query by a key, of the table or of one of its indexes. `attributes` are those to read, all if there are none.

    The items come in the order of their sort key. A query of the table is consistent; a query of an index cannot be.
    """

    condition: str
    values: Mapping[str, Any]
    index: str | None = None
    filter: str | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    attributes: tuple[str, ...] = ()
    newest_first: bool = False


@dataclass(frozen=True)
class QueryPage:
    """What one call read. `next_key` is where the next page begins, None after the last one."""

    items: list[Item]
    next_key: Item | None


class Table:
    """One DynamoDB table."""

    def __init__(self, client: DynamoDBClient, name: str) -> None:
        self._client = client
        self._name = name

    def get(self, key: Mapping[str, str], *, attributes: Sequence[str] = ()) -> Item | None:
        """Read one item, consistently; None where there is none."""
        request: Any = {"TableName": self._name, "Key": encode(key), "ConsistentRead": True, **_projection(attributes)}
        answer = call_with_retries(lambda: self._client.get_item(**request))
        return decode(answer["Item"]) if "Item" in answer else None

    def get_together(self, *keys: Mapping[str, str]) -> list[Item | None]:
        """Read some items as they were at one moment, in the order of the keys; None for each that does not exist.

        A batch reads each item at another moment, so it could combine an item with an outdated state of another one.
        """
        request: Any = {"TransactItems": [{"Get": {"TableName": self._name, "Key": encode(key)}} for key in keys]}
        answer = call_with_retries(lambda: self._client.transact_get_items(**request))
        return [decode(one["Item"]) if one.get("Item") else None for one in answer["Responses"]]

    def page(self, query: Query, *, after: Item | None = None, size: int | None = None) -> QueryPage:
        """Read one page of a query, of `size` items before its filter, or as much as DynamoDB reads with one call."""
        request: dict[str, Any] = {
            "TableName": self._name,
            "KeyConditionExpression": query.condition,
            "ExpressionAttributeValues": encode(query.values),
            "ScanIndexForward": not query.newest_first,
            **_projection(query.attributes),
        }
        if query.index is None:
            request["ConsistentRead"] = True
        else:
            request["IndexName"] = query.index
        if query.filter is not None:
            request["FilterExpression"] = query.filter
        if query.names:
            request["ExpressionAttributeNames"] = {**request.get("ExpressionAttributeNames", {}), **query.names}
        if size is not None:
            request["Limit"] = size
        if after is not None:
            request["ExclusiveStartKey"] = encode(after)
        answer = call_with_retries(lambda: self._client.query(**request))
        next_key = answer.get("LastEvaluatedKey")
        return QueryPage([decode(item) for item in answer["Items"]], decode(next_key) if next_key else None)

    def query(self, query: Query, *, limit: int, page_size: int = MAX_PAGE) -> Iterator[Item]:
        """Yield the items of a query, `limit` of them at most. Pages are read as they are needed."""
        left, start = limit, None
        while left > 0:
            page = self.page(query, after=start, size=min(left, page_size))
            yield from page.items[:left]
            left, start = left - len(page.items), page.next_key
            if start is None:
                return

    def batch_get(
        self,
        keys: Iterable[Mapping[str, str]],
        *,
        attributes: Sequence[str] = (),
        consistent: bool = True,
        retry_for: float = BATCH_RETRY_FOR,
    ) -> list[Item]:
        """Read the items of some keys, in no order; keys without an item are left out."""
        found: list[Item] = []
        for some in batched(keys, MAX_BATCH_READS, strict=False):
            request = {"Keys": [encode(key) for key in some], "ConsistentRead": consistent, **_projection(attributes)}
            found += self._read_batch(request, retry_for)
        return found

    def batch_write(self, writes: Iterable[Write]) -> None:
        """Put and delete items in batches. A batch is not a transaction: an error leaves it written in part."""
        for some in batched(writes, MAX_BATCH_WRITES, strict=False):
            self._write_batch([write.batch_request() for write in some])

    def write(self, write: Write, *, returns_new: bool = False, retry_for: float = RETRY_FOR) -> Item:
        """Make one write alone. Raises Conflict if its condition fails.

        With `returns_new`, return the item as an Update leaves it. A retry after a lost answer may fail on the
        condition of a write that was made.
        """
        parameters: Any = write.parameters(self._name)
        if returns_new:
            parameters["ReturnValues"] = "ALL_NEW"
        call: Any = {
            "Put": self._client.put_item,
            "Update": self._client.update_item,
            "Delete": self._client.delete_item,
        }[write.kind]
        try:
            answer = call_with_retries(lambda: call(**parameters), retry_for)
        except ClientError as error:
            if code_of(error) != f"{CONDITION_FAILED}Exception":
                raise
            refusal: Any = error.response
            raise Conflict(failed=frozenset({0}), found={0: decode(refusal.get("Item", {}))}) from None
        return decode(answer.get("Attributes", {}))

    def replace(self, write: Write, *, retry_for: float = RETRY_FOR) -> None:
        """Put an item alone on a condition that its own writing makes false. Raises Conflict.

        A retry after a lost answer recognizes the item by its random `write_id`, and does not fail on its own write.
        """
        write_id = uuid4().hex
        marked = replace(write, target={**write.target, "write_id": write_id}, returns_found=True)
        try:
            self.write(marked, retry_for=retry_for)
        except Conflict as conflict:
            if conflict.found[0].get("write_id") != write_id:
                raise

    def transact(
        self, writes: Sequence[Write], *, or_conflict: bool = False, retry_for: float = RETRY_FOR
    ) -> int | None:
        """Write all or nothing; return None if written, else the number of the first write whose condition failed.

        Every try carries the same idempotency token, so a retry after a lost answer does not fail on its own
        conditions. With `or_conflict`, raises Conflict instead of returning a number.
        """
        token, requests = uuid4().hex, [{write.kind: write.parameters(self._name)} for write in writes]
        request: Any = {"TransactItems": requests, "ClientRequestToken": token}
        try:
            call_with_retries(lambda: self._client.transact_write_items(**request), retry_for)
        except ClientError as error:
            reasons = cancellation_reasons(error)
            failed = [number for number, reason in enumerate(reasons) if reason == CONDITION_FAILED]
            if not failed:
                raise
            if or_conflict:
                answer: Any = error.response
                found = {number: decode(answer["CancellationReasons"][number].get("Item", {})) for number in failed}
                raise Conflict(failed=frozenset(failed), found=found) from None
            return failed[0]
        return None

    def transact_extending_lead(self, writes: Sequence[Write], lead_id: str, *, retry_for: float = RETRY_FOR) -> None:
        """Write all or nothing, and prolong the lead's item if it still exists. Raises Conflict."""
        ends = time.monotonic() + retry_for
        try:
            self.transact([*writes, extend_ttl(lead_id)], or_conflict=True, retry_for=retry_for)
        except Conflict as conflict:
            if conflict.failed != {len(writes)}:
                raise
            self.transact(writes, or_conflict=True, retry_for=ends - time.monotonic())

    def transact_unless_erased(
        self, writes: Sequence[Write], lead_id: str, *, or_conflict: bool = False, retry_for: float = RETRY_FOR
    ) -> int | None:
        """Write all or nothing unless the lead's person was erased, and prolong the lead's item if it still exists.

        Returns what `transact` returns; the number after the last write means that the person was erased.
        """
        ends = time.monotonic() + retry_for
        refused = self.transact([*writes, extend_ttl(lead_id, not_erased=True)], retry_for=retry_for)
        if refused == len(writes) and self.get(lead_key(lead_id)) is None:  # it has expired
            refused = self.transact(writes, retry_for=ends - time.monotonic())
        if refused is not None and or_conflict:
            raise Conflict(failed=frozenset({refused}))
        return refused

    def defer(self, key: Mapping[str, str], version: int, seen: datetime | None, due_at: datetime) -> None:
        """Move the time at which an item is due, unless the item has changed or was deferred since it was read.

        `version` and `seen` are its version and its due time as they were read.
        """
        deferred = update(
            key,
            "SET due_at = :due_at",
            f"#version = :version AND {due_at_unchanged(seen)}",
            values={":due_at": to_text(due_at), ":version": version, ":seen": to_text(seen) if seen else None},
            names={"#version": "version"},
        )
        with suppress(Conflict):
            self.write(deferred)

    def _read_batch(self, request: dict[str, Any], retry_for: float) -> list[Item]:
        found: list[Item] = []
        left: Any = request

        def read() -> None:
            nonlocal left
            answer = self._client.batch_get_item(RequestItems={self._name: left})
            found.extend(map(decode, answer["Responses"].get(self._name, [])))
            left = answer.get("UnprocessedKeys", {}).get(self._name)
            if left:
                raise Contended

        call_with_retries(read, retry_for)
        return found

    def _write_batch(self, requests: list[dict[str, Any]]) -> None:
        left: Any = requests

        def write() -> None:
            nonlocal left
            answer = self._client.batch_write_item(RequestItems={self._name: left})
            left = answer.get("UnprocessedItems", {}).get(self._name)
            if left:
                raise Contended

        call_with_retries(write, BATCH_RETRY_FOR)


def open_table() -> Table:
    """The table that this function's environment names."""
    return Table(aws.dynamodb(), TableEnvironment.from_env().table_name)


def _projection(attributes: Sequence[str]) -> dict[str, Any]:
    """The parameters for reading these attributes only. Their names may be DynamoDB's reserved words."""
    if not attributes:
        return {}
    names = {f"#{name}": name for name in attributes}
    return {"ProjectionExpression": ", ".join(names), "ExpressionAttributeNames": names}

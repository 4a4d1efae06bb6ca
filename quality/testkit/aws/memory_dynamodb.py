"""DynamoDB in memory: tables as dictionaries, behind botocore's clients.

A call takes some microseconds; moto, which this stands in for, takes milliseconds, and copies the table for each
transaction. tests/unit/storage runs on both, so both do what the repositories rely on. What no repository uses is not
implemented and raises NotImplementedError.
"""

from __future__ import annotations

import json
import marshal
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from quality.testkit.aws import dynamodb_expressions as expressions
from quality.testkit.aws.dynamodb_expressions import Invalid, Item, Scope
from quality.testkit.aws.parameter_validation import validate
from quality.testkit.memory_aws.calls import Answer, MemoryService, Refused, answering, innermost

MAX_ITEM = 400 * 1024  # bytes
MAX_PAGE = 1024 * 1024  # bytes that one query or scan reads
MAX_TRANSACTION = 100  # writes
MAX_EXPRESSION = 4096  # bytes
OLD, NEW = "ALL_OLD", "ALL_NEW"

type Key = tuple[str, str]


@dataclass(frozen=True)
class Index:
    """The table's own keys or a global index. Items without the index's keys are not in it."""

    name: str | None
    hash_name: str
    range_name: str
    projected: frozenset[str] | None = None  # None for all attributes

    @classmethod
    def of(cls, definition: Mapping[str, Any], keys: set[str]) -> Index:
        """Return an index of a table's definition."""
        names = {key["KeyType"]: key["AttributeName"] for key in definition["KeySchema"]}
        projection = definition.get("Projection", {"ProjectionType": "ALL"})
        projected = None
        if projection["ProjectionType"] != "ALL":
            projected = frozenset(keys | set(names.values()) | set(projection.get("NonKeyAttributes", ())))
        return cls(definition.get("IndexName"), names["HASH"], names["RANGE"], projected)

    def place(self, item: Item) -> tuple[str, Any] | None:
        """The partition of an item, and its place there; None if it is not in this index."""
        if self.hash_name not in item or self.range_name not in item:
            return None
        return _comparable(item[self.hash_name]), (_comparable(item[self.range_name]), *_key(item))


@dataclass
class MemoryTable:
    """One table. A stored item is never changed: a write puts another in its place."""

    definition: dict[str, Any]
    items: dict[Key, Item] = field(default_factory=dict)
    _changes: list[tuple[Item | None, Item | None]] = field(default_factory=list)  # that the stream holds
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))
    indexes: dict[str | None, Index] = field(init=False)
    _sorted: dict[tuple[str | None, Any], list[tuple[Any, Key]]] = field(default_factory=dict)
    _places: dict[Key, list[tuple[str | None, tuple[str, Any]]]] = field(
        default_factory=dict
    )  # of items in the indexes
    _sizes: dict[Key, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        keys = {key["AttributeName"] for key in self.definition["KeySchema"]}
        found = [Index.of(one, keys) for one in (self.definition, *self.definition.get("GlobalSecondaryIndexes", ()))]
        self.indexes = {index.name: index for index in found}

    def change(self, key: Key, after: Item | None) -> None:
        """Store or delete an item, in the table and its indexes."""
        before = self.items.pop(key, None)
        self._sizes.pop(key, None)
        for name, (partition, place) in self._places.pop(key, ()):
            row = self._sorted[name, partition]
            del row[bisect_left(row, (place, key))]
        if after is not None:
            self.items[key] = after
            places = self._places[key] = [
                (name, place) for name, index in self.indexes.items() if (place := index.place(after))
            ]
            for name, (partition, place) in places:
                row = self._sorted.setdefault((name, partition), [])
                row.insert(bisect_left(row, (place, key)), (place, key))
        if before != after:
            self._changes.append((before, after))

    def take_records(self) -> list[dict[str, Any]]:
        """Take the stream's records, oldest first."""
        changes, self._changes = self._changes, []
        return [stream_record(next(self._numbers), before, after) for before, after in changes]

    def restore(self, items: Mapping[Key, Item]) -> None:
        """Hold these items and no others. The stream is empty then."""
        self.items.clear()
        self._sorted.clear()
        self._places.clear()
        for key, item in items.items():
            self.change(key, item)
        self._changes.clear()

    def size(self, key: Key) -> int:
        """The size of an item in bytes."""
        if key not in self._sizes:
            self._sizes[key] = _size(self.items[key])
        return self._sizes[key]

    def row(self, index: Index, partition: str) -> list[tuple[Any, Key]]:
        """The places and keys of a partition, sorted."""
        return self._sorted.get((index.name, partition), [])


class MemoryDynamoDB(MemoryService):
    """The tables of one account, and the calls on them."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: dict[str, MemoryTable] = {}
        self._done: dict[str, Answer] = {}  # answers of transactions, by their idempotency tokens

    def call(self, operation: str, parameters: Mapping[str, Any]) -> Answer:
        """Answer a call. Raises Refused."""
        try:
            return super().call(operation, parameters)
        except Invalid as error:
            raise Refused("ValidationException", str(error)) from None

    def validate(self, model: Any, parameters: dict[str, Any]) -> None:
        """Raise ParamValidationError for parameters that do not match the operation's model."""
        validate(model, parameters)

    def table(self, name: str) -> MemoryTable:
        """A table by its name. Raises Refused."""
        if name not in self.tables:
            raise Refused("ResourceNotFoundException", "Requested resource not found")
        return self.tables[name]

    def _create_table(self, asked: Mapping[str, Any]) -> Answer:
        if asked["TableName"] in self.tables:
            raise Refused("ResourceInUseException", "Table already exists")
        self.tables[asked["TableName"]] = MemoryTable(_copy(dict(asked)))
        return self._describe_table(asked)

    def _describe_table(self, asked: Mapping[str, Any]) -> Answer:
        found = self.table(asked["TableName"])
        return {"Table": {**_copy(found.definition), "TableStatus": "ACTIVE", "ItemCount": len(found.items)}}

    def _delete_table(self, asked: Mapping[str, Any]) -> Answer:
        answer = self._describe_table(asked)
        del self.tables[asked["TableName"]]
        return {"TableDescription": answer["Table"]}

    def _get_item(self, asked: Mapping[str, Any]) -> Answer:
        found = self.table(asked["TableName"]).items.get(_key_of(asked["Key"]))
        _scope(asked).check_used(asked.get("ProjectionExpression"))
        return {} if found is None else {"Item": _projected(found, asked)}

    def _put_item(self, asked: Mapping[str, Any]) -> Answer:
        return self._written("Put", asked)

    def _update_item(self, asked: Mapping[str, Any]) -> Answer:
        return self._written("Update", asked)

    def _delete_item(self, asked: Mapping[str, Any]) -> Answer:
        return self._written("Delete", asked)

    def _batch_get_item(self, asked: Mapping[str, Any]) -> Answer:
        answers = {}
        for name, request in asked["RequestItems"].items():
            keys = [_key_of(key) for key in request["Keys"]]
            if len(set(keys)) < len(keys):
                raise Invalid("Provided list of item keys contains duplicates")
            if len(keys) > 100:
                raise Invalid("Too many items requested for the BatchGetItem call")
            stored = self.table(name).items
            answers[name] = [_projected(stored[key], request) for key in keys if key in stored]
        return {"Responses": answers, "UnprocessedKeys": {}}

    def _batch_write_item(self, asked: Mapping[str, Any]) -> Answer:
        for name, requests in asked["RequestItems"].items():
            table = self.table(name)
            if len(requests) > 25:
                raise Invalid("Too many items requested for the BatchWriteItem call")
            changes: dict[Key, Item | None] = {}
            for request in requests:
                if "PutRequest" in request:
                    item = _storable(table, request["PutRequest"]["Item"])
                    key, after = _key(item), item
                else:
                    key, after = _key_of(request["DeleteRequest"]["Key"]), None
                if key in changes:
                    raise Invalid("Provided list of item keys contains duplicates")
                changes[key] = after
            for key, after in changes.items():
                table.change(key, after)
        return {"UnprocessedItems": {}}

    def _transact_get_items(self, asked: Mapping[str, Any]) -> Answer:
        if len(asked["TransactItems"]) > MAX_TRANSACTION:
            raise Invalid("Member must have length less than or equal to 100")
        return {"Responses": [self._get_item(one["Get"]) for one in asked["TransactItems"]]}

    def _transact_write_items(self, asked: Mapping[str, Any]) -> Answer:
        token = asked.get("ClientRequestToken")
        if token in self._done:
            return self._done[token]
        writes = [next(iter(write.items())) for write in asked["TransactItems"]]
        if len(writes) > MAX_TRANSACTION:
            raise Invalid("Member must have length less than or equal to 100")
        places = [(write["TableName"], *_written_key(kind, write)) for kind, write in writes]
        if len(set(places)) < len(places):
            raise Invalid("Transaction request cannot include multiple operations on one item")
        reasons: list[dict[str, Any]] = []
        after: list[Item | None] = []
        for kind, write in writes:
            try:
                after.append(self._changed(kind, write))
                reasons.append({"Code": "None"})
            except Refused as refused:
                reasons.append({"Code": "ConditionalCheckFailed", "Message": refused.message, **refused.more})
            except Invalid as error:
                reasons.append({"Code": "ValidationError", "Message": str(error)})
        if any(reason["Code"] != "None" for reason in reasons):
            codes = ", ".join(reason["Code"] for reason in reasons)
            message = f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]"
            raise Refused("TransactionCanceledException", message, CancellationReasons=reasons)
        for (kind, write), item in zip(writes, after, strict=True):
            if kind != "ConditionCheck":
                self.table(write["TableName"]).change(_written_key(kind, write), item)
        if token is not None:
            self._done[token] = {}
        return {}

    def _query(self, asked: Mapping[str, Any]) -> Answer:
        table = self.table(asked["TableName"])
        if asked.get("IndexName") not in table.indexes:
            raise Invalid(f"The table does not have the specified index: {asked.get('IndexName')}")
        index = table.indexes[asked.get("IndexName")]
        if index.name is not None and asked.get("ConsistentRead"):
            raise Invalid("Consistent reads are not supported on global secondary indexes")
        scope = _scope(asked)
        texts = [asked.get(name) for name in ("KeyConditionExpression", "FilterExpression", "ProjectionExpression")]
        scope.check_used(*texts)
        wanted = expressions.condition(asked["KeyConditionExpression"])
        partitions = [value for name, value in wanted.equal if scope.name(name) == index.hash_name]
        if len(partitions) != 1:
            raise Invalid("Query condition missed key schema element")
        row = table.row(index, _comparable(scope.value(partitions[0])))
        found = [key for _, key in row if wanted.test(table.items[key], scope)]
        if not asked.get("ScanIndexForward", True):
            found.reverse()
        return self._page(table, index, found, asked, scope)

    def _scan(self, asked: Mapping[str, Any]) -> Answer:
        table = self.table(asked["TableName"])
        if asked.get("IndexName") is not None or "Segment" in asked:
            raise NotImplementedError("a scan of an index, or in parallel")
        scope = _scope(asked)
        scope.check_used(asked.get("FilterExpression"), asked.get("ProjectionExpression"))
        return self._page(table, table.indexes[None], sorted(table.items), asked, scope)

    def _page(
        self, table: MemoryTable, index: Index, keys: list[Key], asked: Mapping[str, Any], scope: Scope
    ) -> Answer:
        start = asked.get("ExclusiveStartKey")
        if start is not None:
            keys = keys[_after(table, index, keys, start, forward=asked.get("ScanIndexForward", True)) :]
        kept = expressions.condition(asked["FilterExpression"]).test if "FilterExpression" in asked else None
        limit, read, size = asked.get("Limit"), 0, 0
        found, last = [], None
        for number, key in enumerate(keys):
            item = table.items[key]
            if index.projected is not None:
                item = {name: value for name, value in item.items() if name in index.projected}
            read += 1
            size += table.size(key) if index.projected is None else _size(item)
            if kept is None or kept(item, scope):
                found.append(_projected(item, asked))
            if (read == limit or size > MAX_PAGE) and (number + 1 < len(keys) or read == limit):
                last = table.items[key]
                break
        answer: Answer = {"Count": len(found), "ScannedCount": read}
        if asked.get("Select") != "COUNT":
            answer["Items"] = found
        if last is not None:
            names = ("pk", "sk", index.hash_name, index.range_name)
            answer["LastEvaluatedKey"] = {name: _copy(last[name]) for name in dict.fromkeys(names)}
        return answer

    def _written(self, kind: str, asked: Mapping[str, Any]) -> Answer:
        table, key = self.table(asked["TableName"]), _written_key(kind, asked)
        before = table.items.get(key)
        after = self._changed(kind, asked)
        table.change(key, after)
        match asked.get("ReturnValues", "NONE"):
            case "NONE":
                return {}
            case "ALL_OLD":
                return {} if before is None else {"Attributes": _copy(before)}
            case "ALL_NEW" if after is not None:
                return {"Attributes": _copy(after)}
            case other:
                raise NotImplementedError(other)

    def _changed(self, kind: str, asked: Mapping[str, Any]) -> Item | None:
        """The item as a write would leave it. Raises Refused if the write's condition fails."""
        table, scope = self.table(asked["TableName"]), _scope(asked)
        before = table.items.get(_written_key(kind, asked))
        text = asked.get("ConditionExpression")
        scope.check_used(text, asked.get("UpdateExpression"))
        if text is not None and not expressions.condition(text).test(before or {}, scope):
            is_wanted = asked.get("ReturnValuesOnConditionCheckFailure") == OLD and before is not None
            found = {"Item": _copy(before)} if is_wanted else {}
            raise Refused("ConditionalCheckFailedException", "The conditional request failed", **found)
        match kind:
            case "Put":
                return _storable(table, asked["Item"])
            case "Update":
                return _updated(table, asked, before, scope)
            case "Delete":
                return None
            case _:
                return before


def stream_record(number: int, before: Item | None, after: Item | None) -> dict[str, Any]:
    """A change as Lambda gets it from a stream with both images."""
    images = {"OldImage": before, "NewImage": after}
    item = after or before or {}
    return {
        "eventID": f"{number:032x}",
        "eventName": "INSERT" if before is None else "REMOVE" if after is None else "MODIFY",
        "eventSource": "aws:dynamodb",
        "eventVersion": "1.1",
        "awsRegion": "eu-central-1",
        "dynamodb": {
            "Keys": {name: item[name] for name in ("pk", "sk")},
            "SequenceNumber": f"{number:021d}",
            "SizeBytes": _size(item),
            "StreamViewType": "NEW_AND_OLD_IMAGES",
            **{name: _copy(image) for name, image in images.items() if image is not None},
        },
    }


def _updated(table: MemoryTable, asked: Mapping[str, Any], before: Item | None, scope: Scope) -> Item:
    before = before if before is not None else dict(asked["Key"])
    after = dict(before)
    if "UpdateExpression" in asked:
        if len(asked["UpdateExpression"].encode()) > MAX_EXPRESSION:
            raise Invalid("Invalid UpdateExpression: Expression size has exceeded the maximum allowed size")
        changes, names = expressions.update(asked["UpdateExpression"])
        if {scope.name(name) for name in names} & {"pk", "sk"}:
            raise Invalid("Cannot update attribute. This attribute is part of the key")
        for change in changes:
            change(before, after, scope)
    return _storable(table, after)


def _storable(table: MemoryTable, item: Item) -> Item:
    """A copy of an item. Raises Invalid for what DynamoDB would not store."""
    for index in table.indexes.values():
        for name in (index.hash_name, index.range_name):
            if name in item and item[name] in ({"S": ""}, {"NULL": True}):
                raise Invalid(f"One or more parameter values are not valid: {name} is empty or of another type")
    if not item.keys() >= {"pk", "sk"}:
        raise Invalid("One of the required keys was not given a value")
    if _size(item) > MAX_ITEM:
        raise Invalid("Item size has exceeded the maximum allowed size")
    return _copied_item(item)


def _scope(asked: Mapping[str, Any]) -> Scope:
    return Scope(asked.get("ExpressionAttributeNames", {}), asked.get("ExpressionAttributeValues", {}))


def _projected(item: Item, asked: Mapping[str, Any]) -> Item:
    text = asked.get("ProjectionExpression")
    if text is None:
        return _copied_item(item)
    scope = _scope(asked)
    names = [scope.name(token) for token in expressions.projection(text)]
    return {name: _copy(item[name]) for name in names if name in item}


def _after(table: MemoryTable, index: Index, keys: list[Key], start: Item, *, forward: bool) -> int:
    """How many of the keys, which are sorted, do not come after the start."""
    places = [index.place(table.items[key]) for key in keys]
    at = index.place(start)
    if at is None:
        raise Invalid("The provided starting key is invalid")
    if forward:
        return bisect_right([place[1] for place in places if place], at[1])
    return len(keys) - bisect_left([place[1] for place in reversed(places) if place], at[1])


def _key_of(key: Item) -> Key:
    if key.keys() != {"pk", "sk"}:
        raise Invalid("The provided key element does not match the schema")
    return _key(key)


def _key(item: Item) -> Key:
    return item["pk"]["S"], item["sk"]["S"]


def _written_key(kind: str, asked: Mapping[str, Any]) -> Key:
    return _key(asked["Item"]) if kind == "Put" else _key_of(asked["Key"])


def _comparable(value: dict[str, Any]) -> Any:
    return expressions.number(value) if "N" in value else value.get("S", value.get("B"))


def _size(item: Item) -> int:
    """About as many bytes as DynamoDB counts. This format repeats what is equal, as version 2 knows no references."""
    try:
        return len(marshal.dumps(item, 2))
    except ValueError:  # of types that are not Python's own
        return len(json.dumps(item, ensure_ascii=False, default=str).encode(errors="surrogatepass"))


def _copied_item(item: Item) -> Item:
    return {
        name: {kind: one if type(one) is str else _copy(one) for kind, one in value.items()}
        for name, value in item.items()
    }


def _copy(value: Any) -> Any:
    try:
        return marshal.loads(marshal.dumps(value))
    except ValueError:  # of types that are not Python's own
        return _copied(value)


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _copied(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_copied(one) for one in value]
    return value


@contextmanager
def memory_dynamodb() -> Iterator[MemoryDynamoDB]:
    """Answer all calls to DynamoDB from memory while the block runs. Other services are called as before."""
    database = MemoryDynamoDB()
    with answering({"dynamodb": database}):
        yield database


def memory_table(name: str) -> MemoryTable:
    """A table of the innermost DynamoDB in memory that is open."""
    database = innermost("dynamodb")
    assert isinstance(database, MemoryDynamoDB)
    return database.table(name)

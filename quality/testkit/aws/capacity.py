"""DynamoDB's request units of a call, computed from the items, as the developer guide defines them.

A write costs a unit per KB of the item, twice as much in a transaction. Each index costs its own units if its
projection changes, and twice if its key changes. A read costs a unit per 4 KB, or half if it is eventually consistent.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil
from typing import Any

from quality.testkit.template import template

type Item = dict[str, dict[str, Any]]

WRITE_UNIT, READ_UNIT = 1024, 4096  # bytes
TABLE = template()["Resources"]["Leads"]["Properties"]
KEYS = [key["AttributeName"] for key in TABLE["KeySchema"]]


@dataclass
class Meter:
    """Counts the units of calls. Stores the items to recognize changes in an index."""

    written: float = 0
    read: float = 0
    items: dict[tuple[str, str], Item] = field(default_factory=dict)
    changes: list[tuple[Item | None, Item]] = field(default_factory=list)

    def count(self, operation: str, request: dict[str, Any], answer: dict[str, Any]) -> None:
        match operation:
            case "TransactWriteItems":
                for write in request["TransactItems"]:
                    self._write(write, factor=2)
            case "PutItem":
                self._write({"Put": request}, factor=1)
            case "UpdateItem":
                self._write({"Update": request}, factor=1)
            case "GetItem":
                self._read([answer.get("Item", {})], is_consistent=request.get("ConsistentRead", False))
            case "TransactGetItems":  # a transaction costs twice as much
                for one in answer["Responses"]:
                    self._read([one.get("Item", {})], is_consistent=True)
                    self._read([one.get("Item", {})], is_consistent=True)
            case "Query":
                self._read(answer["Items"], is_consistent=request.get("ConsistentRead", False))
            case "BatchGetItem":
                for items in answer["Responses"].values():
                    for item in items:
                        self._read([item], is_consistent=False)
            case _:
                raise LookupError(f"the cost of {operation} is not defined here")

    def _write(self, write: dict[str, Any], *, factor: int) -> None:
        ((kind, one),) = write.items()
        if kind == "Put":
            self._put(one["Item"], factor)
            return
        key = (one["Key"]["pk"]["S"], one["Key"]["sk"]["S"])
        before = self.items.get(key)
        self.written += factor * units(before or one["Key"], WRITE_UNIT)
        if kind == "Update" and before is not None and ":due_at" in one.get("ExpressionAttributeValues", {}):
            after = {**before, "due_at": one["ExpressionAttributeValues"][":due_at"]}
            self._change(key, before, after)

    def _put(self, item: Item, factor: int) -> None:
        key = (item["pk"]["S"], item["sk"]["S"])
        self.written += factor * units(item, WRITE_UNIT)
        self._change(key, self.items.get(key), item)

    def _change(self, key: tuple[str, str], before: Item | None, after: Item) -> None:
        for index in TABLE["GlobalSecondaryIndexes"]:
            self.written += index_units(index, before, after)
        self.items[key] = after
        self.changes.append((before, after))

    def _read(self, items: list[Item], *, is_consistent: bool) -> None:
        self.read += read_units(sum(size(item) for item in items), is_consistent=is_consistent)


def read_units(touched: float, *, is_consistent: bool) -> float:
    """The units of reading this number of bytes, including filtered ones."""
    units = max(1, ceil(touched / READ_UNIT))
    return units if is_consistent else units / 2


def index_units(index: dict[str, Any], before: Item | None, after: Item) -> int:
    """The units of a change in one index."""
    old, new = projected(index, before), projected(index, after)
    if old == new:
        return 0
    if old and new and keys_of(index, old) == keys_of(index, new):
        return units(new, WRITE_UNIT)
    return (units(old, WRITE_UNIT) if old else 0) + (units(new, WRITE_UNIT) if new else 0)


def stored_size(item: Item) -> int:
    """Bytes of an item in the table and in all indexes, with 100 bytes overhead each."""
    entries = [item, *(one for index in TABLE["GlobalSecondaryIndexes"] if (one := projected(index, item)))]
    return sum(size(entry) + 100 for entry in entries)


def keys_of(index: dict[str, Any], item: Item) -> list[dict[str, Any]]:
    return [item[key["AttributeName"]] for key in index["KeySchema"]]


def projected(index: dict[str, Any], item: Item | None) -> Item:
    """An index's projection of an item; empty if the item has no index key."""
    names = [key["AttributeName"] for key in index["KeySchema"]]
    if item is None or not all(name in item for name in names):
        return {}
    kept = {*KEYS, *names, *index["Projection"].get("NonKeyAttributes", [])}
    return {name: value for name, value in item.items() if name in kept}


def units(item: Item, unit: int) -> int:
    """The units of one item, at least one."""
    return max(1, ceil(size(item) / unit))


def size(item: Item) -> int:
    """Bytes of an item: its attributes' names and values."""
    return sum(len(name.encode()) + value_size(value) for name, value in item.items())


def value_size(typed: dict[str, Any]) -> int:
    """Bytes of a value in DynamoDB's own notation, `{"S": "text"}`."""
    ((kind, value),) = typed.items()
    match kind:
        case "S":
            return len(value.encode())
        case "N":
            return len(value) // 2 + 2
        case "M":
            return 3 + sum(1 + len(name.encode()) + value_size(one) for name, one in value.items())
        case "L":
            return 3 + sum(1 + value_size(one) for one in value)
        case "BOOL" | "NULL":
            return 1
        case _:
            raise LookupError(f"the size of {kind} is not defined here")

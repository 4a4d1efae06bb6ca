"""Writes for transactions and batches, with plain values. `table` sends them to DynamoDB."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from leadbridge.runtime.environment import retention_days
from leadbridge.storage.items import Item, encode, lead_key

DAY = 86_400
LEAD_OUTLIVES = DAY  # seconds by which a lead's own item outlives the other items of the lead
FRESH_FOR = timedelta(hours=22)  # after the lead was received; items written in this time cannot outlive its item


@dataclass(frozen=True)
class Write:
    """One write: single, in a transaction, or in a batch, where conditions are not possible.

    `kind` is the DynamoDB operation. `target` is the item of a Put, and the key of every other write. With
    `returns_found`, a failed condition returns the stored item.
    """

    kind: Literal["Put", "Update", "Delete", "ConditionCheck"]
    target: Mapping[str, Any]
    condition: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    expression: str | None = None  # of an Update
    returns_found: bool = False

    def parameters(self, table: str) -> dict[str, Any]:
        """Return the parameters of the DynamoDB call, or of one part of a transaction."""
        parameters: dict[str, Any] = {
            "TableName": table,
            "Item" if self.kind == "Put" else "Key": encode(self.target),
        }
        if self.expression is not None:
            parameters["UpdateExpression"] = self.expression
        if self.condition is not None:
            parameters["ConditionExpression"] = self.condition
        if self.values:
            parameters["ExpressionAttributeValues"] = encode(self.values)
        if self.names:
            parameters["ExpressionAttributeNames"] = dict(self.names)
        if self.returns_found:
            parameters["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
        return parameters

    def batch_request(self) -> dict[str, Any]:
        """Return the request for a batch."""
        if self.kind == "Put":
            return {"PutRequest": {"Item": encode(self.target)}}
        return {"DeleteRequest": {"Key": encode(self.target)}}


def expires_at() -> int:
    """Return the Unix time at which DynamoDB may delete an item that is written now."""
    return int(time.time()) + retention_days() * DAY


def with_ttl(item: Item) -> Item:
    """Add the time at which DynamoDB may delete an item, unless the item has one.

    A lead's own item is stored for a day longer than its other items, which are found through it.
    """
    longer = LEAD_OUTLIVES if item.get("sk") == "LEAD" else 0
    return {"expires_at": expires_at() + longer, **item}


def put(
    item: Item,
    condition: str | None = None,
    *,
    version: int | None = None,
    values: Mapping[str, Any] | None = None,
    names: Mapping[str, str] | None = None,
    ttl: bool = True,
) -> Write:
    """Store an item, on a condition, or on the condition that the stored item has this version.

    Without `ttl`, an item that has no `expires_at` never expires.
    """
    stored = with_ttl(item) if ttl else item
    if version is not None:
        return Write("Put", stored, "#version = :version", {":version": version}, {"#version": "version"})
    return Write("Put", stored, condition, values or {}, names or {})


def update(
    key: Mapping[str, str],
    expression: str,
    condition: str,
    *,
    values: Mapping[str, Any] | None = None,
    names: Mapping[str, str] | None = None,
    returns_found: bool = False,
) -> Write:
    """Change attributes of an item on a condition."""
    return Write("Update", key, condition, values or {}, names or {}, expression, returns_found)


def delete(key: Mapping[str, str], condition: str | None = None, values: Mapping[str, Any] | None = None) -> Write:
    """Delete an item, optionally on a condition."""
    return Write("Delete", key, condition, values or {})


def check(key: Mapping[str, str], condition: str, values: Mapping[str, Any] | None = None) -> Write:
    """Write nothing; fail the transaction if the condition is false."""
    return Write("ConditionCheck", key, condition, values or {})


def not_erased(lead_id: str) -> Write:
    """Fail the transaction if the lead's person was erased."""
    return check(lead_key(lead_id), "attribute_not_exists(erased_at)")


def extend_ttl(lead_id: str, *, not_erased: bool = False) -> Write:
    """Extend the lifetime of the lead's item beyond that of the items in the same transaction.

    The write fails if the lead's item is missing; with `not_erased`, also if the lead's person was erased.
    """
    return update(
        lead_key(lead_id),
        "SET expires_at = :expires_at",
        "attribute_exists(pk)" + (" AND attribute_not_exists(erased_at)" if not_erased else ""),
        values={":expires_at": expires_at() + LEAD_OUTLIVES},
    )


def is_late(began_at: datetime, now: datetime, fresh: timedelta = FRESH_FOR) -> bool:
    """Return whether a write at `now` to an item that was new at `began_at` could outlive the lead's item."""
    return now - began_at >= fresh


def due_at_unchanged(seen: datetime | None) -> str:
    """Return the condition that an item still has the due time `:seen` with which it was read."""
    return "attribute_not_exists(due_at)" if seen is None else "due_at = :seen"

"""Items that are written with a delivery, in its transaction: the tie of its id at the partner, its entry in a list."""

from __future__ import annotations

from typing import Any

from leadbridge.domain.delivery import Delivery
from leadbridge.storage import items
from leadbridge.storage.table import put


def link(table: str, delivery: Delivery) -> Any:
    """Tie a deal or an account to its lead, on the condition that no other lead has it and that it is not erased."""
    own = "attribute_not_exists(pk) OR (lead_id = :own AND attribute_not_exists(is_erased))"
    write = put(table, items.link_item(delivery), own)
    write["Put"]["ExpressionAttributeValues"] = items.encode({":own": delivery.lead_id})
    return write


def unlink(table: str, delivery: Delivery, created: int | str) -> list[Any]:
    """Release a tie. The stored account is deleted too, so that the next sync looks for its lead again."""
    key = items.link_key(delivery.partner, created)
    own: Any = {
        "TableName": table,
        "Key": items.encode(key),
        "ConditionExpression": "attribute_not_exists(pk) OR lead_id = :own",
        "ExpressionAttributeValues": items.encode({":own": delivery.lead_id}),
    }
    account = {"TableName": table, "Key": items.encode({**key, "sk": "ACCOUNT"})}
    return [{"Delete": own}, *([{"Delete": account}] if isinstance(created, str) else [])]


def attention(table: str, before: Delivery, after: Delivery) -> list[Any]:
    """Return the write that lists a delivery as needing a person, or takes it off the list; none if nothing changes."""
    if (before.attention is None) == (after.attention is None):
        return []
    if after.attention is not None:
        return [put(table, items.attention_item(after))]
    key = items.encode(items.attention_key(after.lead_id, after.partner))
    return [{"Delete": {"TableName": table, "Key": key}}]

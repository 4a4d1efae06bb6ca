"""Pointers to items about a person that belong to no lead. The erasure of a lead finds these items by them.

pk                     sk                          points to
TRACE#{kind}#{value}   ACCOUNT#{partner}#{uuid}    an account in a partner's list, by its e-mail
TRACE#{kind}#{value}   LEELOO#{key}                an event of Leeloo, by its phone, e-mail or account

`kind` is `phone_hash`, `email_hash` (keyed hashes, as a lead's item has them) or `account_id`. A pointer is written
before the item or together with it, so that no crash leaves an item without its pointer.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from leadbridge.storage import items
from leadbridge.storage.items import Item

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

PHONE, EMAIL, ACCOUNT = "phone_hash", "email_hash", "account_id"
MAX_FOUND = 10_000  # pointers of one value that are read


def trace_key(kind: str, value: str, target: str) -> dict[str, str]:
    """The key of a pointer; `target` is the partition of the item it points to."""
    return {"pk": f"TRACE#{kind}#{value}", "sk": target}


def trace_item(kind: str, value: str, target: str) -> Item:
    """A pointer as it is stored."""
    return items.encode(dict(trace_key(kind, value, target)))


def find_traces(client: DynamoDBClient, table: str, kind: str, value: str) -> Iterator[dict[str, Any]]:
    """The pointers of one value. Raises botocore's errors when AWS does not answer."""
    pages = client.get_paginator("query").paginate(
        TableName=table,
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues=items.encode({":pk": f"TRACE#{kind}#{value}"}),
        ConsistentRead=True,
        PaginationConfig={"MaxItems": MAX_FOUND},
    )
    for page in pages:
        yield from map(items.decode, page["Items"])

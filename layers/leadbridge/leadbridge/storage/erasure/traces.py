"""Pointers to items about a person that belong to no lead. The erasure of a lead finds these items by them.

pk                     sk                          points to
TRACE#{kind}#{value}   ACCOUNT#{partner}#{uuid}    an account in a partner's list, by its e-mail
TRACE#{kind}#{value}   LEELOO#{key}                an event of Leeloo, by its phone, e-mail or account

`kind` is `phone_hash`, `email_hash` (keyed hashes, as a lead's item has them) or `account_id`. A pointer is written
before the item or together with it, so that no crash leaves an item without its pointer.
"""

from __future__ import annotations

from collections.abc import Iterator

from leadbridge.storage.items import Item
from leadbridge.storage.table import Query, Table

PHONE, EMAIL, ACCOUNT = "phone_hash", "email_hash", "account_id"
MAX_FOUND = 10_000  # pointers of one value that are read


def trace_key(kind: str, value: str, target: str) -> dict[str, str]:
    """The key of a pointer; `target` is the partition of the item it points to."""
    return {"pk": f"TRACE#{kind}#{value}", "sk": target}


def trace_item(kind: str, value: str, target: str) -> Item:
    """A pointer as it is stored."""
    return trace_key(kind, value, target)


def find_traces(table: Table, kind: str, value: str) -> Iterator[Item]:
    """The pointers of one value. Raises Contended, and botocore's errors."""
    return table.query(Query("pk = :pk", {":pk": f"TRACE#{kind}#{value}"}), limit=MAX_FOUND)

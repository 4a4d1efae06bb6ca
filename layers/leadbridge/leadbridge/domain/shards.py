"""The shards of an index partition that every lead writes to.

DynamoDB accepts 1,000 write units a second for one partition key. A partition such as "all leads" would exceed that, so
its key has a shard: `lead#5`. A reader reads all shards and merges them.
"""

from __future__ import annotations

from zlib import crc32

# At 1,000 leads a second each shard gets 63 of them, and a lead writes up to 10 units to a partition (see
# docs/capacity.md). A stored lead keeps its shard, so a change of this number needs a migration of the table.
SHARDS = 16


def shard_of(lead_id: str) -> int:
    """Return the shard of a lead, from 0 to `SHARDS` - 1. All items of a lead are in the same shard."""
    return crc32(lead_id.encode()) % SHARDS


def sharded(partition: str, lead_id: str) -> str:
    """Return the key of a lead's items in a partition: `lead#5`."""
    return f"{partition}#{shard_of(lead_id)}"


def shards_of(partition: str) -> tuple[str, ...]:
    """Return the keys of all shards of a partition."""
    return tuple(f"{partition}#{number}" for number in range(SHARDS))

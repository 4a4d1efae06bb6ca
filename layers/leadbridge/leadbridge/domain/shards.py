"""The shards of an index partition that every lead writes to.

DynamoDB accepts 1,000 write units a second for one partition key. A partition such as "all leads" would exceed that, so
its key has a shard: `lead#5`. A reader reads all shards and merges them, so more shards cost more reads.
"""

from __future__ import annotations

from zlib import crc32

# At 1,000 leads a second each shard gets 125 of them (docs/capacity.md has the write units of each partition). A stored
# lead keeps its shard, so a change of these numbers needs a migration of the table.
SHARDS = 8
MOST_SHARDS = 16
# Partitions with `MOST_SHARDS`: a lead has several messages and several postbacks, each of which is due twice.
MANY_WRITES = frozenset({"messages", "feedback"})


def shards_in(partition: str) -> int:
    """Return the number of shards of a partition."""
    return MOST_SHARDS if partition in MANY_WRITES else SHARDS


def shard_of(lead_id: str, shards: int = SHARDS) -> int:
    """Return the shard of a lead, from 0 to `shards` - 1. All items of a lead are in the same shard of a partition."""
    return crc32(lead_id.encode()) % shards


def sharded(partition: str, lead_id: str) -> str:
    """Return the key of a lead's items in a partition: `lead#5`."""
    return f"{partition}#{shard_of(lead_id, shards_in(partition))}"


def shards_of(partition: str) -> tuple[str, ...]:
    """Return the keys of all shards of a partition."""
    return tuple(f"{partition}#{number}" for number in range(shards_in(partition)))

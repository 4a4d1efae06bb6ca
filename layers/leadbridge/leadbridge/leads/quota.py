"""How many leads a source may bring in a minute, counted in the very transaction that stores each.

pk                              sk       item
RATE#{source}#{minute}#{part}   COUNT    how many came, in this part of the count
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zlib import crc32

from leadbridge.leads import items

PER_PART = 60  # leads that one part of the count takes: more parts let more leads come at the same moment
KEPT_FOR = 3600  # seconds for which a count outlives its minute


class TooMany(Exception):
    """The source has brought as many leads as it may in a minute. The argument is how many seconds are left of it."""


@dataclass(frozen=True)
class Quota:
    """At most so many leads of a source in a minute."""

    source: str
    per_minute: int

    def write(self, table: str, lead_id: str, now: datetime) -> Any:
        """The write that counts a lead, and fails if there were enough."""
        parts = -(-self.per_minute // PER_PART)
        minute = int(now.timestamp()) // 60
        key = {"pk": f"RATE#{self.source}#{minute}#{crc32(lead_id.encode()) % parts}", "sk": "COUNT"}
        return {
            "Update": {
                "TableName": table,
                "Key": items.encode(key),
                "UpdateExpression": "SET expires_at = :expires_at ADD leads :one",
                "ConditionExpression": "attribute_not_exists(leads) OR leads < :most",
                "ExpressionAttributeValues": items.encode(
                    {":one": 1, ":most": -(-self.per_minute // parts), ":expires_at": minute * 60 + KEPT_FOR}
                ),
            }
        }

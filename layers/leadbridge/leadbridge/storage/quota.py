"""How many leads a source may bring in a minute, counted before each is stored.

pk                              sk       item
RATE#{source}#{minute}#{part}   COUNT    how many came, in this part of the count, and an attribute for each

The count is a plain update: plain updates of one item wait for each other, while a transaction that conflicts with
another one is canceled. A plain update has no idempotency token, and botocore repeats it after a lost reply. So each
post has an attribute with a random name, its mark, by which it is counted once. The parts are small, because AWS bills
a write by the size of its item.

The count comes first, so that no lead is stored uncounted. A redelivery is taken off the count again. A worker that
stops in between leaves the count too high, until its minute ends.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4
from zlib import crc32

from leadbridge.domain.transitions import Conflict
from leadbridge.runtime.aws_errors import RETRY_FOR, Contended
from leadbridge.storage.table import Table
from leadbridge.storage.writes import update

MAX_LEADS_PER_PART = 500  # leads in a minute that one item counts: 6 KB of marks
MARK_LENGTH = 10  # hexadecimal digits; fewer than one in a million full parts have two equal ones
TTL_SECONDS = 3600  # seconds for which a count outlives its minute
UNCOUNT_RETRY_FOR = 0.5  # seconds for which taking a redelivery off the count is retried


class QuotaExceeded(Exception):
    """The source has brought as many leads as it may in a minute. The argument is how many seconds are left of it."""


@dataclass(frozen=True)
class Counted:
    """One post in a count: the key of the item, and the name of the post's attribute there."""

    key: dict[str, str]
    mark: str


@dataclass(frozen=True)
class Quota:
    """At most so many leads of a source in a minute."""

    source: str
    per_minute: int

    def take(self, table: Table, lead_id: str, now: datetime, *, retry_for: float = RETRY_FOR) -> Counted:
        """Count a lead once, however often AWS's reply is lost; return where it is counted, for `uncount`.

        Raises QuotaExceeded where all parts of the count are full, Contended.
        """
        parts = -(-self.per_minute // MAX_LEADS_PER_PART)
        share, remainder = divmod(self.per_minute, parts)
        minute, first = int(now.timestamp()) // 60, crc32(lead_id.encode())
        mark = f"#{uuid4().hex[:MARK_LENGTH]}"
        for number in range(parts):
            part = (first + number) % parts
            counted = Counted({"pk": f"RATE#{self.source}#{minute}#{part}", "sk": "COUNT"}, mark)
            if _has_room(table, counted, share + (part < remainder), minute, retry_for):
                return counted
        raise QuotaExceeded(60 - now.second)


def uncount(table: Table, counted: Counted) -> None:
    """Take a redelivery off the count, once. If AWS does not write it in time, the count stays too high."""
    returned = update(
        counted.key,
        "REMOVE #mark ADD leads :one",
        "attribute_exists(#mark)",
        values={":one": -1},
        names={"#mark": counted.mark},
    )
    with suppress(Contended, Conflict):
        table.write(returned, retry_for=UNCOUNT_RETRY_FOR)


def _has_room(table: Table, counted: Counted, most: int, minute: int, retry_for: float) -> bool:
    """Count a post; return whether this part of the count had room for it."""
    count = update(
        counted.key,
        "SET expires_at = :expires_at, #mark = :marked ADD leads :one",
        "attribute_not_exists(leads) OR (leads < :most AND attribute_not_exists(#mark))",
        values={":one": 1, ":marked": True, ":most": most, ":expires_at": minute * 60 + TTL_SECONDS},
        names={"#mark": counted.mark},
        returns_found=True,
    )
    try:
        table.write(count, retry_for=retry_for)
    except Conflict as conflict:
        # The mark is there if an earlier update was written and its reply was lost.
        return counted.mark in conflict.found[0]
    return True

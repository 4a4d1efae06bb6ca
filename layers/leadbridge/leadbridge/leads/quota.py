"""How many leads a source may bring in a minute, counted before each is stored.

pk                              sk       item
RATE#{source}#{minute}#{part}   COUNT    how many came, in this part of the count

The count is a plain update: plain updates of one item wait for each other, while a transaction that conflicts with
another one is canceled. It comes first, so that no lead is stored uncounted. A redelivery is taken off the count
again. A worker that stops in between leaves the count too high, until its minute ends.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from zlib import crc32

from botocore.exceptions import ClientError

from leadbridge.aws_errors import Contended, code_of
from leadbridge.leads import items
from leadbridge.leads.items import Item
from leadbridge.leads.writing import RETRY_FOR, persist, transact

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

PER_PART = 6000  # leads in a minute that one item counts; DynamoDB takes a thousand writes of an item in a second
KEPT_FOR = 3600  # seconds for which a count outlives its minute
RETURN_FOR = 0.5  # seconds for which taking a redelivery off the count is retried


class TooMany(Exception):
    """The source has brought as many leads as it may in a minute. The argument is how many seconds are left of it."""


@dataclass(frozen=True)
class Quota:
    """At most so many leads of a source in a minute."""

    source: str
    per_minute: int

    def take(
        self, client: DynamoDBClient, table: str, lead_id: str, now: datetime, *, retry_for: float = RETRY_FOR
    ) -> Item:
        """Count a lead; return the key of the item that counts it, for `give_back`.

        Raises TooMany where all parts of the count are full, Contended.
        """
        parts = -(-self.per_minute // PER_PART)
        share, remainder = divmod(self.per_minute, parts)
        minute, first = int(now.timestamp()) // 60, crc32(lead_id.encode())
        for number in range(parts):
            part = (first + number) % parts
            key = items.encode({"pk": f"RATE#{self.source}#{minute}#{part}", "sk": "COUNT"})
            if _counted(client, table, key, share + (part < remainder), minute, retry_for):
                return key
        raise TooMany(60 - now.second)


def give_back(client: DynamoDBClient, table: str, key: Item) -> None:
    """Take a redelivery off the count. If AWS does not write it in time, the count stays too high.

    This is a transaction because it has an idempotency token. A plain update that is repeated after a lost answer
    would subtract two, and a lead would be stored uncounted.
    """
    update = {
        "TableName": table,
        "Key": key,
        "UpdateExpression": "ADD leads :one",
        "ConditionExpression": "leads > :none",
        "ExpressionAttributeValues": items.encode({":one": -1, ":none": 0}),
    }
    with suppress(Contended):
        transact(client, [{"Update": update}], retry_for=RETURN_FOR)


def _counted(client: DynamoDBClient, table: str, key: Item, most: int, minute: int, retry_for: float) -> bool:
    values = items.encode({":one": 1, ":most": most, ":expires_at": minute * 60 + KEPT_FOR})
    try:
        persist(
            lambda: client.update_item(
                TableName=table,
                Key=key,
                UpdateExpression="SET expires_at = :expires_at ADD leads :one",
                ConditionExpression="attribute_not_exists(leads) OR leads < :most",
                ExpressionAttributeValues=values,
            ),
            retry_for,
        )
    except ClientError as error:
        if code_of(error) != "ConditionalCheckFailedException":
            raise
        return False
    return True

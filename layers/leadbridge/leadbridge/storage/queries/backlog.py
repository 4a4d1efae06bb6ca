"""How things stand, read cheaply from the index `listing`: since when a lead waits, and whose leads stopped coming."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from leadbridge.domain.clock import from_text
from leadbridge.domain.delivery import State
from leadbridge.storage import items

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

PER_READ = 1000
READS = 300  # so many thousand leads are looked through for a source's last one, at most


class BacklogMonitor:
    """Reads how things stand. Every method may raise botocore's errors when AWS does not answer."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def oldest_waiting(self) -> datetime | None:
        """When the oldest lead came that waits for a partner, or to be fetched; None while none does. One item is read.

        It is the lead's own age: one that an operator has begin anew is as old as it ever was.
        """
        query = self._oldest_first(f"delivery#{State.RECEIVED.value}")
        found = self._client.query(**query, Limit=1)["Items"]
        return _received_at(items.decode(found[0])) if found else None

    def last_leads(self, sources: Collection[str]) -> dict[str, datetime]:
        """When some sources brought their last lead; without those whose leads are too far back, or never were."""
        query = {**self._oldest_first(items.LEADS), "ScanIndexForward": False, "Limit": PER_READ}
        last: dict[str, datetime] = {}
        for _ in range(READS):
            answer = self._client.query(**query)
            for values in map(items.decode, answer["Items"]):
                if values["source"] in sources:
                    last.setdefault(values["source"], _received_at(values))
            if len(last) == len(sources) or "LastEvaluatedKey" not in answer:
                break
            query["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
        return last

    def _oldest_first(self, partition: str) -> dict[str, Any]:
        return {
            "TableName": self._table,
            "IndexName": items.LISTING,
            "KeyConditionExpression": "listed = :listed",
            "ProjectionExpression": "received_key, #source",
            "ExpressionAttributeNames": {"#source": "source"},
            "ExpressionAttributeValues": items.encode({":listed": partition}),
        }


def stale_sources(last: Mapping[str, datetime], longest: Mapping[str, timedelta], now: datetime) -> list[str]:
    """The sources whose last lead is longer ago than their `longest` pause, in order of their names.

    One that has never brought a lead has not gone quiet: its form is not switched on yet, and nobody waits for it.
    """
    return sorted(name for name, moment in last.items() if now - moment > longest[name])


def _received_at(values: dict[str, Any]) -> datetime:
    return from_text(values["received_key"].partition("#")[0])

"""Forgetting a person: what is left of their lead is a tombstone, by which a redelivered post still finds it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import batched
from typing import TYPE_CHECKING, Any

from leadbridge.leads import items
from leadbridge.leads.claims import Claims
from leadbridge.leads.delivery import Delivery
from leadbridge.leads.items import Entry
from leadbridge.leads.lead import Lead
from leadbridge.leads.operator_steps import erased
from leadbridge.leads.writing import Contended, put, transact

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

TOGETHER = 25  # items that one batch writes at most
TURNS = 10  # how often what a batch left over is tried again
KEPT = ("LEAD", "DELIVERY#", "EVENT#")  # what begins so outlives the person, without what tells of them


class UnknownLead(LookupError):
    """There is no such lead."""


class Eraser:
    """Erases people from the table. Safe to repeat: one that died half-way is finished by the next.

    Every method may raise botocore's errors when AWS does not answer.
    """

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def erase(self, lead_id: str, operator: str, now: datetime) -> None:
        """Forget a lead's person. Raises UnknownLead; Busy while it is being submitted; Conflict, Contended.

        The lead itself goes with its deliveries, and with what a partner's list told of the person, in one transaction;
        then the claims on who came first, which hold hashes and expire, and last whatever else lies beside the lead.
        """
        found = list(self._items(lead_id))
        lead = next((values for values in found if values["sk"] == "LEAD"), None)
        if lead is None:
            raise UnknownLead(lead_id)
        if "erased_at" not in lead:
            deliveries = [items.delivery_of(values) for values in found if values["sk"].startswith("DELIVERY#")]
            changes = [erased(delivery, now) for delivery in deliveries]
            tombstone = items.lead_item(_tombstone(items.lead_of(lead), now), phone_hash=None)
            entry = Entry(now, "erased", detail=f"by {operator}")
            writes = [
                put(self._table, tombstone, "attribute_exists(pk)"),
                put(self._table, items.entry_item(lead_id, entry, "erased")),
            ]
            for change in changes:
                writes.append(put(self._table, items.delivery_item(change.after), version=change.before.version))
                writes += self._forgotten_account(change.before)
            transact(self._client, writes, or_conflict=True)
            Claims(self._client, self._table).release(lead)
        self._clean(lead_id)

    def _forgotten_account(self, delivery: Delivery) -> list[Any]:
        """Delete what is kept of the person's account at a partner, and note that it is not to be kept again.

        The tie of a deal is marked in the same way, so that no other lead takes the deal.
        """
        if delivery.created is None:
            return []
        tie = items.tie_key(delivery.partner, delivery.created)
        marked = items.encode({**tie, "lead_id": delivery.lead_id, "is_erased": True})
        key = items.encode({**tie, "sk": "ACCOUNT"})
        return [
            {"Put": {"TableName": self._table, "Item": marked}},
            {"Delete": {"TableName": self._table, "Key": key}},
        ]

    def _clean(self, lead_id: str) -> None:
        """Delete what belongs to the person, and take from the timeline what it quotes."""
        requests: list[Any] = []
        for values in self._items(lead_id):
            key = {"pk": values["pk"], "sk": values["sk"]}
            if not values["sk"].startswith(KEPT):
                requests.append({"DeleteRequest": {"Key": items.encode(key)}})
            elif values["sk"].startswith("EVENT#") and "detail" in values and values["what"] != "erased":
                rest = {name: value for name, value in values.items() if name != "detail"}
                requests.append({"PutRequest": {"Item": items.encode(rest)}})
        self._write(requests)

    def _items(self, lead_id: str) -> Iterator[dict[str, Any]]:
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues=items.encode({":pk": f"LEAD#{lead_id}"}),
            ConsistentRead=True,
            PaginationConfig={"MaxItems": 100_000},
        )
        for page in pages:
            yield from map(items.decode, page["Items"])

    def _write(self, requests: list[Any]) -> None:
        for some in batched(requests, TOGETHER, strict=False):
            left: dict[str, Any] = {self._table: list(some)}
            for _ in range(TURNS):
                left = dict(self._client.batch_write_item(RequestItems=left).get("UnprocessedItems", {}))
                if not left:
                    break
            else:
                raise Contended


def _tombstone(lead: Lead, now: datetime) -> Lead:
    return Lead(
        lead_id=lead.lead_id, source=lead.source, received_at=lead.received_at, partners=lead.partners, erased_at=now
    )

"""Who came first: one claim a person and partner, so that of a person's two leads, however close, one is the first."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from leadbridge.clock import from_text, to_text
from leadbridge.leads import items
from leadbridge.leads.delivery import Delivery, State
from leadbridge.leads.writing import Contended, put, transact

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

HASHES = ("phone_hash", "tax_hash")  # the attributes of a lead that tell whose it is
NOT_SERVED = {State.REJECTED, State.FAILED, State.DUPLICATE}  # a lead that came to this is no reason to stop the next
TURNS = 10  # how often a claim that others are changing is tried for


class Claims:
    """Claims in the table of leads. Every method may raise botocore's errors when AWS does not answer."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def first(self, delivery: Delivery, within: timedelta, kept_for: timedelta) -> str | None:
        """The lead with which this delivery's person came to its partner `within` so long before; None if with none.

        Then this lead is the first, and noted so for `kept_for`. A lead that the partner never got is passed over.
        Safe to repeat. Raises Contended.
        """
        lead = self._get(items.lead_key(delivery.lead_id)) or {}
        keys = claim_keys(lead, (delivery.partner,))
        if not keys:
            return None
        since = delivery.received_at - within
        passed: dict[str, str] = {}
        for _ in range(TURNS):
            refused = transact(self._client, [self._claim(key, delivery, since, kept_for, passed) for key in keys])
            if refused is None:
                return None
            holder = self._get(keys[refused])
            if holder is None:
                continue
            if from_text(holder["claimed_at"]) > since and self._is_served(holder["lead_id"], delivery.partner):
                return str(holder["lead_id"])
            passed[keys[refused]["pk"]] = holder["lead_id"]
        raise Contended

    def release(self, lead: dict[str, Any]) -> None:
        """Give up what a lead claims; `lead` is its item, decoded."""
        for key in claim_keys(lead, lead["partners"]):
            with suppress(self._client.exceptions.ConditionalCheckFailedException):
                self._client.delete_item(
                    TableName=self._table,
                    Key=items.encode(key),
                    ConditionExpression="lead_id = :own",
                    ExpressionAttributeValues=items.encode({":own": lead["lead_id"]}),
                )

    def _claim(
        self, key: dict[str, str], delivery: Delivery, since: datetime, kept_for: timedelta, passed: dict[str, str]
    ) -> Any:
        item = {
            **key,
            "lead_id": delivery.lead_id,
            "claimed_at": to_text(delivery.received_at),
            "expires_at": int((delivery.received_at + kept_for).timestamp()),
        }
        write = put(
            self._table,
            items.encode(item),
            "attribute_not_exists(pk) OR claimed_at <= :since OR lead_id = :own OR lead_id = :passed",
        )
        write["Put"]["ExpressionAttributeValues"] = items.encode(
            {
                ":since": to_text(since),
                ":own": delivery.lead_id,
                ":passed": passed.get(key["pk"], delivery.lead_id),
            }
        )
        return write

    def _is_served(self, lead_id: str, partner: str) -> bool:
        values = self._get(items.delivery_key(lead_id, partner))
        return values is not None and State(values["state"]) not in NOT_SERVED

    def _get(self, key: dict[str, str]) -> dict[str, Any] | None:
        got = self._client.get_item(TableName=self._table, Key=items.encode(key), ConsistentRead=True)
        return items.decode(got["Item"]) if "Item" in got else None


def claim_keys(lead: dict[str, Any], partners: Iterable[str]) -> list[dict[str, str]]:
    """The keys of the claims that a lead's item, decoded, may have."""
    return [
        {"pk": f"PERSON#{partner}#{name}#{lead[name]}", "sk": "CLAIM"}
        for partner in partners
        for name in HASHES
        if name in lead
    ]

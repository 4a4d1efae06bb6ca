"""Who came first: one claim a person and partner, so that of a person's two leads, however close, one is the first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from leadbridge.domain.clock import from_text, to_text
from leadbridge.domain.delivery import Delivery, State
from leadbridge.storage import items
from leadbridge.storage.table import Contended, expires_at, not_erased, put, transact

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

HASHES = ("phone_hash", "tax_hash")  # the attributes of a lead that tell whose it is
NOT_SERVED = frozenset({State.REJECTED, State.FAILED, State.DUPLICATE})  # such a lead does not stop the next one
UNSETTLED = frozenset({State.RECEIVED, State.SUBMITTING, State.UNKNOWN})  # it may still end so
TURNS = 10  # how often a claim that others are changing is tried for


@dataclass(frozen=True)
class EarlierLead:
    """The lead with which a person came to a partner before, and the state of its delivery there."""

    lead_id: str
    state: State

    @property
    def is_unsettled(self) -> bool:
        """Whether its delivery may still end without the partner having it."""
        return self.state in UNSETTLED


class Claims:
    """Claims in the table of leads. Every method may raise botocore's errors when AWS does not answer."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def first(self, delivery: Delivery, within: timedelta, kept_for: timedelta) -> EarlierLead | None:
        """Return the lead with which this delivery's person came to its partner in the time `within`; None if none.

        If there is none, this lead claims the person for `kept_for`. A lead that the partner never got does not count.
        A delivery that is sent although it repeats another lead (`repeat_of`) takes the claims over. Nothing is claimed
        for a person who was erased. Safe to repeat. Raises Contended.
        """
        lead = self._get(items.lead_key(delivery.lead_id)) or {}
        keys = claim_keys(lead, (delivery.partner,))
        if delivery.repeat_of is not None:
            for key in keys:
                self._take_over(key, delivery, kept_for)
            return None
        since = delivery.received_at - within
        passed: dict[str, str] = {}
        for _ in range(TURNS if keys else 0):
            claims = [self._claim(key, delivery, since, kept_for, passed) for key in keys]
            refused = transact(self._client, [*claims, not_erased(self._table, delivery.lead_id)])
            if refused is None or refused == len(keys):
                return None
            holder = self._get(keys[refused])
            if holder is None:
                continue
            state = self._state(holder["lead_id"], delivery.partner)
            if from_text(holder["claimed_at"]) > since and state is not None and state not in NOT_SERVED:
                return EarlierLead(str(holder["lead_id"]), state)
            passed[keys[refused]["pk"]] = holder["lead_id"]
        if keys:
            raise Contended
        return None

    def releasing(self, lead: dict[str, Any]) -> list[Any]:
        """Return the deletes for a transaction that releases the claims of a lead; `lead` is its item, decoded."""
        own = [key for key in claim_keys(lead, lead["partners"]) if self._is_held_by(lead["lead_id"], key)]
        return [
            {
                "Delete": {
                    "TableName": self._table,
                    "Key": items.encode(key),
                    "ConditionExpression": "lead_id = :own",
                    "ExpressionAttributeValues": items.encode({":own": lead["lead_id"]}),
                }
            }
            for key in own
        ]

    def _claim(
        self, key: dict[str, str], delivery: Delivery, since: datetime, kept_for: timedelta, passed: dict[str, str]
    ) -> Any:
        return self._put(
            key,
            delivery,
            kept_for,
            "attribute_not_exists(pk) OR claimed_at <= :since OR lead_id = :own OR lead_id = :passed",
            {
                ":since": to_text(since),
                ":own": delivery.lead_id,
                ":passed": passed.get(key["pk"], delivery.lead_id),
            },
        )

    def _take_over(self, key: dict[str, str], delivery: Delivery, kept_for: timedelta) -> None:
        """Claim with a delivery's own date, unless a later lead has the claim or the person was erased."""
        values = {":own": to_text(delivery.received_at)}
        write = self._put(key, delivery, kept_for, "attribute_not_exists(pk) OR claimed_at <= :own", values)
        transact(self._client, [write, not_erased(self._table, delivery.lead_id)])

    def _put(
        self, key: dict[str, str], delivery: Delivery, kept_for: timedelta, condition: str, values: dict[str, str]
    ) -> Any:
        item = {
            **key,
            "lead_id": delivery.lead_id,
            "claimed_at": to_text(delivery.received_at),
            # Only its lead's hashes find a claim, so the claim must not outlive the lead's item.
            "expires_at": min(int((delivery.received_at + kept_for).timestamp()), expires_at()),
        }
        write = put(self._table, items.encode(item), condition)
        write["Put"]["ExpressionAttributeValues"] = items.encode(values)
        return write

    def _is_held_by(self, lead_id: str, key: dict[str, str]) -> bool:
        holder = self._get(key)
        return holder is not None and holder["lead_id"] == lead_id

    def _state(self, lead_id: str, partner: str) -> State | None:
        values = self._get(items.delivery_key(lead_id, partner))
        return None if values is None else State(values["state"])

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

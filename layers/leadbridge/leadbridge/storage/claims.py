"""Claims of people: one for each person and partner, so that one of a person's two leads is always the first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from leadbridge.domain.clock import from_text, to_text
from leadbridge.domain.delivery import Delivery, State
from leadbridge.runtime.aws_errors import Contended
from leadbridge.storage import items
from leadbridge.storage.table import Table
from leadbridge.storage.writes import Write, delete, expires_at, not_erased, put

HASHES = ("phone_hash", "tax_hash")  # the attributes of a lead that identify its person
NOT_SERVED = frozenset({State.REJECTED, State.FAILED, State.DUPLICATE, State.SKIPPED})  # they do not stop the next lead
UNSETTLED = frozenset({State.RECEIVED, State.SUBMITTING, State.UNKNOWN})  # it may still end so
MAX_TRIES = 10  # of a claim while others change it


@dataclass(frozen=True)
class ClaimHolder:
    """The lead with which a person came to a partner before, and the state of its delivery there."""

    lead_id: str
    state: State

    @property
    def is_unsettled(self) -> bool:
        """Whether its delivery may still end without the partner having it."""
        return self.state in UNSETTLED


class ClaimRepository:
    """Claims in the table of leads. Every method may raise Contended, and botocore's errors."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def first(self, delivery: Delivery, within: timedelta, kept_for: timedelta) -> ClaimHolder | None:
        """Return the lead with which this delivery's person came to its partner in the time `within`; None if none.

        If there is none, this lead claims the person for `kept_for`. A lead that the partner never got does not count.
        A delivery that is sent although it repeats another lead (`repeat_of`) takes the claims over. Nothing is claimed
        for a person who was erased. Safe to repeat. Raises Contended.
        """
        lead = self._table.get(items.lead_key(delivery.lead_id)) or {}
        keys = claim_keys(lead, (delivery.partner,))
        if delivery.repeat_of is not None:
            for key in keys:
                self._take_over(key, delivery, kept_for)
            return None
        since = delivery.received_at - within
        passed: dict[str, str] = {}
        for _ in range(MAX_TRIES if keys else 0):
            claims = [self._claim(key, delivery, since, kept_for, passed) for key in keys]
            refused = self._table.transact([*claims, not_erased(delivery.lead_id)])
            if refused is None or refused == len(keys):
                return None
            holder = self._table.get(keys[refused])
            if holder is None:
                continue
            earlier = self._served(str(holder["lead_id"]), keys[refused], delivery, since)
            if earlier is not None:
                return earlier
            passed[keys[refused]["pk"]] = holder["lead_id"]
        if keys:
            raise Contended
        return None

    def release_writes(self, lead: dict[str, Any]) -> list[Write]:
        """Return the deletes for a transaction that releases the claims of a lead; `lead` is its item."""
        own = [key for key in claim_keys(lead, lead["partners"]) if self._is_held_by(lead["lead_id"], key)]
        return [delete(key, "lead_id = :own", {":own": lead["lead_id"]}) for key in own]

    def _claim(
        self, key: dict[str, str], delivery: Delivery, since: datetime, kept_for: timedelta, passed: dict[str, str]
    ) -> Write:
        return _claim_write(
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
        write = _claim_write(key, delivery, kept_for, "attribute_not_exists(pk) OR claimed_at <= :own", values)
        self._table.transact([write, not_erased(delivery.lead_id)])

    def _is_held_by(self, lead_id: str, key: dict[str, str]) -> bool:
        holder = self._table.get(key)
        return holder is not None and holder["lead_id"] == lead_id

    def _served(self, lead_id: str, key: dict[str, str], delivery: Delivery, since: datetime) -> ClaimHolder | None:
        """Return the holder of a claim if the partner has or may have its lead, else the lead that it repeats.

        A repeat that an operator retries takes the claim over. If the partner then rejects it, the lead that it repeats
        still counts, provided that it has the same phone or tax number.
        """
        for _ in range(MAX_TRIES):
            values = self._table.get(items.delivery_key(lead_id, delivery.partner))
            if values is None:
                return None
            state = State(values["state"])
            if from_text(values["received_at"]) > since and state not in NOT_SERVED:
                return ClaimHolder(lead_id, state)
            lead_id = values.get("repeat_of", delivery.lead_id)
            if lead_id == delivery.lead_id:
                return None
            lead = self._table.get(items.lead_key(lead_id)) or {}
            if key not in claim_keys(lead, (delivery.partner,)):
                return None
        return None


def _claim_write(
    key: dict[str, str], delivery: Delivery, kept_for: timedelta, condition: str, values: dict[str, str]
) -> Write:
    item = {
        **key,
        "lead_id": delivery.lead_id,
        "claimed_at": to_text(delivery.received_at),
        # Only its lead's hashes find a claim, so the claim must not outlive the lead's item.
        "expires_at": min(int((delivery.received_at + kept_for).timestamp()), expires_at()),
    }
    return put(item, condition, values=values)


def claim_keys(lead: dict[str, Any], partners: Iterable[str]) -> list[dict[str, str]]:
    """The keys of the claims that a lead may have, by its item."""
    return [
        {"pk": f"PERSON#{partner}#{name}#{lead[name]}", "sk": "CLAIM"}
        for partner in partners
        for name in HASHES
        if name in lead
    ]

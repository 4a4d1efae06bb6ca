"""A ledger in memory, as strict as the table: every write is conditional, and only what the table can hold is kept."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from leadbridge.domain.acceptance.correction import Correction
from leadbridge.domain.admission import PartnerState
from leadbridge.domain.clock import to_text
from leadbridge.domain.delivery import Change, Delivery, new_delivery
from leadbridge.domain.errors.error_codes import ErrorInfo, last_error
from leadbridge.domain.lead import Lead
from leadbridge.domain.message import Message
from leadbridge.domain.shards import sharded
from leadbridge.domain.statuses.status_change import count_check
from leadbridge.domain.timeline import Entry
from leadbridge.domain.transitions import AlreadyLinked, CapReached, Conflict
from leadbridge.storage import items

LARGEST_ITEM = 400 * 1024  # bytes, DynamoDB's own limit


class Unstorable(Exception):
    """An item that DynamoDB would refuse."""


class Ledger:
    """Leads and deliveries in memory. Items take the way through the table's own encoding, both ways.

    `timeline` holds the entries of each step, in order, and `messages` the notifications; `counts` are those of the
    caps by partner and window. `partner_states` is for the test to fill.
    """

    def __init__(self) -> None:
        self._items: dict[tuple[str, str], items.Item] = {}
        self.timeline: list[Entry] = []
        self.messages: list[Message] = []
        self.partner_states: dict[str, PartnerState] = {}
        self.counts: Counter[tuple[str, str]] = Counter()

    def accept(self, lead: Lead) -> None:
        """Store a new lead with its deliveries."""
        self._put(items.lead_item(lead, phone_hash=None))
        for partner in lead.partners:
            self.put(new_delivery(lead.lead_id, partner, lead.source, lead.received_at))

    def put(self, delivery: Delivery) -> None:
        """Store a delivery as it stands, whatever was there: for the beginning of a test."""
        self._put(items.delivery_item(delivery))

    def expire(self, lead_id: str) -> None:
        """Delete a lead and its deliveries, as DynamoDB does at the end of retention."""
        self._items = {key: item for key, item in self._items.items() if key[0] != f"LEAD#{lead_id}"}

    def lead(self, lead_id: str) -> Lead | None:
        """The lead."""
        values = self._get(items.lead_key(lead_id))
        return None if values is None else items.lead_of(values)

    def deliveries(self, lead_ids: Iterable[str], partner: str, *, consistent: bool = True) -> dict[str, Delivery]:
        """The deliveries of some leads to a partner."""
        found = {lead_id: self.delivery(lead_id, partner) for lead_id in lead_ids}
        return {lead_id: delivery for lead_id, delivery in found.items() if delivery is not None}

    def delivery(self, lead_id: str, partner: str) -> Delivery | None:
        """The delivery as it is now."""
        values = self._get(items.delivery_key(lead_id, partner))
        return None if values is None else items.delivery_of(values)

    def submission(
        self, lead_id: str, partner: str, windows: Sequence[str] = ()
    ) -> tuple[Delivery | None, Lead | None, PartnerState]:
        """The delivery, its lead and its partner's state."""
        state = self.partner_states.get(partner, PartnerState())
        counts = {window: self.counts[partner, window] for window in windows}
        return self.delivery(lead_id, partner), self.lead(lead_id), replace(state, counts=counts)

    def owner_of(self, partner: str, created: int | str) -> str | None:
        """The lead that a deal or an account was made of."""
        values = self._get(items.link_key(partner, created))
        return None if values is None else str(values["lead_id"])

    def has_unnamed_twin(self, delivery: Delivery) -> bool:
        """There is one lead here."""
        return False

    def correct(self, correction: Correction) -> None:
        """Write a correction; raises Conflict if the lead or a delivery is not as the correction supposes."""
        lead, read = self.lead(correction.after.lead_id), [before for before, _ in correction.waiting]
        read += [change.before for change in correction.moved]
        if lead is None or lead.erased_at is not None or lead.revision != correction.before.revision:
            raise Conflict("corrected")
        for delivery in (*read, *correction.others):
            kept = self.delivery(delivery.lead_id, delivery.partner)
            if kept is None or kept.version != delivery.version:
                raise Conflict("corrected")
        self._put(items.lead_item(correction.after, phone_hash=None))
        moved = [change.after for change in correction.moved]
        for after in (*(after for _, after in correction.waiting), *moved, *correction.opened):
            self.put(after)
        self.timeline.append(correction.entry)

    def apply(self, change: Change, *, retry_for: float = 0.0) -> Delivery:
        """Write a change; raises Conflict if the delivery is not there any more as the change supposes."""
        kept = self.delivery(change.after.lead_id, change.after.partner)
        if kept is None or kept.version != change.before.version:
            raise Conflict(change.what)
        before, after = change.before, change.after
        full = [key for key, limit in change.counts.items() if self.counts[after.partner, key] >= limit]
        if full:
            raise CapReached(tuple(full))
        self.counts.update((after.partner, key) for key in change.counts)
        self.counts.subtract((after.partner, key) for key in change.releases)
        if after.created is not None and after.created != before.created:
            owner = self.owner_of(after.partner, after.created)
            if owner not in {None, after.lead_id}:
                raise AlreadyLinked(str(owner))
            self._put(items.link_item(after))
        if before.created is not None and before.created != after.created:
            key = items.link_key(before.partner, before.created)
            self._items.pop((key["pk"], key["sk"]), None)
        self._put(items.delivery_item(after))
        if change.opened is not None:
            self.put(change.opened)
        _storable(items.history_item(after.lead_id, change.entry))
        self.timeline.append(change.entry.entry)
        self.messages += change.messages
        return change.after

    def defer_check(
        self, delivery: Delivery, due_at: datetime | None, *, error: ErrorInfo | None = None, is_refused: bool = False
    ) -> None:
        """Note whether a check failed and when to retry it, if the delivery was not changed meanwhile."""
        kept = self._get(items.delivery_key(delivery.lead_id, delivery.partner))
        seen = to_text(delivery.due_at) if delivery.due_at else None
        if kept is None or kept["version"] != delivery.version or kept.get("due_at") != seen:
            return
        after = count_check(delivery, is_failed=error is not None, is_refused=is_refused)
        kept |= {
            "due_at": to_text(due_at) if due_at else None,
            "due_shard": sharded(delivery.partner, delivery.lead_id) if due_at else None,
            "checks_failed": after.checks_failed,
            "checks_refused": after.checks_refused,
        }
        kept |= last_error(error)
        self._put(kept)

    def defer(self, delivery: Delivery, due_at: datetime) -> None:
        """Move the next look, if the delivery was neither changed nor deferred meanwhile."""
        kept = self._get(items.delivery_key(delivery.lead_id, delivery.partner))
        seen = to_text(delivery.due_at) if delivery.due_at else None
        if kept is not None and kept["version"] == delivery.version and kept.get("due_at") == seen:
            self._put(kept | {"due_at": to_text(due_at)})

    def _get(self, key: Mapping[str, str]) -> dict[str, Any] | None:
        item = self._items.get((key["pk"], key["sk"]))
        return None if item is None else items.decode(item)

    def _put(self, item: items.Item) -> None:
        self._items[item["pk"], item["sk"]] = _storable(item)


def _storable(item: items.Item) -> dict[str, Any]:
    """Encode an item as the table does. Raises Unstorable."""
    encoded = items.encode(item)
    try:
        size = len(json.dumps(encoded, ensure_ascii=False).encode())
    except UnicodeEncodeError:
        raise Unstorable("text with lone surrogates") from None
    if size > LARGEST_ITEM:
        raise Unstorable(f"{size} bytes")
    return encoded

"""From items, or records of the table's stream, to what they change in the statistics.

A record whose old and new item contribute the same is ignored, whatever else it changes. So a status that keeps its
outcome, a moved due time or a longer lifetime costs nothing.

The mark of an incomplete lead is not read: the lead's own item has the same problems. An erased lead's item is
ignored, and its counts stay. A deleted item is ignored, because only expired items are deleted, and the test lead of a
deployment's check, which is not counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from leadbridge.domain.clock import from_text
from leadbridge.domain.statistics.contribution import (
    DeliveryFacts,
    LeadChange,
    LeadFacts,
    is_counted_source,
)
from leadbridge.domain.statistics.times import Stage, time_limit
from leadbridge.storage.attributes import deserialize
from leadbridge.storage.items import Item, lead_id_of

AWAITING, COMPLETE = 1, 2  # versions of a lead that is to be fetched, and of one that is here; corrections add to it
TOMBSTONE = 0  # the version of an erased lead, whose campaign is gone: any other version wins

LEAD_ATTRIBUTES = (
    *("pk", "sk", "received_at", "day", "source", "campaign", "problems", "partners"),
    *("revision", "awaits_fetch", "erased_at", "expires_at"),
)
# The times at which a delivery reached the stages, as its item has them.
REACHED_AT = {Stage.SUBMITTED: "submitted_at", Stage.APPROVED: "approved_at", Stage.ISSUED: "issued_at"}
DELIVERY_ATTRIBUTES = (
    *("pk", "sk", "received_at", "source", "partner", "state", "outcome", "version", "expires_at"),
    *REACHED_AT.values(),
)


def lead_facts(values: Mapping[str, Any]) -> LeadFacts:
    """Return the facts of a lead's decoded item."""
    day, source = day_of(values), str(values["source"])
    if "erased_at" in values:
        return LeadFacts(TOMBSTONE, day, source)
    version = AWAITING if "awaits_fetch" in values else COMPLETE + int(values.get("revision", 0))
    problems = tuple(sorted({f"{field} {code}" for field, code, *_ in values.get("problems", ())}))
    return LeadFacts(version, day, source, str(values.get("campaign", "")), problems=problems)


def day_of(values: Mapping[str, Any]) -> str:
    """Return the day on which a lead is counted: the one that its item has; without one the date of reception in UTC.

    A delivery's item has none. Its lead, which is stored for longer, decides.
    """
    return str(values.get("day") or values["received_at"][:10])


def delivery_facts(values: Mapping[str, Any]) -> DeliveryFacts:
    """Return the facts of a delivery's decoded item."""
    received_at = from_text(values["received_at"])
    within = {
        stage.value: time_limit(stage, received_at, from_text(values[name]))
        for stage, name in REACHED_AT.items()
        if name in values
    }
    return DeliveryFacts(int(values["version"]), str(values["state"]), str(values.get("outcome", "")), **within)


def change_of(record: Mapping[str, Any]) -> tuple[str, LeadChange] | None:
    """Return the lead of a stream record and what the record changes in the statistics; None if nothing.

    `record` has both images. Raises LookupError, TypeError or ValueError if it cannot be parsed.
    """
    images = record["dynamodb"]
    if "NewImage" not in images:
        return None
    after = _decoded(images["NewImage"])
    change = item_change(after)
    if change is None:
        return None
    before = item_change(_decoded(images["OldImage"])) if "OldImage" in images else None
    if before is not None and _without_versions(before) == _without_versions(change):
        return None
    return lead_id_of(after), change


def item_change(values: Item) -> LeadChange | None:
    """Return the facts of one decoded item; None if nothing of it is counted."""
    kind = str(values["sk"]).partition("#")[0]
    if kind not in {"LEAD", "DELIVERY"} or (kind == "LEAD" and "erased_at" in values):
        return None
    day, source = day_of(values), str(values["source"])
    if not is_counted_source(source):
        return None
    expires_at = int(values.get("expires_at", 0))
    if kind == "LEAD":
        received_at = int(from_text(values["received_at"]).timestamp())
        return LeadChange(day, source, lead_facts(values), expires_at=expires_at, received_at=received_at)
    partner = str(values["partner"])
    return LeadChange(day, source, None, {partner: delivery_facts(values)}, {partner: day}, expires_at)


def lead_change(every: Iterable[Item]) -> LeadChange | None:
    """Return the facts of a lead's decoded items; None if nothing of them is counted."""
    merged: LeadChange | None = None
    for values in every:
        change = item_change(values)
        if change is not None:
            merged = change if merged is None else merged.merged(change)
    return merged


def _decoded(image: Mapping[str, Any]) -> Item:
    """Decode the attributes that are counted, which are few of an item's."""
    is_lead = image["sk"]["S"] == "LEAD"
    names = LEAD_ATTRIBUTES if is_lead else DELIVERY_ATTRIBUTES
    return {name: deserialize(image[name]) for name in names if name in image}


def _without_versions(change: LeadChange) -> LeadChange:
    lead = None if change.lead is None else replace(change.lead, version=0)
    deliveries = {partner: replace(facts, version=0) for partner, facts in change.deliveries.items()}
    return replace(change, lead=lead, deliveries=deliveries, expires_at=0)

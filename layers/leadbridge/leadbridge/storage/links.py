"""Writes that go with a lead or a delivery, in its transaction: links of ids, caps, entries in lists and the timeline.

pk                   sk              item
PARTNER#{partner}    CAP#{window}    `leads`: how many deliveries a cap counts in an hour, on a day or in total
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from leadbridge.domain.admission import TOTAL
from leadbridge.domain.delivery import Change, Delivery
from leadbridge.domain.lead import Lead
from leadbridge.domain.timeline import Entry
from leadbridge.storage import items
from leadbridge.storage.writes import DAY, LEAD_OUTLIVES, Write, delete, expires_at, put, update

MAX_HISTORY = 8  # timeline entries in a delivery's item; then they become items of their own
CAP = "CAP#"
CAP_TTL = 3 * DAY  # seconds for which the count of a window outlives the last delivery that it counted


def link_write(delivery: Delivery) -> Write:
    """Link a deal or an account to its lead, on the condition that no other lead has it and that it is not erased."""
    own = "attribute_not_exists(pk) OR (lead_id = :own AND attribute_not_exists(is_erased))"
    return put(items.link_item(delivery), own, values={":own": delivery.lead_id})


def unlink_writes(delivery: Delivery, created: int | str) -> list[Write]:
    """Release a link. The stored account is deleted too, so that the next sync looks for its lead again."""
    key = items.link_key(delivery.partner, created)
    own = delete(key, "attribute_not_exists(pk) OR lead_id = :own", {":own": delivery.lead_id})
    return [own, *([delete({**key, "sk": "ACCOUNT"})] if isinstance(created, str) else [])]


def cap_key(partner: str, window: str) -> dict[str, str]:
    """Return the key of the count of a window of a partner's cap."""
    return {"pk": f"PARTNER#{partner}", "sk": f"{CAP}{window}"}


def cap_counts(items_read: Iterable[Mapping[str, Any] | None]) -> dict[str, int]:
    """Return the counts of decoded items by window; None is a window that has counted nothing."""
    return {one["sk"].removeprefix(CAP): int(one["leads"]) for one in items_read if one is not None}


def cap_writes(change: Change) -> list[Write]:
    """Return the writes that count a delivery in windows of caps, and then those that take it off others.

    The first fail if a window is full, the others if the count has expired.
    """
    partner, until = change.after.partner, int(change.at.timestamp()) + CAP_TTL
    counts = [
        update(
            cap_key(partner, key),
            "SET expires_at = :expires_at ADD leads :one" if key != TOTAL else "ADD leads :one",
            "attribute_not_exists(leads) OR leads < :limit",
            values={":one": 1, ":limit": limit, **({":expires_at": until} if key != TOTAL else {})},
        )
        for key, limit in change.counts.items()
    ]
    taken_off = {":one": -1}
    return counts + [
        update(cap_key(partner, key), "ADD leads :one", "attribute_exists(pk)", values=taken_off)
        for key in change.releases
    ]


def attention_writes(before: Delivery, after: Delivery) -> list[Write]:
    """Return the write that lists a delivery as needing a person, or takes it off the list; none if nothing changes."""
    if (before.attention is None) == (after.attention is None):
        return []
    if after.attention is not None:
        return [put(items.attention_item(after))]
    return [delete(items.attention_key(after.lead_id, after.partner))]


def delivery_writes(change: Change) -> tuple[Delivery, list[Write]]:
    """Return a delivery with the timeline entry of its change, and the writes of both."""
    before, moved = change.before, change.before.history
    if len(moved) < MAX_HISTORY:
        after, moved = replace(change.after, history=(*moved, change.entry)), ()
    else:
        after = replace(change.after, history=(change.entry,))
    writes = [put(items.delivery_item(after), version=before.version)]
    return after, writes + [put(items.history_item(after.lead_id, entry)) for entry in moved]


def routing_writes(lead: Lead, at: datetime, tiebreaker: str) -> list[Write]:
    """Return the timeline entry about a lead's partners. An incomplete lead is marked; its entry has the problems."""
    if lead.problems:
        fields, codes = [one.field for one in lead.problems], [one.code.value for one in lead.problems]
        detail = ", ".join(f"{field} {code}".strip() for field, code in zip(fields, codes, strict=True))
        entry = Entry(at, "incomplete", None, detail, {"fields": fields, "codes": codes, **lead.routed_data})
        return [put(items.incomplete_item(lead)), put(items.entry_item(lead.lead_id, entry, tiebreaker))]
    if lead.routed is None:
        return []
    entry = Entry(at, "routed", detail=lead.routed, data=lead.routed_data)
    return [put(items.entry_item(lead.lead_id, entry, tiebreaker))]


def opening_writes(delivery: Delivery, change: Change) -> list[Write]:
    """Return the writes for a further delivery of a stored lead, with its entry in the timeline.

    They fail if an operator has chosen a partner of the lead meanwhile: it has no next partner then.
    """
    from leadbridge.domain.routing.fallback import NextOn

    previous, outcome = change.after.partner, NextOn(change.opened_on or NextOn.REJECTED)
    data = {"previous_partner": previous, "previous_outcome": outcome.value}
    entry = Entry(change.at, "fallback", delivery.partner, f"{previous} {outcome.meaning}", data)
    return [
        put(items.delivery_item(delivery), "attribute_not_exists(pk)"),
        put(items.entry_item(delivery.lead_id, entry, f"{delivery.partner}#000000")),
        update(
            items.lead_key(delivery.lead_id),
            "SET partners = list_append(partners, :partner), expires_at = :expires_at",
            "attribute_exists(pk) AND attribute_exists(fallbacks)",
            values={":partner": [delivery.partner], ":expires_at": expires_at() + LEAD_OUTLIVES},
        ),
    ]

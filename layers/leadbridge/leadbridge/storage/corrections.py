"""Corrections of stored leads: one transaction with the lead, its deliveries, its timeline and its mark.

A lead's item keeps the keyed hashes that a correction replaced (`former_hashes`, texts such as `phone_hash#{hash}`).
With them the erasure of the person finds what was stored under the old values. Nothing is stored under a surname.
"""

from __future__ import annotations

from collections.abc import Iterator

from leadbridge.domain.acceptance.correction import Correction
from leadbridge.domain.delivery import Delivery
from leadbridge.domain.fields.hashes import Hashes
from leadbridge.storage import items
from leadbridge.storage.items import Item
from leadbridge.storage.links import delivery_writes, routing_writes
from leadbridge.storage.table import Table
from leadbridge.storage.writes import LEAD_OUTLIVES, Write, delete, expires_at, put, update

FORMER_HASHES = "former_hashes"
CORRECTED = (
    "person",
    "loan",
    "trading",
    "ids",
    "warnings",
    "problems",
    "partners",
    "fallbacks",
    "next_on",
    "restored_at",
)


class CorrectionRepository:
    """Corrections in the table."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def correct(self, correction: Correction, hashes: Hashes, former: Hashes) -> None:
        """Write a correction, all or nothing. `former` are the keyed hashes before the correction.

        Raises Conflict if the lead or a delivery has changed since it was read, or the person was erased; Contended.
        """
        lead, at = correction.after, correction.entry.at
        writes = [
            _lead_write(correction, hashes, former),
            put(items.entry_item(lead.lead_id, correction.entry, f"corrected#{lead.revision:06d}")),
        ]
        writes += [put(items.delivery_item(after), version=before.version) for before, after in correction.waiting]
        for change in correction.moved:
            writes += delivery_writes(change)[1]
        writes += [_unchanged(delivery) for delivery in correction.others]
        writes += [put(items.delivery_item(opened), "attribute_not_exists(pk)") for opened in correction.opened]
        if lead.problems:
            writes.append(put(items.incomplete_item(lead)))
        elif correction.before.problems:
            writes.append(delete(items.incomplete_key(lead.lead_id)))
            writes += routing_writes(lead, at, f"routed#{lead.revision:06d}")
        self._table.transact(writes, or_conflict=True)


def former_hashes(lead: Item) -> Iterator[tuple[str, str]]:
    """Yield the attribute and the hash of each hash that a correction replaced; `lead` is the lead's item."""
    for one in lead.get(FORMER_HASHES, ()):
        name, _, digest = str(one).partition("#")
        yield name, digest


def _lead_write(correction: Correction, hashes: Hashes, former: Hashes) -> Write:
    """Replace the corrected attributes of a lead's item. Attributes that others write stay as they are."""
    new = items.lead_item(correction.after, **hashes)
    values = {name: new.get(name) for name in (*CORRECTED, *hashes)}
    values |= {"revision": correction.after.revision, "expires_at": expires_at() + LEAD_OUTLIVES}
    replaced = [f"{name}#{digest}" for name, digest in _items(former) if digest != new.get(name)]
    sets = [f"#{name} = :{name}" for name, value in values.items() if value is not None]
    if replaced:
        sets.append("#former = list_append(if_not_exists(#former, :none), :former)")
    removed = [f"#{name}" for name, value in values.items() if value is None]
    expression = f"SET {', '.join(sets)}" + (f" REMOVE {', '.join(removed)}" if removed else "")
    seen = correction.before.revision
    unchanged = "#revision = :seen" if seen else "attribute_not_exists(#revision)"
    condition = (
        f"attribute_exists(pk) AND attribute_not_exists(erased_at) AND attribute_not_exists(awaits_fetch)"
        f" AND #partners = :seen_partners AND {unchanged}"
    )
    return update(
        items.lead_key(correction.after.lead_id),
        expression,
        condition,
        values={f":{name}": value for name, value in values.items() if value is not None}
        | {":seen_partners": list(correction.before.partners)}
        | ({":seen": seen} if seen else {})
        | ({":none": [], ":former": replaced} if replaced else {}),
        names={f"#{name}": name for name in values} | ({"#former": FORMER_HASHES} if replaced else {}),
    )


def _items(hashes: Hashes) -> list[tuple[str, str]]:
    return [(name, str(digest)) for name, digest in hashes.items() if digest is not None and name != "name_hash"]


def _unchanged(delivery: Delivery) -> Write:
    """Fail the transaction if a delivery has changed since it was read."""
    key = items.delivery_key(delivery.lead_id, delivery.partner)
    return Write("ConditionCheck", key, "#version = :version", {":version": delivery.version}, {"#version": "version"})

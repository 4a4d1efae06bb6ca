"""Claims on content: which lead a post without an id belongs to. A claim is written together with its lead.

pk                         sk        item
CONTENT#{source}#{hash}    CONTENT   the lead that this content was last stored as, and when

The hash is keyed (forms/parsing/canonical.py). The claim outlives the erasure of its lead, so that the form's second
try still finds the tombstone. It holds nothing about the person and expires with its window.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from leadbridge.domain.clock import from_text, to_text
from leadbridge.domain.lead import Lead
from leadbridge.domain.timeline import Entry
from leadbridge.domain.transitions import Conflict
from leadbridge.storage import items
from leadbridge.storage.table import BATCH_RETRY_FOR, Table
from leadbridge.storage.writes import LEAD_OUTLIVES, Write, expires_at, put, update

WINDOW_MARGIN = timedelta(minutes=10)  # more than workers' clocks differ, and than a form waits before it retries
MAX_CHANGED = 5  # redeliveries with other content that one lead's timeline notes


@dataclass(frozen=True)
class ContentClaim:
    """A post's claim to be a lead: the only one of its content within `window`, or for as long as leads are stored.

    The window begins with the stored claim, not with a day of the calendar, so two workers whose clocks differ see the
    same window. A redelivery shortly before its end moves the end, so a retry of the same post is a redelivery too.
    """

    source: str
    content_hash: str
    lead_id: str
    received_at: datetime
    window: timedelta | None

    @property
    def key(self) -> dict[str, str]:
        """The key of the claim."""
        return {"pk": f"CONTENT#{self.source}#{self.content_hash}", "sk": "CONTENT"}

    def write(self) -> Write:
        """The write for a transaction. It fails and returns the stored claim while that one is valid."""
        item = {**self.key, "lead_id": self.lead_id, "received_at": to_text(self.received_at)}
        if self.window is None:
            write = put(item, "attribute_not_exists(pk)")
        else:
            write = put(
                {**item, "expires_at": self.expires_at},
                "attribute_not_exists(pk) OR received_at <= :window_ago",
                values={":window_ago": to_text(self.received_at - self.window)},
            )
        return replace(write, returns_found=True)

    def stored(self, table: Table) -> ContentClaim:
        """Store the claim without a lead; return it, or the claim that is stored already. Raises Contended.

        A transaction has an idempotency token, so a retry after a lost reply does not meet its own claim as another's.
        """
        try:
            table.transact([self.write()], or_conflict=True)
        except Conflict as conflict:
            return self.claim_from(conflict.found[0])
        return self

    def held_by(self, found: ContentClaim, table: Table) -> ContentClaim:
        """Return the claim that this post is a redelivery of: `found`, or one that replaced it in the meantime.

        If `found` ends soon, its end is moved: otherwise a worker whose clock is fast, or a retry of the form, would
        make another lead of the same post. Raises Contended.
        """
        if self.window is None or found.received_at + self.window - self.received_at > WINDOW_MARGIN:
            return found
        moved = replace(found, received_at=self.received_at - self.window + WINDOW_MARGIN)
        change = update(
            self.key,
            "SET received_at = :received_at, expires_at = :expires_at",
            "lead_id = :lead_id",
            values={
                ":received_at": to_text(moved.received_at),
                ":expires_at": moved.expires_at,
                ":lead_id": found.lead_id,
            },
        )
        try:
            table.write(change)
        except Conflict:
            (*_, held) = (found, *map(self.claim_from, table.batch_get([self.key])))
            return held
        return moved

    @property
    def expires_at(self) -> int | None:
        """When the table deletes the claim; None for as long as leads are stored."""
        return None if self.window is None else int((self.received_at + self.window).timestamp())

    def claim_from(self, item: Mapping[str, Any]) -> ContentClaim:
        """The claim of the same content that an item holds."""
        received_at = from_text(item["received_at"])
        return ContentClaim(self.source, self.content_hash, item["lead_id"], received_at, self.window)

    def is_valid_at(self, now: datetime) -> bool:
        """Return whether another post of this content at that time is a redelivery."""
        return self.window is None or self.received_at > now - self.window


def find_stored_lead(
    table: Table, lead: Lead, claim: ContentClaim | None, *, retry_for: float = BATCH_RETRY_FOR
) -> str | None:
    """Return the id of the lead that a post is already stored as, by its own id or by its content; else None."""
    key = items.lead_key(lead.lead_id) if claim is None else claim.key
    found = table.batch_get([key], retry_for=retry_for)
    if claim is None:
        return lead.lead_id if found else None
    held = [one for one in map(claim.claim_from, found) if one.is_valid_at(lead.received_at)]
    return claim.held_by(held[0], table).lead_id if held else None


def note_change(
    table: Table, posted: Lead, fields: tuple[str, ...], newer_answers: Mapping[str, str] | None = None
) -> bool:
    """Note in a lead's timeline that a redelivery has other content; return whether it was noted.

    Each content is noted once, `MAX_CHANGED` at most, and nothing after the person was erased. `newer_answers` replace
    those of the edit before, also when the timeline notes no more. Raises Contended.
    """
    entry = Entry(posted.received_at, "redelivery_differs", None, ", ".join(fields) or None, {"fields": fields})
    noted = update(
        items.lead_key(posted.lead_id),
        "SET changed_hashes = list_append(if_not_exists(changed_hashes, :none), :hashes), expires_at = :expires_at"
        + (", newer_answers = :newer_answers" if newer_answers else ""),
        "attribute_exists(pk) AND attribute_not_exists(erased_at) AND (attribute_not_exists(changed_hashes)"
        " OR (NOT contains(changed_hashes, :hash) AND size(changed_hashes) < :most))",
        values={
            ":none": [],
            ":hashes": [posted.content_hash],
            ":hash": posted.content_hash,
            ":most": MAX_CHANGED,
            ":expires_at": expires_at() + LEAD_OUTLIVES,
            **({":newer_answers": dict(newer_answers)} if newer_answers else {}),
        },
    )
    # Keys of the timeline outlive the erasure, so the hash is not part of them.
    line = put(items.entry_item(posted.lead_id, entry, f"redelivered#{uuid4().hex[:8]}"))
    if table.transact([noted, line]) is None:
        return True
    if newer_answers:
        newest = update(
            items.lead_key(posted.lead_id),
            "SET newer_answers = :newer_answers",
            "attribute_exists(pk) AND attribute_not_exists(erased_at) AND NOT contains(changed_hashes, :hash)",
            values={":newer_answers": dict(newer_answers), ":hash": posted.content_hash},
        )
        with suppress(Conflict):
            table.write(newest)
    return False

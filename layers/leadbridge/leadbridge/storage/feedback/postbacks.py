"""Postbacks, beside their lead. They hold no personal data and no click id.

pk                 sk                                          item
LEAD#{lead_id}     FEEDBACK#{delivery_version}#{event_id}      a postback
"""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from typing import Any

from leadbridge.domain.clock import from_text, to_text
from leadbridge.domain.feedback.postback import Postback, PostbackChange
from leadbridge.domain.feedback.states import PostbackState
from leadbridge.domain.shards import sharded
from leadbridge.domain.timeline import Entry
from leadbridge.domain.transitions import Conflict
from leadbridge.runtime.aws_errors import RETRY_FOR
from leadbridge.storage import items
from leadbridge.storage.items import Item
from leadbridge.storage.table import Query, Table
from leadbridge.storage.writes import Write, put

PREFIX = "FEEDBACK#"  # of the sort keys
DUE_PARTITION = "feedback"  # the partition of the index `due` that holds postbacks
MAX_POSTBACKS = 1000  # of one lead that are read

_TIMES = frozenset(
    {
        *("created_at", "first_attempt_at", "next_attempt_at", "lease_until", "accepted_at", "resent_at", "due_at"),
    }
)
_COUNTS = frozenset({"delivery_version", "version", "attempts", "attempts_before_resend"})
_NAMES = tuple(one.name for one in fields(Postback))


def postback_key(postback: Postback) -> dict[str, str]:
    """The key of a postback."""
    return {"pk": f"LEAD#{postback.lead_id}", "sk": f"{PREFIX}{postback.message_id}"}


def postback_item(postback: Postback) -> Item:
    """A postback as it is stored. It is in the index `due` until it is settled."""
    values = {name: getattr(postback, name) for name in _NAMES}
    times = {name: to_text(moment) for name in _TIMES if (moment := values[name]) is not None}
    return items.present(
        {
            **postback_key(postback),
            **values,
            **dict.fromkeys(_TIMES),
            **times,
            "state": postback.state.value,
            "attempts_before_resend": postback.attempts_before_resend or None,
            "is_forced": postback.is_forced or None,
            "due_shard": sharded(DUE_PARTITION, postback.lead_id) if postback.due_at is not None else None,
        }
    )


def postback_of(values: dict[str, Any]) -> Postback:
    """The postback that a decoded item holds."""
    known: dict[str, Any] = {name: values[name] for name in _NAMES if name in values}
    known |= {name: int(values[name]) for name in _COUNTS if name in values}
    known |= {name: from_text(values[name]) for name in _TIMES if name in values}
    known |= {"state": PostbackState(values["state"]), "last_error_data": items.error_data_of(values)}
    return Postback(**known)


class PostbackRepository:
    """Postbacks in the table. Every method may raise Contended, and botocore's errors."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def postbacks(self, lead_id: str) -> list[Postback]:
        """The postbacks of one lead, the thousand about the latest versions of deliveries, oldest first."""
        values = {":pk": f"LEAD#{lead_id}", ":kind": PREFIX}
        query = Query("pk = :pk AND begins_with(sk, :kind)", values, newest_first=True)
        found = map(postback_of, self._table.query(query, limit=MAX_POSTBACKS))
        return sorted(found, key=lambda one: (one.created_at, one.message_id))

    def apply(self, change: PostbackChange, *, retry_for: float = RETRY_FOR) -> Postback:
        """Write a postback's change and its entry in the lead's timeline.

        After the person was erased, no postback starts, and no entry is written. Raises Conflict, and Contended after
        `retry_for` seconds.
        """
        after, lead_id = change.after, change.after.lead_id
        own = [_put(one) for one in (change, *change.also)]
        entry: list[Write] = []
        if change.what is not None:
            line = Entry(change.at, change.what, after.partner, change.detail, change.data)
            entry = [put(items.entry_item(lead_id, line, f"{after.event_id}#{after.version:06d}"))]
        refused = self._table.transact_unless_erased([*own, *entry], lead_id, retry_for=retry_for)
        if refused is None:
            return after
        if refused < len(own) or after.is_unsettled:
            raise Conflict(failed=frozenset({refused}))
        self._table.transact(own, or_conflict=True, retry_for=retry_for)  # the end of a postback of an erased person
        return after

    def defer(self, postback: Postback, due_at: datetime) -> None:
        """Move the time at which a postback is due, unless it has changed or was deferred since it was read."""
        self._table.defer(postback_key(postback), postback.version, postback.due_at, due_at)


def _put(change: PostbackChange) -> Write:
    return put(postback_item(change.after), version=change.before.version)

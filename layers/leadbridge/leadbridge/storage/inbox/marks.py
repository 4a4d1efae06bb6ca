"""What operators noted about the groups of the inbox.

pk      sk              item
INBOX   GROUP#{key}     `assignee`, `snoozed_until`, `note` with their times; `changes`: the newest changes
"""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Any

from leadbridge.domain.clock import from_text, to_text
from leadbridge.domain.inbox.trouble import GroupMark, MarkPart
from leadbridge.storage.items import Item, present
from leadbridge.storage.table import Table
from leadbridge.storage.writes import DAY, put

KEPT_DAYS = 90  # after the last change
PREFIX = "GROUP#"
_TIMES = ("assigned_at", "snoozed_until", "noted_at", "updated_at")
_TEXTS = ("assignee", "note", "noted_by")


class InboxMarks:
    """The marks of groups. Every method may raise Contended, and botocore's errors."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def load(self, keys: Collection[str]) -> dict[str, GroupMark]:
        """Return the marks of some groups, by key; a group without a mark is left out."""
        if not keys:
            return {}
        found = self._table.batch_get([mark_key(key) for key in keys])
        return {str(values["sk"]).removeprefix(PREFIX): _mark_of(values) for values in found}

    def save(self, key: str, mark: GroupMark) -> GroupMark:
        """Store a changed mark, whose `version` is the one that was read; return it. Raises Conflict."""
        times = {name: getattr(mark, name) for name in _TIMES}
        item = present(
            {
                **mark_key(key),
                **{name: getattr(mark, name) for name in _TEXTS},
                **{name: to_text(moment) for name, moment in times.items() if moment is not None},
                "changes": [[to_text(at), operator, what] for at, operator, what in mark.changes] or None,
                "version": mark.version + 1,
                "expires_at": int(time.time()) + KEPT_DAYS * DAY,
            }
        )
        if mark.version:
            self._table.write(put(item, version=mark.version))
        else:
            self._table.write(put(item, "attribute_not_exists(pk)"))
        return _mark_of(item)


def mark_key(key: str) -> dict[str, str]:
    """Return the key of the mark of a group."""
    return {"pk": "INBOX", "sk": f"{PREFIX}{key}"}


def _mark_of(values: Item) -> GroupMark:
    known: dict[str, Any] = {name: values[name] for name in _TEXTS if name in values}
    known |= {name: from_text(values[name]) for name in _TIMES if name in values}
    changes = tuple((from_text(at), operator, MarkPart(what)) for at, operator, what in values.get("changes", ()))
    return GroupMark(**known, version=int(values["version"]), changes=changes)

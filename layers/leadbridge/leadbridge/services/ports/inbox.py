"""The ports of the inbox."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from leadbridge.domain.inbox.trouble import GroupMark, Trouble, TroubleKind


class LeadTroubles(Protocol):
    """Reads what of the stored leads needs a person."""

    def read(
        self, wanted: Collection[TroubleKind] = ..., *, limit: int = ...
    ) -> tuple[list[Trouble], frozenset[TroubleKind]]:
        """Return the newest troubles of some kinds, up to `limit` of each, and the kinds of which there are more."""
        ...


class MarkLedger(Protocol):
    """The marks of groups."""

    def load(self, keys: Collection[str]) -> dict[str, GroupMark]:
        """Return the marks of some groups, by key."""
        ...

    def save(self, key: str, mark: GroupMark) -> GroupMark:
        """Store a changed mark; raises Conflict if another operator was faster."""
        ...

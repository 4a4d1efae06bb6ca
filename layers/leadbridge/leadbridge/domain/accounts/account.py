"""An account as a partner lists it, and as we keep it."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any, Protocol

from leadbridge.domain.accounts.match import PartnerAccount
from leadbridge.domain.clock import from_text, to_text


class ListedAccount(PartnerAccount, Protocol):
    """An account as the partner lists it; what it does not tell is None."""

    @property
    def updated(self) -> datetime | None:
        """When it changed last, at the earliest."""
        ...

    @property
    def updated_latest(self) -> datetime | None:
        """When it changed last, at the latest, where the partner's local time names two moments; else None."""
        ...

    @property
    def email(self) -> str | None:
        """The address that it is known by."""
        ...


@dataclass(frozen=True, slots=True)
class StoredAccount:
    """An account as we keep it: the partner's row, and what we made of it.

    `lead_id` is the lead it was made of, None where it did not come from us. `is_pending` says that its delivery
    could not be updated yet: the next run looks for its lead again. Times are to the millisecond.
    """

    uuid: str
    first_seen_at: datetime
    created: datetime | None = None
    updated: datetime | None = None
    email: str | None = None
    name: str | None = None
    surname: str | None = None
    phone: str | None = None
    country: str | None = None
    role: str | None = None
    status: str | None = None
    lead_source: str | None = None
    created_latest: datetime | None = None
    updated_latest: datetime | None = None
    lead_id: str | None = None
    is_pending: bool = False

    @classmethod
    def of(cls, row: ListedAccount, before: StoredAccount | None, now: datetime) -> StoredAccount:
        """The row as it is now, with what we know already."""
        told = {name: _to_milliseconds(getattr(row, name)) for name in ROW_FIELDS}
        if before is None:
            return cls(**told, first_seen_at=_to_milliseconds(now))
        return replace(before, **told)

    def is_older_than(self, before: StoredAccount, now: datetime) -> bool:
        """Return whether this is older than what is stored, because its page was delayed.

        A time in the future proves nothing. An ambiguous time is older only if both of its moments are.
        """
        if self.updated is None or before.updated is None:
            return False
        return (self.updated_latest or self.updated) < before.updated <= now

    def __repr__(self) -> str:
        return f"StoredAccount(uuid={self.uuid!r}, …)"


OWN_FIELDS = frozenset({"first_seen_at", "lead_id", "is_pending"})
ROW_FIELDS = tuple(each.name for each in fields(StoredAccount) if each.name not in OWN_FIELDS)


def _to_milliseconds(value: Any) -> Any:
    """A time as precise as the table keeps it; anything else as it is."""
    return from_text(to_text(value)) if isinstance(value, datetime) else value

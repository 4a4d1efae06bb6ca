"""An account in a partner's list, and the stored account."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any, Protocol

from leadbridge.domain.accounts.match import PartnerAccount
from leadbridge.domain.clock import from_text, to_text


class ListedAccount(PartnerAccount, Protocol):
    """An account in the partner's list. Missing values are None."""

    @property
    def updated(self) -> datetime | None:
        """The earliest possible time of the last change."""
        ...

    @property
    def updated_latest(self) -> datetime | None:
        """The latest possible time of the last change if the partner's local time is ambiguous; else None."""
        ...

    @property
    def email(self) -> str | None:
        """The e-mail of the account."""
        ...


@dataclass(frozen=True, slots=True)
class StoredAccount:
    """A stored account: the partner's row, and its lead.

    `lead_id` is the lead that it was created from; None for a foreign account. `is_pending`: its delivery could not be
    updated yet, and the next run looks its lead up again. `known_by` are the keyed hashes of the e-mails with which it
    was stored, the latest last. Times have milliseconds.
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
    known_by: tuple[str, ...] = field(default=(), compare=False)

    @classmethod
    def of(cls, row: ListedAccount, before: StoredAccount | None, now: datetime) -> StoredAccount:
        """Return the account of a row, with our own fields of the stored account."""
        values = {name: _to_milliseconds(getattr(row, name)) for name in ROW_FIELDS}
        if before is None:
            return cls(**values, first_seen_at=_to_milliseconds(now))
        return replace(before, **values)

    def is_older_than(self, before: StoredAccount, now: datetime) -> bool:
        """Return whether this is older than the stored account, because its page was delayed.

        A time in the future proves nothing. An ambiguous time is older only if both of its moments are.
        """
        if self.updated is None or before.updated is None:
            return False
        return (self.updated_latest or self.updated) < before.updated <= now

    def __repr__(self) -> str:
        return f"StoredAccount(uuid={self.uuid!r}, …)"


OWN_FIELDS = frozenset({"first_seen_at", "lead_id", "is_pending", "known_by"})
ROW_FIELDS = tuple(each.name for each in fields(StoredAccount) if each.name not in OWN_FIELDS)


def _to_milliseconds(value: Any) -> Any:
    """Return a time with the precision of the table; other values as they are."""
    return from_text(to_text(value)) if isinstance(value, datetime) else value

"""The ports of the account sync: repositories and the partner's list."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from leadbridge.runtime.budget import Budget

if TYPE_CHECKING:
    from leadbridge.domain.accounts.account import ListedAccount, StoredAccount
    from leadbridge.domain.accounts.scan import ScanState
    from leadbridge.domain.delivery import Delivery


class AccountStore(Protocol):
    """The account repository, with the links of accounts to leads."""

    def accounts(self, uuids: Collection[str]) -> Mapping[str, StoredAccount]:
        """Return the stored accounts by uuid."""
        ...

    def links(self, uuids: Collection[str]) -> Mapping[str, str | None]:
        """Return the linked leads by the account's uuid; None for an erased person."""
        ...

    def deliveries(self, lead_ids: Collection[str]) -> Mapping[str, Delivery | None]:
        """Return deliveries by lead: None for a missing one, no entry for an unreadable one."""
        ...

    def leads_of(self, email: str) -> Sequence[str]:
        """Return the ids of the newest leads with this e-mail."""
        ...

    def store(self, accounts: Sequence[StoredAccount]) -> None:
        """Store accounts. Existing ones are replaced."""
        ...

    def forget(self, accounts: Sequence[StoredAccount]) -> None:
        """Delete accounts, if they are stored, and what points to them."""
        ...


class ListingPage(Protocol):
    """A page of a list: its number, the rows that no earlier page returned, and the size of the list."""

    @property
    def number(self) -> int: ...
    @property
    def rows(self) -> Sequence[ListedAccount]: ...
    @property
    def total_rows(self) -> int | None: ...
    @property
    def total_pages(self) -> int | None: ...
    @property
    def is_last(self) -> bool: ...


class Broker(Protocol):
    """A partner that lists its accounts."""

    @property
    def seconds_per_page(self) -> float:
        """The longest time of one page, in seconds."""
        ...

    def pages(
        self, since: datetime, until: datetime, budget: Budget, *, size: int, first_page: int
    ) -> Iterator[ListingPage]:
        """Yield the pages of a window, at least one. A page is read when the caller requests it.

        The last page is marked as the last; a list may stop before it. Raises PartnerError.
        """
        ...


class SyncStateStore(Protocol):
    """Stores the progress of the sync."""

    def take_lease(self, owner: str, now: datetime, until: datetime) -> ScanState | None:
        """Take the lease and return the state; None if another run has the lease."""
        ...

    def save(self, owner: str, state: ScanState) -> None:
        """Save the state. Raises LeaseLost."""
        ...

    def release(self, owner: str, state: ScanState) -> None:
        """Save the state and release the lease. Raises LeaseLost."""
        ...

    def oldest_lead(self) -> datetime | None:
        """Return when our first lead was received."""
        ...

"""What the sync of a partner's accounts needs of the table and of the partner."""

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
    """Where accounts are kept, and what is known of whose they are."""

    def accounts(self, uuids: Collection[str]) -> Mapping[str, StoredAccount]:
        """Those that are kept, by uuid."""
        ...

    def links(self, uuids: Collection[str]) -> Mapping[str, str | None]:
        """The leads that some of the accounts were made of, by the account's uuid; None for a person who was erased."""
        ...

    def deliveries(self, lead_ids: Collection[str]) -> Mapping[str, Delivery | None]:
        """The deliveries of some leads: None for one that does not exist, no entry for one that cannot be read."""
        ...

    def leads_of(self, email: str) -> Sequence[str]:
        """The ids of the leads with this address, the newest of them if they are many."""
        ...

    def store(self, accounts: Sequence[StoredAccount]) -> None:
        """Write accounts, over what is kept of them."""
        ...

    def forget(self, uuids: Sequence[str]) -> None:
        """Delete what is kept of accounts."""
        ...


class ListingPage(Protocol):
    """A page of a listing: the rows that were not given before, where it stands, how many there are in all."""

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
        """Seconds that one page can take."""
        ...

    def pages(
        self, since: datetime, until: datetime, budget: Budget, *, size: int, first_page: int
    ) -> Iterator[ListingPage]:
        """The accounts of a window, each page asked for when the one before has been taken; one page at least.

        The last one says that it is the last; a listing may stop before it. Raises PartnerError.
        """
        ...


class SyncStateStore(Protocol):
    """Where it is written down how far the sync has come."""

    def take_lease(self, owner: str, now: datetime, until: datetime) -> ScanState | None:
        """Become the one run there is; None if there is another."""
        ...

    def save(self, owner: str, state: ScanState) -> None:
        """Write down where the sync stands. Raises LeaseLost."""
        ...

    def release(self, owner: str, state: ScanState) -> None:
        """Do the same, and give the lease back. Raises LeaseLost."""
        ...

    def oldest_lead(self) -> datetime | None:
        """When our first lead came."""
        ...

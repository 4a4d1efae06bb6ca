"""An account repository in memory. Items are encoded and decoded as for the table."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from leadbridge.domain.accounts.account import StoredAccount
from leadbridge.domain.accounts.scan import LeaseLost, ScanState
from leadbridge.domain.delivery import Delivery
from leadbridge.domain.lead import Lead
from leadbridge.domain.operator_steps import erase_delivery
from leadbridge.storage import items
from leadbridge.storage.accounts import NEWEST, account_item, account_of, state_of, state_values
from quality.testkit.fakes.ledgers import Ledger

PARTNER = "matchtrade"


@dataclass
class InMemoryAccountRepository:
    """Accounts, the sync's state, and the leads in the indexes. `written` counts the accounts that were kept."""

    ledger: Ledger
    leads: list[Lead] = field(default_factory=list)
    written: int = 0
    owner: str | None = None
    lease_until: datetime | None = None
    asked_for: list[str] = field(default_factory=list)
    erased: set[str] = field(default_factory=set)
    _kept: dict[str, items.Item] = field(default_factory=dict)
    _state: items.Item | None = None

    def accounts(self, uuids: Collection[str]) -> Mapping[str, StoredAccount]:
        """Those that are kept."""
        return {uuid: account_of(items.decode(self._kept[uuid])) for uuid in uuids if uuid in self._kept}

    def links(self, uuids: Collection[str]) -> Mapping[str, str | None]:
        """The leads that some were made of, None for a person who was erased."""
        found = {uuid: self.ledger.owner_of(PARTNER, uuid) for uuid in uuids}
        ties: dict[str, str | None] = {uuid: lead_id for uuid, lead_id in found.items() if lead_id is not None}
        return ties | dict.fromkeys(self.erased.intersection(uuids))

    def deliveries(self, lead_ids: Collection[str]) -> Mapping[str, Delivery | None]:
        """The deliveries of some leads."""
        found: dict[str, Delivery | None] = {}
        for lead_id in lead_ids:
            with suppress(ValueError):
                found[lead_id] = self.ledger.delivery(lead_id, PARTNER)
        return found

    def leads_of(self, email: str) -> Sequence[str]:
        """The newest few leads of an address."""
        self.asked_for.append(email)
        found = [lead for lead in self.leads if (lead.person.email or "").casefold() == email.casefold()]
        return [lead.lead_id for lead in sorted(found, key=lambda lead: lead.received_at, reverse=True)][:NEWEST]

    def store(self, accounts: Sequence[StoredAccount]) -> None:
        """Write accounts."""
        assert len({account.uuid for account in accounts}) == len(accounts)
        self.written += len(accounts)
        self._kept |= {account.uuid: items.encode(account_item(PARTNER, account)) for account in accounts}

    def forget(self, accounts: Sequence[StoredAccount]) -> None:
        """Delete accounts."""
        for account in accounts:
            self._kept.pop(account.uuid, None)

    def erase(self, lead_id: str) -> None:
        """Forget a lead's person, as an operator has it done."""
        delivery = self.ledger.delivery(lead_id, PARTNER)
        assert delivery is not None
        self.ledger.apply(erase_delivery(delivery, delivery.received_at))
        self.leads = [lead for lead in self.leads if lead.lead_id != lead_id]
        if delivery.account_uuid is not None:
            self.erased.add(delivery.account_uuid)
            self._kept.pop(delivery.account_uuid, None)

    def oldest_lead(self) -> datetime | None:
        """When the first lead came."""
        return min((lead.received_at for lead in self.leads), default=None)

    def take_lease(self, owner: str, now: datetime, until: datetime) -> ScanState | None:
        """Become the one run there is."""
        if self.owner is not None and self.lease_until is not None and self.lease_until > now:
            return None
        self.owner, self.lease_until = owner, until
        self._state = self._state or items.encode(state_values(ScanState.first(now)))
        return self.state

    def save(self, owner: str, state: ScanState) -> None:
        """Write down where the sync stands."""
        if self.owner != owner:
            raise LeaseLost
        self._state = items.encode(state_values(state))

    def release(self, owner: str, state: ScanState) -> None:
        """Do the same, and give the lease back."""
        self.save(owner, state)
        self.owner = self.lease_until = None

    @property
    def state(self) -> ScanState:
        """Where the sync stands."""
        assert self._state is not None
        return state_of(items.decode(self._state))

    @property
    def all(self) -> dict[str, StoredAccount]:
        """Every account that is kept."""
        return dict(self.accounts(list(self._kept)))

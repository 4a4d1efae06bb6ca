"""What a partner's own list tells of accounts: each is kept, tied to the lead it was made of, and its news told.

An account belongs to the lead that a tie names (written when it was made, in the same transaction), else to one with
the same e-mail whose attempts can have made it. Its status is brought to the delivery first and noted here afterwards,
so that whoever dies in between only looks twice. Of a person who was erased nothing is kept again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from leadbridge.clock import Clock, from_text, to_text
from leadbridge.leads import delivery as steps
from leadbridge.leads.delivery import Change, Delivery, State
from leadbridge.leads.looking_up import CLOCKS_DIFFER, Account, Origin, origin
from leadbridge.leads.statuses import new_status
from leadbridge.leads.writing import Conflict, Contended
from leadbridge.settings import Partner as PartnerSettings

LONGEST_UUID = 512  # bytes; a key of the table has an end, and a uuid has 36
LOOKED_UP_FOR = timedelta(hours=1)  # after it was first seen: what was written meanwhile may reach the index late
TRIES = 3  # how often a delivery is read anew that others are changing
DONE = (State.SUBMITTED, State.CLOSED)


class Row(Account, Protocol):
    """An account as the partner lists it; what it does not tell is None."""

    @property
    def updated(self) -> datetime | None:
        """When it changed last."""
        ...

    @property
    def email(self) -> str | None:
        """The address that it is known by."""
        ...


@dataclass(frozen=True, slots=True)
class KeptAccount:
    """An account as we keep it: the partner's row, and what we made of it.

    `lead_id` is the lead it was made of, None where it did not come from us. `told_status` is the status that was
    last brought to that lead's delivery. Times are to the millisecond.
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
    lead_id: str | None = None
    told_status: str | None = None

    @classmethod
    def of(cls, row: Row, before: KeptAccount | None, now: datetime) -> KeptAccount:
        """The row as it is now, with what we know already."""
        told = {name: _to_milliseconds(getattr(row, name)) for name in ROW_FIELDS}
        if before is None:
            return cls(**told, first_seen_at=_to_milliseconds(now))
        return replace(before, **told)

    def __repr__(self) -> str:
        return f"KeptAccount(uuid={self.uuid!r}, …)"


OWN_FIELDS = frozenset({"first_seen_at", "lead_id", "told_status"})
ROW_FIELDS = tuple(each.name for each in fields(KeptAccount) if each.name not in OWN_FIELDS)


class Book(Protocol):
    """Where accounts are kept, and what is known of whose they are."""

    def accounts(self, uuids: Collection[str]) -> Mapping[str, KeptAccount]:
        """Those that are kept, by uuid."""
        ...

    def ties(self, uuids: Collection[str]) -> Mapping[str, str | None]:
        """The leads that some of the accounts were made of, by the account's uuid; None for a person who was erased."""
        ...

    def leads_of(self, email: str) -> Sequence[str]:
        """The ids of the newest few leads with this address."""
        ...

    def keep(self, accounts: Sequence[KeptAccount]) -> None:
        """Write accounts, over what is kept of them."""
        ...


class Ledger(Protocol):
    """The deliveries."""

    def delivery(self, lead_id: str, partner: str) -> Delivery | None:
        """The delivery as it is now."""
        ...

    def apply(self, change: Change) -> Delivery:
        """Write a change; raises Conflict if somebody was quicker."""
        ...


@dataclass
class Taken:
    """What came of some rows, for logs and metrics."""

    rows: int = 0
    written: int = 0
    tied: int = 0
    changed: int = 0
    without_id: int = 0
    failed: int = 0


@dataclass(frozen=True)
class Intake:
    """Takes one partner's rows in. `mirrors`: a new status is also noted with the person."""

    partner: str
    book: Book
    ledger: Ledger
    settings: PartnerSettings
    clock: Clock
    mirrors: bool = False

    def take(self, rows: Iterable[Row], oldest_lead: datetime | None, taken: Taken) -> None:
        """Keep some rows, a hundred or so, and tell their news. Safe to repeat; unchanged rows write nothing.

        What was made before our `oldest_lead` cannot be ours. A row that nothing can be made of is kept as it is,
        counted, and tried again whenever it is seen. Raises whatever book and ledger raise.
        """
        named: dict[str, Row] = {}
        for row in rows:
            taken.rows += 1
            if row.uuid is None or len(row.uuid.encode()) > LONGEST_UUID:
                taken.without_id += 1
            else:
                named[row.uuid] = row
        known = self.book.accounts(named)
        can_be_ours = {uuid for uuid, row in named.items() if _is_younger(row, oldest_lead)}
        untied = [uuid for uuid in named if uuid in can_be_ours and (uuid not in known or known[uuid].lead_id is None)]
        ties = self.book.ties(untied) if untied else {}
        changed = []
        for uuid, row in named.items():
            if uuid in ties and ties[uuid] is None:
                continue
            before = known.get(uuid)
            account = KeptAccount.of(row, before, self.clock())
            if before is not None and _is_older(account, before):
                continue
            try:
                account = self._with_news(account, before, ties.get(uuid), may_be_ours=uuid in can_be_ours, taken=taken)
            except (LookupError, TypeError, ValueError):  # what is kept of its lead makes no sense: others go on
                taken.failed += 1
            if account != before:
                changed.append(account)
        if changed:
            self.book.keep(changed)
            taken.written += len(changed)

    def _with_news(
        self, account: KeptAccount, before: KeptAccount | None, tie: str | None, *, may_be_ours: bool, taken: Taken
    ) -> KeptAccount:
        """The account as it is to be kept, once its delivery has heard of it."""
        if before is not None and before.lead_id is not None and account.told_status == account.status:
            return account
        lead_id = account.lead_id or tie
        if lead_id is None and may_be_ours and self._is_to_be_looked_up(account, before):
            lead_id = self._owner(account)
        if lead_id is None:
            return account
        if not self._tell(account, lead_id, taken):
            return account
        taken.tied += account.lead_id is None
        return replace(account, lead_id=lead_id, told_status=account.status)

    def _is_to_be_looked_up(self, account: KeptAccount, before: KeptAccount | None) -> bool:
        if account.email is None:
            return False
        return before is None or account != before or self.clock() - before.first_seen_at < LOOKED_UP_FOR

    def _owner(self, account: KeptAccount) -> str | None:
        """The lead of this e-mail that the account can have been made of.

        Of several, one that the partner surely took comes first, then the one that was attempted last.
        """
        found: list[Delivery] = []
        for lead_id in self.book.leads_of(account.email or ""):
            delivery = self.ledger.delivery(lead_id, self.partner)
            if delivery is not None and self._can_have_made(account, delivery):
                found.append(delivery)
        best = max(found, key=lambda one: (one.state in DONE, one.first_attempt_at or one.received_at), default=None)
        return None if best is None else best.lead_id

    def _can_have_made(self, account: KeptAccount, delivery: Delivery) -> bool:
        if delivery.account_uuid is not None:
            return delivery.account_uuid == account.uuid
        whose = origin(account, delivery, None)
        if delivery.state in DONE:  # the partner took it, and takes one e-mail once
            return whose is not Origin.ANOTHERS
        return whose is Origin.OURS and (delivery.state is State.SUBMITTING or self._is_in_doubt(delivery))

    def _is_in_doubt(self, delivery: Delivery) -> bool:
        """Whether a reply was lost, so that the account itself is what tells."""
        is_uncertain = delivery.state is State.RECEIVED and delivery.is_uncertain
        return delivery.state is State.UNKNOWN or is_uncertain or delivery.lease_ran_out(self.clock())

    def _tell(self, account: KeptAccount, lead_id: str, taken: Taken) -> bool:
        """Bring an account's status to the delivery; False where the delivery cannot hear of it yet."""
        for _ in range(TRIES):
            delivery = self.ledger.delivery(lead_id, self.partner)
            if delivery is None or delivery.account_uuid not in {None, account.uuid}:
                return True  # the lead was erased, or is another account's
            try:
                if self._is_in_doubt(delivery):
                    delivery = self.ledger.apply(steps.accepted(delivery, self.clock(), account.uuid, None))
                if delivery.state not in DONE:
                    return False
                if account.status is not None and account.status != delivery.partner_status:
                    self.ledger.apply(self._change(delivery, account.status, account.uuid))
                    taken.changed += 1
            except (Conflict, Contended):
                continue
            return True
        return False

    def _change(self, delivery: Delivery, status: str, account_uuid: str) -> Change:
        return new_status(
            delivery,
            status,
            self.settings,
            self.clock(),
            check_after=None,
            mirrors=self.mirrors,
            account_uuid=account_uuid,
        )


def _is_younger(row: Row, oldest_lead: datetime | None) -> bool:
    """Whether the account can have been made of one of our leads, by its age."""
    if oldest_lead is None:
        return False
    return row.created is None or row.created >= oldest_lead - CLOCKS_DIFFER


def _is_older(account: KeptAccount, before: KeptAccount) -> bool:
    """Whether what came is older than what is kept: a page may have been on its way for long."""
    return account.updated is not None and before.updated is not None and account.updated < before.updated


def _to_milliseconds(value: Any) -> Any:
    """A time as precise as the table keeps it; anything else as it is."""
    return from_text(to_text(value)) if isinstance(value, datetime) else value

"""What a partner's own list tells of accounts: each is kept, tied to the lead it was made of, and its news told.

An account belongs to the lead that a tie names (written when it was made, in the same transaction), else to one with
the same e-mail whose attempts can have made it. A row is compared with its delivery, never with a note of the
last write: a check, an operator or a run that stopped may have changed the delivery since. The deliveries of a page's
accounts are read in one batch, so an unchanged row costs no read of its own. Nothing about an erased person is stored
again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum, auto

from leadbridge.domain import delivery as steps
from leadbridge.domain.accounts.account import ListedAccount, StoredAccount
from leadbridge.domain.accounts.match import Origin, match_account
from leadbridge.domain.clock import Clock
from leadbridge.domain.delivery import Delivery, State
from leadbridge.domain.errors.secret_errors import SecretMissing
from leadbridge.domain.status_change import record_account, record_status
from leadbridge.domain.transitions import Conflict
from leadbridge.runtime.aws_errors import Contended
from leadbridge.services.ports.accounts import AccountStore
from leadbridge.services.ports.deliveries import Deliveries
from leadbridge.settings import Partner as PartnerSettings

MAX_UUID_BYTES = 512  # bytes; a key of the table has an end, and a uuid has 36
LOOKUP_PERIOD = timedelta(hours=1)  # after it was first seen: what was written meanwhile may reach the index late
MAX_ZONE_OFFSET = timedelta(hours=14)  # by which a partner's times may be behind ours, where they tell of another zone
MAX_ATTEMPTS = 3  # reads of a delivery that others are changing
ACCEPTED = (State.SUBMITTED, State.CLOSED)


class UpdateResult(Enum):
    """Whether a delivery has heard what is new of its account."""

    UP_TO_DATE = auto()
    PENDING = auto()
    ERASED = auto()
    NOT_FOUND = auto()


@dataclass
class ReconcileCounts:
    """What came of some rows, for logs and metrics."""

    rows: int = 0
    written: int = 0
    tied: int = 0
    changed: int = 0
    without_id: int = 0
    failed: int = 0


@dataclass(frozen=True)
class AccountReconciler:
    """Takes one partner's rows in. `with_crm_note`: a new status is also noted with the person."""

    partner: str
    store: AccountStore
    ledger: Deliveries
    settings: PartnerSettings
    clock: Clock
    with_crm_note: bool = False

    def reconcile(
        self,
        rows: Iterable[ListedAccount],
        oldest_lead: datetime | None,
        taken: ReconcileCounts,
        *,
        asked_at: datetime | None = None,
    ) -> None:
        """Keep some rows, a hundred or so, and tell their news. Safe to repeat; unchanged rows write nothing.

        What was made before our `oldest_lead` cannot be ours. The rows are believed to be as old as `asked_at`, when
        the partner was asked for them: now, if that is None. A row that nothing can be made of is kept as it is,
        counted, and tried again whenever it is seen. Raises SecretMissing, and whatever book and ledger raise.
        """
        named = _named(rows, taken)
        learned_at = asked_at or self.clock()
        known, ties = self.store.accounts(named), self.store.links(named)
        owners = {uuid: lead_id for uuid in named if (lead_id := _owner_known(known.get(uuid), ties.get(uuid)))}
        deliveries = self.store.deliveries(set(owners.values()))
        changed, forgotten = [], []
        for uuid, row in named.items():
            before = known.get(uuid)
            account: StoredAccount | None = None
            if uuid not in ties or ties[uuid] is not None:
                account = StoredAccount.of(row, before, self.clock())
                if before is not None and account.is_older_than(before, self.clock()):
                    continue
                may_be_ours = _is_younger(row, oldest_lead)
                tie = ties.get(uuid)
                account = self._taken(account, before, tie, deliveries, learned_at, taken, may_be_ours=may_be_ours)
            if account is None and before is not None:
                forgotten.append(uuid)
            elif account is not None and account != before:
                changed.append(account)
        if forgotten:
            self.store.forget(forgotten)
        if changed:
            self.store.store(changed)
            taken.written += len(changed)

    def _taken(
        self,
        account: StoredAccount,
        before: StoredAccount | None,
        tie: str | None,
        deliveries: Mapping[str, Delivery | None],
        learned_at: datetime,
        taken: ReconcileCounts,
        *,
        may_be_ours: bool,
    ) -> StoredAccount | None:
        """Return the account to store after its delivery is up to date; None if its person was erased."""
        try:
            lead_id = account.lead_id or tie
            if lead_id is None and may_be_ours and self._is_to_be_looked_up(account, before):
                lead_id = self._owner(account)
            if lead_id is None:
                return replace(account, is_pending=False)
            heard = self._tell(account, lead_id, deliveries, learned_at, taken)
        except SecretMissing:
            raise
        except (LookupError, TypeError, ValueError):  # what is kept of its lead makes no sense: others go on
            taken.failed += 1
            return replace(account, is_pending=True)
        match heard:
            case UpdateResult.ERASED:
                return None
            case UpdateResult.NOT_FOUND:  # the lead has expired: this is an account in the broker's list like any other
                return replace(account, lead_id=None, is_pending=False)
            case UpdateResult.PENDING:
                return replace(account, is_pending=True)
            case UpdateResult.UP_TO_DATE:
                taken.tied += account.lead_id is None
                return replace(account, lead_id=lead_id, is_pending=False)

    def _is_to_be_looked_up(self, account: StoredAccount, before: StoredAccount | None) -> bool:
        if account.email is None:
            return False
        if before is None or before.is_pending or account != before:
            return True
        return self.clock() - before.first_seen_at < LOOKUP_PERIOD

    def _owner(self, account: StoredAccount) -> str | None:
        """The lead of this e-mail that the account can have been made of.

        Of several, one that the partner surely took comes first, then the one that was attempted last.
        """
        found: list[Delivery] = []
        for lead_id in self.store.leads_of(account.email or ""):
            delivery = self.ledger.delivery(lead_id, self.partner)
            if delivery is not None and self._can_have_made(account, delivery):
                found.append(delivery)
        best = max(
            found, key=lambda one: (one.state in ACCEPTED, one.first_attempt_at or one.received_at), default=None
        )
        return None if best is None else best.lead_id

    def _can_have_made(self, account: StoredAccount, delivery: Delivery) -> bool:
        if delivery.account_uuid is not None:
            return delivery.account_uuid == account.uuid
        if delivery.state in ACCEPTED:  # the partner took it, and takes one e-mail once, whatever its clock says
            return True
        is_open = delivery.state is State.SUBMITTING or self._is_in_doubt(delivery)
        return is_open and match_account(account, delivery, None) is Origin.OURS

    def _is_in_doubt(self, delivery: Delivery) -> bool:
        """Whether a reply was lost, so that the account itself is what tells."""
        is_uncertain = delivery.state is State.RECEIVED and delivery.is_uncertain
        return delivery.state is State.UNKNOWN or is_uncertain or delivery.is_lease_expired(self.clock())

    def _tell(
        self,
        account: StoredAccount,
        lead_id: str,
        read: Mapping[str, Delivery | None],
        learned_at: datetime,
        taken: ReconcileCounts,
    ) -> UpdateResult:
        """Write an account's news to its delivery. `read` holds the deliveries that the batch has read."""
        for number in range(MAX_ATTEMPTS):
            is_read = number == 0 and lead_id in read
            delivery = read[lead_id] if is_read else self.ledger.delivery(lead_id, self.partner)
            if delivery is not None and delivery.is_erased:
                return UpdateResult.ERASED
            if delivery is None:
                return UpdateResult.NOT_FOUND
            if delivery.account_uuid not in {None, account.uuid}:
                return UpdateResult.UP_TO_DATE  # the lead has another account
            try:
                return self._bring(account, delivery, learned_at, taken)
            except (Conflict, Contended):
                continue
        return UpdateResult.PENDING

    def _bring(
        self, account: StoredAccount, delivery: Delivery, learned_at: datetime, taken: ReconcileCounts
    ) -> UpdateResult:
        """Write what is new to a delivery. Raises Conflict, Contended."""
        if self._is_in_doubt(delivery):
            delivery = self.ledger.apply(steps.confirm(delivery, self.clock(), account.uuid, None))
        if delivery.state not in ACCEPTED:
            return UpdateResult.PENDING
        if delivery.account_uuid is None:
            delivery = self.ledger.apply(record_account(delivery, self.clock(), account.uuid))
        if account.status is None or account.status == delivery.partner_status:
            return UpdateResult.UP_TO_DATE
        if delivery.status_at is not None and learned_at < delivery.status_at:
            return UpdateResult.PENDING  # somebody else has asked since
        change = record_status(
            delivery,
            account.status,
            self.settings,
            self.clock(),
            check_after=None,
            with_crm_note=self.with_crm_note,
            learned_at=learned_at,
        )
        self.ledger.apply(change)
        taken.changed += 1
        return UpdateResult.UP_TO_DATE


def _named(rows: Iterable[ListedAccount], taken: ReconcileCounts) -> dict[str, ListedAccount]:
    """The rows by their uuids; those without one are counted."""
    named: dict[str, ListedAccount] = {}
    for row in rows:
        taken.rows += 1
        if row.uuid is None or len(row.uuid.encode()) > MAX_UUID_BYTES:
            taken.without_id += 1
        else:
            named[row.uuid] = row
    return named


def _owner_known(before: StoredAccount | None, tie: str | None) -> str | None:
    """Return the lead that an account is known to belong to without a look-up."""
    return tie if before is None or before.lead_id is None else before.lead_id


def _is_younger(row: ListedAccount, oldest_lead: datetime | None) -> bool:
    """Whether the account can have been made of one of our leads, by its age."""
    if oldest_lead is None:
        return False
    created = row.created_latest or row.created
    return created is None or created >= oldest_lead - MAX_ZONE_OFFSET

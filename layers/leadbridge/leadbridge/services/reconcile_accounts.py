"""Reconcile the accounts in a partner's list: store them, link them to leads, and update the deliveries' statuses.

An account belongs to the lead of its link, which is written in the same transaction as the delivery. Without a link it
belongs to a lead with the same e-mail if an attempt of that lead can have created it. A row is compared with its
delivery and not with the stored account, because a check, an operator or an interrupted run may have changed the
delivery. The deliveries of a page's accounts are read in one batch, so an unchanged row costs no extra read. Nothing
about an erased person is stored again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import TYPE_CHECKING

from leadbridge.domain import delivery as steps
from leadbridge.domain.accounts.account import ListedAccount, StoredAccount
from leadbridge.domain.accounts.match import Origin, match_account
from leadbridge.domain.clock import Clock
from leadbridge.domain.delivery import Delivery, State
from leadbridge.domain.errors.secret_errors import SecretMissing
from leadbridge.domain.statuses.status_change import record_account, record_status
from leadbridge.domain.transitions import Conflict
from leadbridge.runtime.aws_errors import Contended
from leadbridge.settings import Partner as PartnerSettings

if TYPE_CHECKING:
    from leadbridge.services.ports.accounts import AccountStore
    from leadbridge.services.ports.deliveries import Deliveries

MAX_UUID_BYTES = 512  # a DynamoDB key is limited, and a uuid has 36 bytes
LOOKUP_PERIOD = timedelta(hours=1)  # after an account was first seen: the index may be late
MAX_ZONE_OFFSET = timedelta(hours=14)  # by which times in a wrong time zone may be behind
MAX_ATTEMPTS = 3  # to write to a delivery that others are changing
ACCEPTED = (State.SUBMITTED, State.CLOSED)


class UpdateResult(Enum):
    """The result of updating a delivery from its account."""

    UP_TO_DATE = auto()
    PENDING = auto()
    ERASED = auto()
    NOT_FOUND = auto()


@dataclass
class ReconcileCounts:
    """Counts of processed rows, for logs and metrics."""

    rows: int = 0
    written: int = 0
    linked: int = 0
    changed: int = 0
    without_id: int = 0
    failed: int = 0


@dataclass(frozen=True)
class AccountReconciler:
    """Reconciles one partner's accounts. `with_crm_note`: a new status is also written to Leeloo's CRM."""

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
        counts: ReconcileCounts,
        *,
        asked_at: datetime | None = None,
    ) -> None:
        """Store up to about a hundred rows and update their deliveries. Safe to repeat; unchanged rows write nothing.

        An account that was created before our `oldest_lead` cannot be ours. `asked_at` is when the partner was called
        for the rows; None for now. A row whose lead cannot be read is stored and counted as failed, and retried in
        later runs. Raises SecretMissing, and what store and ledger raise.
        """
        named = _index_by_uuid(rows, counts)
        learned_at = asked_at or self.clock()
        known, links = self.store.accounts(named), self.store.links(named)
        owners = {uuid: lead_id for uuid in named if (lead_id := _known_owner(known.get(uuid), links.get(uuid)))}
        deliveries = self.store.deliveries(dict.fromkeys(owners.values()))
        changed, forgotten = [], []
        for uuid, row in named.items():
            before = known.get(uuid)
            listed = StoredAccount.of(row, before, self.clock())
            account: StoredAccount | None = None
            if uuid not in links or links[uuid] is not None:
                account = listed
                if before is not None and account.is_older_than(before, self.clock()):
                    continue
                may_be_ours = _is_young_enough(row, oldest_lead)
                link = links.get(uuid)
                account = self._reconcile_account(
                    account, before, link, deliveries, learned_at, counts, may_be_ours=may_be_ours
                )
            if account is None:  # an interrupted run may have left it, or what points to it
                forgotten.append(listed)
            elif account != before:
                changed.append(account)
        if forgotten:
            self.store.forget(forgotten)
        if changed:
            self.store.store(changed)
            counts.written += len(changed)

    def _reconcile_account(
        self,
        account: StoredAccount,
        before: StoredAccount | None,
        link: str | None,
        deliveries: Mapping[str, Delivery | None],
        learned_at: datetime,
        counts: ReconcileCounts,
        *,
        may_be_ours: bool,
    ) -> StoredAccount | None:
        """Update the account's delivery and return the account to store; None if its person was erased."""
        try:
            lead_id = account.lead_id or link
            if lead_id is None and may_be_ours and self._needs_look_up(account, before):
                lead_id = self._owner(account)
            if lead_id is None:
                return replace(account, is_pending=False)
            result = self._update_delivery(account, lead_id, deliveries, learned_at, counts)
        except SecretMissing:
            raise
        except (LookupError, TypeError, ValueError):  # its stored lead is invalid: continue with the other rows
            counts.failed += 1
            return replace(account, is_pending=True)
        match result:
            case UpdateResult.ERASED:
                return None
            case UpdateResult.NOT_FOUND:  # the lead has expired: store the account like a foreign one
                return replace(account, lead_id=None, is_pending=False)
            case UpdateResult.PENDING:
                return replace(account, is_pending=True)
            case UpdateResult.UP_TO_DATE:
                counts.linked += account.lead_id is None
                return replace(account, lead_id=lead_id, is_pending=False)

    def _needs_look_up(self, account: StoredAccount, before: StoredAccount | None) -> bool:
        if account.email is None:
            return False
        if before is None or before.is_pending or account != before:
            return True
        return self.clock() - before.first_seen_at < LOOKUP_PERIOD

    def _owner(self, account: StoredAccount) -> str | None:
        """Return the lead with this e-mail that can have created the account.

        A lead that the partner accepted is preferred, then the one with the latest attempt.
        """
        found: list[Delivery] = []
        for lead_id in self.store.leads_of(account.email or ""):
            delivery = self.ledger.delivery(lead_id, self.partner)
            if delivery is not None and self._can_have_created(account, delivery):
                found.append(delivery)
        best = max(
            found, key=lambda one: (one.state in ACCEPTED, one.first_attempt_at or one.received_at), default=None
        )
        return None if best is None else best.lead_id

    def _can_have_created(self, account: StoredAccount, delivery: Delivery) -> bool:
        if delivery.account_uuid is not None:
            return delivery.account_uuid == account.uuid
        if delivery.state in ACCEPTED:  # the partner accepts an e-mail only once
            return True
        is_open = delivery.state is State.SUBMITTING or self._is_in_doubt(delivery)
        return is_open and match_account(account, delivery, None) is Origin.OURS

    def _is_in_doubt(self, delivery: Delivery) -> bool:
        """Return whether a reply was lost, so that the account is the proof of the creation."""
        is_uncertain = delivery.state is State.RECEIVED and delivery.is_uncertain
        return delivery.state is State.UNKNOWN or is_uncertain or delivery.is_lease_expired(self.clock())

    def _update_delivery(
        self,
        account: StoredAccount,
        lead_id: str,
        read: Mapping[str, Delivery | None],
        learned_at: datetime,
        counts: ReconcileCounts,
    ) -> UpdateResult:
        """Update the delivery of an account. `read` contains the deliveries that the batch has read."""
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
                return self._write_update(account, delivery, learned_at, counts)
            except (Conflict, Contended):
                continue
        return UpdateResult.PENDING

    def _write_update(
        self, account: StoredAccount, delivery: Delivery, learned_at: datetime, counts: ReconcileCounts
    ) -> UpdateResult:
        """Write the changes of an account to its delivery. Raises Conflict, Contended."""
        if self._is_in_doubt(delivery):
            delivery = self.ledger.apply(steps.confirm(delivery, self.clock(), account.uuid, is_followed=False))
        if delivery.state not in ACCEPTED:
            return UpdateResult.PENDING
        if delivery.account_uuid is None:
            delivery = self.ledger.apply(record_account(delivery, self.clock(), account.uuid))
        if account.status is None or account.status == delivery.partner_status:
            return UpdateResult.UP_TO_DATE
        if delivery.status_at is not None and learned_at < delivery.status_at:
            return UpdateResult.PENDING  # a newer status was read since
        change = record_status(
            delivery,
            account.status,
            self.settings,
            self.clock(),
            with_crm_note=self.with_crm_note,
            learned_at=learned_at,
        )
        self.ledger.apply(change)
        counts.changed += 1
        return UpdateResult.UP_TO_DATE


def _index_by_uuid(rows: Iterable[ListedAccount], counts: ReconcileCounts) -> dict[str, ListedAccount]:
    """Return the rows by uuid; count those without one."""
    named: dict[str, ListedAccount] = {}
    for row in rows:
        counts.rows += 1
        if row.uuid is None or len(row.uuid.encode()) > MAX_UUID_BYTES:
            counts.without_id += 1
        else:
            named[row.uuid] = row
    return named


def _known_owner(before: StoredAccount | None, link: str | None) -> str | None:
    """Return the lead of an account if it is known without a look-up."""
    return link if before is None or before.lead_id is None else before.lead_id


def _is_young_enough(row: ListedAccount, oldest_lead: datetime | None) -> bool:
    """Return whether the account is young enough to come from one of our leads."""
    if oldest_lead is None:
        return False
    created = row.created_latest or row.created
    return created is None or created >= oldest_lead - MAX_ZONE_OFFSET

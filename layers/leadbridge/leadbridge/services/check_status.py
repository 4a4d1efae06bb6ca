"""Process a due delivery: check its status, requeue it if it waits too long, or settle the attempt of a lost worker."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from leadbridge.domain import delivery as steps
from leadbridge.domain.accounts.match import Accounts
from leadbridge.domain.clock import Clock
from leadbridge.domain.delivery import MAX_REFUSED_CHECKS, Change, Delivery, State
from leadbridge.domain.errors import partner_errors
from leadbridge.domain.errors.error_codes import ErrorCode, ErrorInfo
from leadbridge.domain.lead import Lead
from leadbridge.domain.status_change import record_status
from leadbridge.domain.transitions import AlreadyLinked
from leadbridge.runtime.budget import Budget
from leadbridge.services.worker import WORKER_DIED, Outcome, Result, Worker, backoff, retry_delay
from leadbridge.settings import Partner as PartnerSettings

if TYPE_CHECKING:
    from leadbridge.services.ports.deliveries import DealStatuses, StatusLedger, StatusPartner


@dataclass(frozen=True)
class StatusByDeal:
    """Gets statuses by the ids of deals."""

    deals: DealStatuses
    settles_lost_replies: bool = False

    @property
    def seconds_per_check(self) -> float:
        """The longest time of a status check in seconds."""
        return self.deals.seconds_per_check

    def status(self, delivery: Delivery, budget: Budget) -> str:
        """Return the status of the delivery's deal. Raises PartnerError."""
        if delivery.deal_id is None:
            raise partner_errors.Unavailable(delivery.partner, "status", "no deal is known", code=ErrorCode.ID_UNKNOWN)
        return self.deals.status(delivery.deal_id, budget)


@dataclass(frozen=True)
class StatusByEmail:
    """Gets statuses from people's accounts, which are found by e-mail. `lead` reads a lead."""

    accounts: Accounts
    lead: Callable[[str], Lead | None]
    settles_lost_replies: bool = True

    @property
    def seconds_per_check(self) -> float:
        """The longest time of a status check in seconds."""
        return self.accounts.seconds_per_page

    def status(self, delivery: Delivery, budget: Budget) -> str:
        """Return the status of the lead's account. Raises PartnerError."""
        lead = self.lead(delivery.lead_id)
        email = lead.person.email if lead is not None else None
        account = self.accounts.find(email, budget) if email else None
        if account is None or not account.status or delivery.account_uuid not in {None, account.uuid}:
            text = "the partner lists no status for this account"
            raise partner_errors.Unavailable(delivery.partner, "status", text, code=ErrorCode.STATUS_MISSING)
        return account.status


@dataclass(frozen=True)
class Checker(Worker[Delivery, Change]):
    """Processes the due deliveries of one partner. `with_crm_note`: a new status is also written to Leeloo's CRM.

    `requeue` sends a delivery that waits too long directly to its partner's queue, because the stream, the bus or the
    rule may have failed.
    """

    ledger: StatusLedger
    partner: StatusPartner
    settings: PartnerSettings
    clock: Clock
    jitter: Callable[[], float] = random.random
    with_crm_note: bool = False
    requeue: Callable[[Delivery], None] = lambda _: None

    def process(self, lead_id: str, partner: str, budget: Budget, *, at_once: bool = False) -> Result:
        """Process one delivery if it is due. Safe to repeat and to run concurrently.

        `at_once` checks the status also if it is not due yet. Raises what the ledger raises.
        """
        delivery = self.ledger.delivery(lead_id, partner)
        return self._process(delivery, lambda one, now: self._process_due(one, now, budget, at_once=at_once))

    def _settle_lost_attempt(self, delivery: Delivery, now: datetime) -> Result | None:
        if not delivery.is_lease_expired(now):
            return None
        if self.partner.settles_lost_replies:
            return self._write(steps.mark_uncertain(delivery, now, WORKER_DIED, None), Result(Outcome.UNCERTAIN))
        return self._write(steps.mark_unknown(delivery, now, WORKER_DIED), Result(Outcome.UNKNOWN))

    def _is_processable(self, delivery: Delivery) -> bool:
        return delivery.is_waiting or (delivery.state is State.SUBMITTED and not delivery.is_erased)

    def _process_due(self, delivery: Delivery, now: datetime, budget: Budget, *, at_once: bool) -> Result:
        is_due = delivery.due_at is not None and delivery.due_at <= now
        if delivery.is_waiting:
            if at_once or not is_due:
                return Result(Outcome.NO_ACTION)
            self.requeue(delivery)
            self._defer_overdue(delivery, now)
            return Result(Outcome.REQUEUED)
        if not at_once and not is_due:
            return Result(Outcome.NO_ACTION)
        if not budget.allows(self.partner.seconds_per_check):
            return Result(Outcome.OUT_OF_TIME)
        return self._check(delivery, budget)

    def _check(self, delivery: Delivery, budget: Budget) -> Result:
        asked_at = self.clock()
        try:
            status = self.partner.status(delivery, budget)
        except partner_errors.PartnerError as error:
            is_refused = isinstance(error, partner_errors.Rejected)
            if delivery.due_at is not None:
                wait = retry_delay(self.settings.retry, delivery.checks_failed + 1, self.jitter(), error)
                self.ledger.defer_check(delivery, self.clock() + wait, error=error.info, is_refused=is_refused)
            needs_person = is_refused and delivery.checks_refused + 1 >= MAX_REFUSED_CHECKS
            return Result(Outcome.CHECK_REFUSED if needs_person else Outcome.CHECK_FAILED, error=error)
        now = self.clock()
        interval = self.settings.check_after(now - (delivery.submitted_at or delivery.received_at))
        check_after = None if interval is None else self._spread(interval)
        if status == delivery.partner_status:
            if check_after is not None:
                self.ledger.defer_check(delivery, now + check_after)
            return Result(Outcome.UNCHANGED)
        change = record_status(
            delivery,
            status,
            self.settings,
            now,
            check_after=check_after,
            with_crm_note=self.with_crm_note,
            learned_at=asked_at,
        )
        is_closed = change.after.state is State.CLOSED
        try:
            return self._write(change, Result(Outcome.CLOSED if is_closed else Outcome.CHANGED))
        except AlreadyLinked as conflict:
            # The status cannot be stored while another lead has the id. A later due time avoids a check by every sweep.
            if delivery.due_at is not None:
                failures = delivery.checks_failed + 1
                wait = max(check_after or timedelta(), backoff(self.settings.retry, failures, self.jitter()))
                text, data = f"the partner's id is linked to {conflict.lead_id}", {"lead_id": conflict.lead_id}
                linked = ErrorInfo(ErrorCode.ALREADY_LINKED, text, data)
                self.ledger.defer_check(delivery, now + wait, error=linked)
            return Result(Outcome.CHECK_FAILED)

    def _spread(self, wait: timedelta) -> timedelta:
        """Return the wait with up to ten percent of jitter, so that leads that arrived together are checked apart."""
        return wait * (1 + self.jitter() / 10)

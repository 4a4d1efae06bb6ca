"""Process a due delivery: ask the partner for its status, requeue one that waits too long, settle a lost worker's."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from leadbridge.domain import delivery as steps
from leadbridge.domain import partner_errors
from leadbridge.domain.accounts.match import Accounts
from leadbridge.domain.clock import Clock
from leadbridge.domain.delivery import MAX_REFUSED_CHECKS, Change, Delivery, State
from leadbridge.domain.error_codes import ErrorCode, ErrorInfo
from leadbridge.domain.lead import Lead
from leadbridge.domain.status_change import new_status
from leadbridge.domain.transitions import overdue_wait
from leadbridge.runtime.budget import Budget
from leadbridge.services.submit_lead import WORKER_DIED, backoff
from leadbridge.settings import Partner as PartnerSettings
from leadbridge.storage.table import AlreadyLinked, Conflict


class Ledger(Protocol):
    """The part of the store that a check needs."""

    def delivery(self, lead_id: str, partner: str) -> Delivery | None:
        """The delivery as it is now."""
        ...

    def apply(self, change: Change) -> Delivery:
        """Write a change. Raises Conflict, and AlreadyLinked if another lead has the partner's id."""
        ...

    def look_again(
        self, delivery: Delivery, due_at: datetime, *, error: ErrorInfo | None = None, is_refused: bool = False
    ) -> None:
        """Put off the next look at a delivery."""
        ...

    def defer(self, delivery: Delivery, due_at: datetime) -> None:
        """Move the time at which a delivery is due, and nothing else."""
        ...


class Partner(Protocol):
    """A partner that knows what became of a delivery."""

    @property
    def seconds_per_check(self) -> float:
        """Seconds that asking for a status can take."""
        ...

    @property
    def settles_lost_replies(self) -> bool:
        """Whether it can be asked what it has, after a reply was lost."""
        ...

    def status(self, delivery: Delivery, budget: Budget) -> str:
        """The status in the partner's words. Safe to repeat. Raises PartnerError."""
        ...


class Deals(Protocol):
    """A partner that is asked by the number of a deal."""

    @property
    def seconds_per_check(self) -> float:
        """Seconds that asking for a status can take."""
        ...

    def status(self, deal_id: int, budget: Budget) -> str:
        """The deal's status in the partner's words. Safe to repeat. Raises PartnerError."""
        ...


@dataclass(frozen=True)
class ByDeal:
    """Asks for statuses by the deals' numbers."""

    deals: Deals
    settles_lost_replies: bool = False

    @property
    def seconds_per_check(self) -> float:
        """Seconds that asking for a status can take."""
        return self.deals.seconds_per_check

    def status(self, delivery: Delivery, budget: Budget) -> str:
        """The deal's status. Raises PartnerError."""
        if delivery.deal_id is None:
            raise partner_errors.Unavailable(delivery.partner, "status", "no deal is known", code=ErrorCode.ID_UNKNOWN)
        return self.deals.status(delivery.deal_id, budget)


@dataclass(frozen=True)
class ByEmail:
    """Asks for statuses by looking people's accounts up; `lead` reads a lead."""

    accounts: Accounts
    lead: Callable[[str], Lead | None]
    settles_lost_replies: bool = True

    @property
    def seconds_per_check(self) -> float:
        """Seconds that asking for a status can take."""
        return self.accounts.seconds_per_page

    def status(self, delivery: Delivery, budget: Budget) -> str:
        """The account's status. Raises PartnerError."""
        lead = self.lead(delivery.lead_id)
        email = lead.person.email if lead is not None else None
        account = self.accounts.find(email, budget) if email else None
        if account is None or not account.status or delivery.account_uuid not in {None, account.uuid}:
            text = "the partner lists no status of this account"
            raise partner_errors.Unavailable(delivery.partner, "status", text, code=ErrorCode.STATUS_MISSING)
        return account.status


class Outcome(StrEnum):
    """What a look came to, for logs and metrics."""

    CHANGED = "changed"
    UNCHANGED = "unchanged"
    CLOSED = "closed"
    CHECK_FAILED = "check_failed"
    CHECK_REFUSED = "check_refused"
    REQUEUED = "requeued"
    UNKNOWN = "unknown"
    UNCERTAIN = "uncertain"
    NO_TIME = "no_time"
    NOTHING_TO_DO = "nothing_to_do"


@dataclass(frozen=True)
class Look:
    """What came of a look at a delivery."""

    outcome: Outcome
    error: partner_errors.PartnerError | None = None


@dataclass(frozen=True)
class Checker:
    """Processes the due deliveries of one partner. `mirrors`: whether a new status is also noted with the person.

    `requeue` sends a delivery that waits too long directly to its partner's queue, because the stream, the bus or the
    rule may have failed.
    """

    ledger: Ledger
    partner: Partner
    settings: PartnerSettings
    clock: Clock
    jitter: Callable[[], float] = random.random
    mirrors: bool = False
    requeue: Callable[[Delivery], None] = lambda _: None

    def look(self, lead_id: str, partner: str, budget: Budget, *, at_once: bool = False) -> Look:
        """Do what is due for one delivery. Safe to repeat and to run twice at once.

        `at_once` asks for a status that is not due yet. Raises whatever the ledger raises.
        """
        delivery = self.ledger.delivery(lead_id, partner)
        now = self.clock()
        if delivery is None or not (at_once or (delivery.due_at is not None and delivery.due_at <= now)):
            return Look(Outcome.NOTHING_TO_DO)
        if delivery.lease_ran_out(now):
            if self.partner.settles_lost_replies:
                return self._write(steps.mark_uncertain(delivery, now, WORKER_DIED, None), Look(Outcome.UNCERTAIN))
            return self._write(steps.mark_unknown(delivery, now, WORKER_DIED), Look(Outcome.UNKNOWN))
        if delivery.state is State.RECEIVED and not at_once:
            self.requeue(delivery)
            self.ledger.defer(delivery, now + overdue_wait(delivery.waiting_since, now))
            return Look(Outcome.REQUEUED)
        if delivery.state is not State.SUBMITTED or delivery.is_erased:
            return Look(Outcome.NOTHING_TO_DO)
        if not budget.allows(self.partner.seconds_per_check):
            return Look(Outcome.NO_TIME)
        return self._ask(delivery, budget)

    def _ask(self, delivery: Delivery, budget: Budget) -> Look:
        asked_at = self.clock()
        try:
            status = self.partner.status(delivery, budget)
        except partner_errors.PartnerError as error:
            is_refused = isinstance(error, partner_errors.Rejected)
            if delivery.due_at is not None:
                again = self.clock() + self._after_failure(delivery, error)
                self.ledger.look_again(delivery, again, error=error.info, is_refused=is_refused)
            needs_person = is_refused and delivery.checks_refused + 1 >= MAX_REFUSED_CHECKS
            return Look(Outcome.CHECK_REFUSED if needs_person else Outcome.CHECK_FAILED, error=error)
        now = self.clock()
        wait = self.settings.check_after(now - (delivery.submitted_at or delivery.received_at))
        check_after = None if wait is None else self._spread(wait)
        if status == delivery.partner_status:
            if check_after is not None:
                self.ledger.look_again(delivery, now + check_after)
            return Look(Outcome.UNCHANGED)
        change = new_status(
            delivery,
            status,
            self.settings,
            now,
            check_after=check_after,
            mirrors=self.mirrors,
            learned_at=asked_at,
        )
        is_closed = change.after.state is State.CLOSED
        try:
            return self._write(change, Look(Outcome.CLOSED if is_closed else Outcome.CHANGED))
        except AlreadyLinked as tied:
            # The status cannot be stored while another lead has the id. Without a later due time every sweep would ask.
            if delivery.due_at is not None:
                wait = max(check_after or timedelta(), self._backoff(delivery))
                text, data = f"the partner's id is entered at {tied.lead_id}", {"lead_id": tied.lead_id}
                linked = ErrorInfo(ErrorCode.ALREADY_LINKED, text, data)
                self.ledger.look_again(delivery, now + wait, error=linked)
            return Look(Outcome.CHECK_FAILED)

    def _after_failure(self, delivery: Delivery, error: partner_errors.PartnerError) -> timedelta:
        asked = timedelta(seconds=min(error.retry_after or 0, self.settings.retry.give_up_after.total_seconds()))
        return max(self._backoff(delivery), asked)

    def _backoff(self, delivery: Delivery) -> timedelta:
        return backoff(self.settings.retry, delivery.checks_failed + 1, self.jitter())

    def _spread(self, wait: timedelta) -> timedelta:
        """A tenth of the wait left to chance, so that leads which came together do not stay together."""
        return wait * (1 + self.jitter() / 10)

    def _write(self, change: Change, look: Look) -> Look:
        try:
            self.ledger.apply(change)
        except AlreadyLinked:
            raise
        except Conflict:
            return Look(Outcome.NOTHING_TO_DO, error=look.error)
        return look

"""Process due deliveries: check their status, requeue those that wait too long, settle the attempts of lost workers.

One message holds many deliveries of one partner. Their statuses are read concurrently, and a status that did not change
is not written. An error that concerns the partner stops the batch: what was not checked returns to the queue. An error
that concerns one deal is noted there, and the deal is checked again alone.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from leadbridge.domain import delivery as steps
from leadbridge.domain.accounts.match import Accounts
from leadbridge.domain.clock import Clock
from leadbridge.domain.delivery import MAX_REFUSED_CHECKS, Change, Delivery, State
from leadbridge.domain.errors import partner_errors
from leadbridge.domain.errors.error_codes import ErrorCode, ErrorInfo
from leadbridge.domain.lead import Lead
from leadbridge.domain.statuses.status_change import record_status
from leadbridge.domain.transitions import OVERDUE, AlreadyLinked
from leadbridge.runtime.budget import Budget
from leadbridge.services.checks.batch import CheckBatch
from leadbridge.services.checks.parallel import in_parallel
from leadbridge.services.worker import WORKER_DIED, Outcome, Result, Worker, retry_delay
from leadbridge.settings import Partner as PartnerSettings

if TYPE_CHECKING:
    from leadbridge.services.ports.deliveries import DealStatuses, StatusLedger, StatusPartner

# Errors of one deal: others may be checked.
DEAL_ERRORS = frozenset({ErrorCode.ID_UNKNOWN, ErrorCode.STATUS_MISSING})
ANSWERED = frozenset({Outcome.CHANGED, Outcome.UNCHANGED, Outcome.CLOSED})
MAX_TROUBLE = 3  # errors in a row that may concern the deal or the partner, after which the partner is given a pause


@dataclass(frozen=True)
class StatusByDeal:
    """Gets statuses by the ids of deals."""

    deals: DealStatuses
    settles_lost_replies: bool = False
    is_concurrent: bool = True

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
    is_concurrent: bool = False  # the clients with a look-up share one access token

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
class BatchResult:
    """The results of a batch by lead, and what returns to the queue: batches with their delays.

    `failures` are errors of our own; their leads return to the queue as well, each in its own batch.
    """

    results: Mapping[str, Result] = field(default_factory=dict)
    returned: tuple[tuple[CheckBatch, timedelta], ...] = ()
    failures: Mapping[str, Exception] = field(default_factory=dict)


@dataclass(frozen=True)
class StatusAnswer:
    """What a partner was asked at `asked_at` and returned: a status, or an error."""

    asked_at: datetime
    status: str | None = None
    error: Exception | None = None


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

    def process(self, batch: CheckBatch, budget: Budget) -> BatchResult:
        """Process the deliveries of a batch that are due. Safe to repeat and to run concurrently.

        A batch with `at_once` checks statuses also if they are not due. Raises what the ledger raises, if the batch has
        one lead or the deliveries cannot be read. If one of several is unusable, each half of the batch returns to the
        queue, until that one is alone.
        """
        if wait := batch.wait(self.clock()):
            return BatchResult(returned=((batch, wait),))
        try:
            found = self.ledger.deliveries(batch.lead_ids, batch.partner, consistent=batch.at_once)
        except (LookupError, TypeError, ValueError):
            if (half := len(batch.lead_ids) // 2) == 0:
                raise
            halves = batch.lead_ids[:half], batch.lead_ids[half:]
            return BatchResult(returned=tuple((replace(batch, lead_ids=some), timedelta()) for some in halves))
        return _BatchRun(self, batch, budget, found).run()

    def _settle_lost_attempt(self, delivery: Delivery, now: datetime) -> Result | None:
        if not delivery.is_lease_expired(now):
            return None
        if self.partner.settles_lost_replies:
            return self._write(steps.mark_uncertain(delivery, now, WORKER_DIED, None), Result(Outcome.UNCERTAIN))
        return self._write(steps.mark_unknown(delivery, now, WORKER_DIED), Result(Outcome.UNKNOWN))

    def _is_processable(self, delivery: Delivery) -> bool:
        return delivery.is_waiting or (delivery.state is State.SUBMITTED and not delivery.is_erased)

    def settle(self, delivery: Delivery | None, batch: CheckBatch) -> Result | None:
        """Process what needs no call to the partner; None for a delivery whose status is to be read."""
        if delivery is None:
            return Result(Outcome.NOT_FOUND)
        now = self.clock()
        if (settled := self._settle_lost_attempt(delivery, now)) is not None:
            return settled
        if not self._is_processable(delivery):
            return Result(Outcome.NO_ACTION)
        is_due = delivery.due_at is not None and delivery.due_at <= now
        if delivery.is_waiting:
            if batch.at_once or not is_due:
                return Result(Outcome.NO_ACTION)
            self.requeue(delivery)
            self._defer_overdue(delivery, now)
            return Result(Outcome.REQUEUED)
        is_planned = not batch.overdue and delivery.due_at is None and delivery.followed_since is not None
        return None if batch.at_once or is_due or is_planned else Result(Outcome.NO_ACTION)

    def ask(self, delivery: Delivery, budget: Budget) -> StatusAnswer:
        """Read the status from the partner. Runs in a thread, writes nothing and does not raise."""
        asked_at = self.clock()
        try:
            return StatusAnswer(asked_at, status=self.partner.status(delivery, budget))
        except Exception as error:  # noqa: BLE001 - the batch decides what it means
            return StatusAnswer(asked_at, error=error)

    def record(self, delivery: Delivery, status: str, asked_at: datetime) -> Result:
        """Write a status. Nothing is written if it is the stored one, unless the last check failed."""
        if status == delivery.partner_status:
            if delivery.due_at is not None or delivery.last_error_code is not None or delivery.checks_failed:
                self.ledger.defer_check(delivery, None)
            return Result(Outcome.UNCHANGED)
        now = self.clock()
        change = record_status(
            delivery, status, self.settings, now, with_crm_note=self.with_crm_note, learned_at=asked_at
        )
        is_closed = change.after.state is State.CLOSED
        try:
            return self._write(change, Result(Outcome.CLOSED if is_closed else Outcome.CHANGED))
        except AlreadyLinked as conflict:
            # The status cannot be stored while another lead has the id. The schedule has the next check.
            text, data = f"the partner's id is linked to {conflict.lead_id}", {"lead_id": conflict.lead_id}
            self.ledger.defer_check(delivery, None, error=ErrorInfo(ErrorCode.ALREADY_LINKED, text, data))
            return Result(Outcome.CHECK_FAILED)

    def note_failure(self, delivery: Delivery, error: partner_errors.PartnerError) -> Result:
        """Note that a check failed, and schedule the deal's own retry.

        After `MAX_REFUSED_CHECKS` refusals in a row it needs an operator, and is checked at the times of its schedule
        only.
        """
        is_refused = isinstance(error, partner_errors.Rejected)
        needs_person = is_refused and delivery.checks_refused + 1 >= MAX_REFUSED_CHECKS
        if delivery.followed_since is not None or delivery.due_at is not None:
            wait = retry_delay(self.settings.retry, delivery.checks_failed + 1, self.jitter(), error)
            due_at = None if needs_person and delivery.followed_since is not None else self.clock() + wait
            self.ledger.defer_check(delivery, due_at, error=error.info, is_refused=is_refused)
        return Result(Outcome.CHECK_REFUSED if needs_person else Outcome.CHECK_FAILED, error=error)


class _BatchRun:
    """One batch while it is processed."""

    def __init__(self, checker: Checker, batch: CheckBatch, budget: Budget, found: Mapping[str, Delivery]) -> None:
        self.checker = checker
        self.batch = batch
        self.budget = budget
        self.results: dict[str, Result] = {}
        self.failures: dict[str, Exception] = {}
        self.again: list[str] = []  # checks that failed because of the partner
        self.found = found
        self.stopped_by: partner_errors.PartnerError | None = None
        self.trouble = 0
        self.is_out_of_time = False

    def run(self) -> BatchResult:
        batch = self.batch
        due: list[Delivery] = []
        for lead_id in batch.lead_ids:
            delivery = self.found.get(lead_id)
            settled = self._guarded(lead_id, partial(self.checker.settle, delivery, batch))
            if settled is not None:
                self.results[lead_id] = settled
            elif delivery is not None and lead_id not in self.failures:
                due.append(delivery)
        for delivery, answer in self._answers(due):
            result = self._guarded(delivery.lead_id, partial(self._record, delivery, answer))
            if result is not None:
                self.results[delivery.lead_id] = result
        unreached = [one.lead_id for one in due if one.lead_id not in self.results | self.failures]
        outcome = Outcome.POSTPONED if self.stopped_by is not None else Outcome.OUT_OF_TIME
        self.results |= dict.fromkeys(unreached, Result(outcome))
        left = [one for one in due if one.lead_id in {*unreached, *self.again}]
        return BatchResult(self.results, tuple(self._returned(left)), self.failures)

    def _answers(self, due: list[Delivery]) -> Iterable[tuple[Delivery, StatusAnswer]]:
        """Ask for the statuses. Each attempt in a row without an answer halves the number of concurrent calls.

        A check takes two calls. If the partner allows fewer calls than are made at the same time, the first calls of
        all checks use up the limit, and no check would ever end.
        """
        partner = self.checker.partner
        at_once = self.checker.settings.checks_at_once >> (self.batch.attempt - 1)
        workers = max(1, at_once) if partner.is_concurrent else 1
        ask = self.checker.ask
        return in_parallel(due, lambda one: ask(one, self.budget), min(workers, max(1, len(due))), self._may_start)

    def _may_start(self) -> bool:
        if not self.budget.allows(self.checker.partner.seconds_per_check):
            self.is_out_of_time = True
        return self.stopped_by is None and not self.is_out_of_time

    def _record(self, delivery: Delivery, answer: StatusAnswer) -> Result:
        error = answer.error
        if error is None:
            self.trouble = 0
            return self.checker.record(delivery, answer.status or "", answer.asked_at)
        if not isinstance(error, partner_errors.PartnerError):
            raise error
        if isinstance(error, partner_errors.Rejected) or error.code in DEAL_ERRORS:
            return self.checker.note_failure(delivery, error)
        if is_of_partner(error):
            self.stopped_by = error
            if delivery.followed_since is not None:
                self.again.append(delivery.lead_id)
            return Result(Outcome.CHECK_FAILED, error=error)
        self.trouble += 1
        if self.trouble >= MAX_TROUBLE:
            self.stopped_by = error
        return self.checker.note_failure(delivery, error)

    def _guarded(self, lead_id: str, process: Callable[[], Result | None]) -> Result | None:
        """Process one lead of several. An error of our own must not affect the others."""
        try:
            return process()
        except Exception as error:
            if len(self.batch.lead_ids) == 1:
                raise
            self.failures[lead_id] = error
            return None

    def _returned(self, left: list[Delivery]) -> Iterable[tuple[CheckBatch, timedelta]]:
        """Yield what returns to the queue. What was tried comes last, so that one deal cannot hold up the others.

        A delivery with a due time of its own is deferred instead, by `OVERDUE` at least: the sweep would queue it again
        every minute.
        """
        for lead_id in self.failures:
            yield replace(self.batch, lead_ids=(lead_id,), not_before=None), timedelta()
        left.sort(key=lambda one: one.lead_id in self.again)
        batch = replace(self.batch, not_before=None)
        if self.stopped_by is None:
            if left:
                yield replace(batch, lead_ids=tuple(one.lead_id for one in left)), timedelta()
            return
        has_answers = any(result.outcome in ANSWERED for result in self.results.values())
        attempt = 1 if has_answers else self.batch.attempt
        wait = retry_delay(self.checker.settings.retry, attempt, self.checker.jitter(), self.stopped_by)
        now, returned = self.checker.clock(), list[str]()
        for one in left:
            if one.due_at is None or self.batch.at_once:
                returned.append(one.lead_id)
            else:
                self.checker.ledger.defer(one, now + max(wait, OVERDUE))
        if returned:
            yield replace(batch, lead_ids=tuple(returned), attempt=attempt + 1, not_before=now + wait), wait


def is_of_partner(error: partner_errors.PartnerError) -> bool:
    """Return whether an error certainly concerns all deals of the partner."""
    match error:
        case partner_errors.RateLimited() | partner_errors.Misconfigured():
            return True
        case _:
            return error.code is ErrorCode.UNREACHABLE

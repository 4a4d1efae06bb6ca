"""Submit a waiting delivery to its partner: authorize, write the attempt, create, record the answer.

A lost reply makes the delivery unknown. If the partner supports a look-up, the delivery becomes uncertain instead, and
its account is looked up before it is sent again.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from leadbridge.domain import delivery as steps
from leadbridge.domain.accounts.match import Accounts, Origin, match_account
from leadbridge.domain.admission import Wait, WaitReason, end_wait, find_wait, is_same_wait, wait_for_partner
from leadbridge.domain.clock import Clock
from leadbridge.domain.delivery import Change, Delivery, State
from leadbridge.domain.errors import partner_errors
from leadbridge.domain.errors.error_codes import ErrorCode, ErrorInfo
from leadbridge.domain.errors.partner_answer import PartnerAnswer
from leadbridge.domain.lead import Lead
from leadbridge.domain.repeats import Repeat, apply_repeat, describe_hold, wait_for_earlier_lead
from leadbridge.domain.routing.fallback import NextOn, open_next
from leadbridge.domain.transitions import OVERDUE, AlreadyLinked, Conflict
from leadbridge.runtime.aws_errors import Contended
from leadbridge.runtime.budget import Budget
from leadbridge.services.dead_letters.record_answer import (
    ACCEPTED,
    DeadLetterKept,
    DeadLetterObsolete,
    contest_link_holder,
    record_delivery_answer,
)
from leadbridge.services.worker import LEASE_MARGIN, WORKER_DIED, Outcome, Result, RetryingWorker
from leadbridge.settings import Partner as PartnerSettings
from leadbridge.settings import RetryPolicy, self_check

if TYPE_CHECKING:
    from leadbridge.domain.admission import PartnerState
    from leadbridge.services.ports.deliveries import PreviousLead, RepeatRules, SubmissionLedger, SubmissionPartner
    from leadbridge.services.submission.circuit import CircuitBreaker


@dataclass(frozen=True)
class Submitter(RetryingWorker[Delivery, Change]):
    """Submits deliveries to one partner.

    `accounts` looks up the partner's accounts; None if that is not possible. `repeats` finds earlier leads of the same
    person. `find_fallback` returns the partner that gets the lead after an outcome. `find_warning` returns what the
    partner does not get as the lead has it. `save_answer` stores a partner's answer in a dead letter if it cannot be
    written to the table. `circuit` counts the partner's failures; None if nothing opens its circuit.
    """

    ledger: SubmissionLedger
    partner: SubmissionPartner
    settings: PartnerSettings
    clock: Clock
    dead_letter: Callable[[Delivery, ErrorInfo], None]
    accounts: Accounts | None = None
    repeats: RepeatRules | None = None
    find_fallback: Callable[[Lead, str, NextOn], str | None] = lambda _lead, _partner, _outcome: None
    find_warning: Callable[[Any, Lead], ErrorInfo | None] = lambda _authorization, _lead: None
    save_answer: Callable[[Delivery, PartnerAnswer], None] | None = None
    circuit: CircuitBreaker | None = None
    jitter: Callable[[], float] = random.random

    def process(self, lead_id: str, partner: str, budget: Budget) -> Result:
        """Process one delivery. Safe to repeat and to run concurrently.

        Raises what the ledger raises. If the worker dies at any moment, another one continues.
        """
        delivery, lead, state = self.ledger.submission(lead_id, partner)
        return self._process(delivery, lambda waiting, now: self._submit(waiting, lead, state, now, budget))

    def _settle_lost_attempt(self, delivery: Delivery, now: datetime) -> Result | None:
        return self._mark_reply_lost(delivery, WORKER_DIED, timedelta()) if delivery.is_lease_expired(now) else None

    def _submit(
        self, delivery: Delivery, lead: Lead | None, state: PartnerState, now: datetime, budget: Budget
    ) -> Result:
        if (early := self._until_scheduled(delivery, now)) is not None:
            return early
        if lead is None or lead.erased_at is not None:
            return Result(Outcome.NOT_FOUND)
        if delivery.attempts == delivery.attempts_before_retry:  # the first attempt, or the first after a retry
            ended = self._end_without_attempt(delivery)
            if ended is not None:
                return ended
        if (wait := find_wait(state, now)) is not None:
            return self._wait_for_partner(delivery, now, wait)
        if self.circuit is None:
            return self._call_partner(end_wait(delivery, now), lead, budget)
        permit = self.circuit.enter(state.circuit, budget)
        if permit is None:
            return self._wait_for_partner(delivery, now, Wait(WaitReason.CIRCUIT_OPEN, is_estimate=True))
        result = self._call_partner(end_wait(delivery, now), lead, budget)
        self.circuit.leave(permit, delivery.lead_id, result)
        return result

    def _call_partner(self, delivery: Delivery, lead: Lead, budget: Budget) -> Result:
        """Look the delivery up if it is uncertain, and attempt it."""
        if delivery.is_uncertain and self.accounts is not None:
            settled = self._look_up(self.accounts, delivery, lead, budget)
            if settled is not None:
                return settled
            if self._is_spent(delivery, self.clock()):
                return self._give_up(delivery, _look_up_failed(delivery, ACCOUNT_NOT_FOUND))
            if not budget.allows(self.partner.seconds_per_submission):
                return self._retry(delivery, _look_up_failed(delivery, LOOKUP_TIMED_OUT))
        if not budget.allows(self.partner.seconds_per_submission):
            return self._wait()
        return self._attempt(delivery, lead, budget)

    def _end_without_attempt(self, delivery: Delivery) -> Result | None:
        """End the delivery of a deployment's test lead, or handle a repeat; None for all other deliveries."""
        if delivery.source == self_check.SOURCE:
            ended = ErrorInfo(ErrorCode.SELF_CHECK, self_check.ENDED)
            change = steps.fail(delivery, self.clock(), ended)
            return self._write(change, Result(Outcome.NO_ACTION))
        return None if self.repeats is None else self._handle_repeat(delivery, self.repeats)

    def _handle_repeat(self, delivery: Delivery, repeats: RepeatRules) -> Result | None:
        """Apply the source's rule if the person has an earlier lead; None if not."""
        earlier = repeats.first(delivery)
        if earlier is None:
            return None
        then = repeats.then(delivery.source)
        if then is Repeat.MARK and earlier.is_unsettled:
            return self._wait_for(delivery, earlier)
        change = apply_repeat(delivery, self.clock(), earlier.lead_id, then)
        match then:
            case Repeat.SEND:
                return self._write(change, self._wait())
            case Repeat.MARK:
                return self._write(change, Result(Outcome.DUPLICATE))
            case Repeat.HOLD:
                self.dead_letter(delivery, describe_hold(earlier.lead_id))
                return self._write(change, Result(Outcome.FAILED))

    def _wait_for(self, delivery: Delivery, earlier: PreviousLead) -> Result:
        """Wait until the earlier lead's delivery ends. If the partner does not get that lead, this one is sent.

        If the earlier delivery is unknown, it waits for an operator. Then this one leaves the queue, and the sweep
        queues it again when it is due.
        """
        now = self.clock()
        wait = min(max((now - delivery.received_at) / 4, MIN_REPEAT_WAIT), MAX_REPEAT_WAIT)
        needs_operator = earlier.state is State.UNKNOWN
        due_after = wait if needs_operator else wait + OVERDUE
        result = Result(Outcome.WAITING, retry_after=None if needs_operator else wait)
        if delivery.waits_for == earlier.lead_id:
            self.ledger.defer(delivery, now + due_after)
            return result
        return self._write(wait_for_earlier_lead(delivery, now, earlier.lead_id, wait, due_after=due_after), result)

    def _wait_for_partner(self, delivery: Delivery, now: datetime, wait: Wait) -> Result:
        """Wait until the partner gets leads again. The delivery leaves the queue, and the sweep queues it again."""
        result = Result(Outcome.WAITING)
        if not is_same_wait(delivery, wait):
            return self._write(wait_for_partner(delivery, now, wait), result)
        if delivery.due_at is None or delivery.due_at > now:  # the sweep queued it just before the partner was paused
            self.ledger.defer(delivery, now)
        return result

    def _look_up(self, accounts: Accounts, delivery: Delivery, lead: Lead, budget: Budget) -> Result | None:
        """Look the account up to settle an uncertain delivery; None if the partner definitely has no account."""
        if not budget.allows(accounts.seconds_per_page):
            return self._wait()
        try:
            account = accounts.find(lead.person.email or "", budget)
        except partner_errors.PartnerError as error:
            return self._retry(delivery, error)
        if account is None:
            return None
        owner = self.ledger.owner_of(delivery.partner, account.uuid) if account.uuid else None
        now = self.clock()
        whose = match_account(account, delivery, owner)
        if whose is Origin.OURS and owner is None and self.ledger.has_unnamed_twin(delivery):
            whose = Origin.FOREIGN
        match whose:
            case Origin.OURS:
                try:
                    change = steps.confirm(delivery, now, account.uuid, is_followed=self.settings.is_followed)
                    self.ledger.apply(change)
                except Conflict:  # another worker was faster, or another lead has this account
                    return Result(Outcome.RETRIED, retry_after=self.settings.retry.first_delay)
                return Result(Outcome.SUBMITTED)
            case Origin.FOREIGN:
                change = steps.mark_duplicate(delivery, now, ACCOUNT_EXISTS)
                return self._write(self._with_next(change, lead, NextOn.DUPLICATE), Result(Outcome.DUPLICATE))
            case Origin.UNDETERMINED:
                change = steps.mark_unknown(delivery, now, ORIGIN_UNKNOWN, can_be_looked_up=True)
                return self._write(change, Result(Outcome.UNKNOWN))

    def _attempt(self, delivery: Delivery, lead: Lead, budget: Budget) -> Result:
        try:
            authorized = self.partner.authorize(budget)
        except partner_errors.PartnerError as error:
            return self._retry_or_give_up(delivery, error)
        if not budget.allows(self.partner.seconds_per_create):
            return self._wait()
        lease = timedelta(seconds=self.partner.seconds_per_create) + LEASE_MARGIN
        try:
            warning = self.find_warning(authorized, lead)
            delivery = self.ledger.apply(steps.start_attempt(delivery, self.clock(), lease, warning))
        except Conflict:
            return Result(Outcome.NO_ACTION)
        try:
            answer = PartnerAnswer(authorized.create(lead, budget))
        except partner_errors.PartnerError as error:
            answer = PartnerAnswer(error=error)
        try:
            try:
                return self._record(delivery, lead, answer, budget)
            except Conflict:
                return self._record_late(delivery, lead, answer, budget)
        except (Contended, BotoCoreError, ClientError) as error:
            error.add_note(f"the partner has answered: {answer.as_json()}")
            if self.save_answer is None or isinstance(answer.error, partner_errors.Unknown):
                raise
            return self._save_answer(delivery, answer)

    def _record(self, delivery: Delivery, lead: Lead, answer: PartnerAnswer, budget: Budget) -> Result:
        """Write the partner's answer to a create. Raises Conflict, and what the ledger raises."""
        match answer.error:
            case None:
                change = steps.confirm(delivery, self.clock(), answer.created, is_followed=self.settings.is_followed)
                try:
                    return self._write(change, Result(Outcome.SUBMITTED), budget)
                except AlreadyLinked as linked:
                    return self._handle_linked_id(delivery, answer.created, linked.lead_id, budget)
            case partner_errors.Rejected() as error:
                change = self._with_next(steps.reject(delivery, self.clock(), error.info), lead, NextOn.REJECTED)
                return self._write(change, Result(Outcome.REJECTED, error=error), budget)
            case partner_errors.Duplicate() as error if not delivery.is_uncertain:
                change = steps.mark_duplicate(delivery, self.clock(), error.info)
                change = self._with_next(change, lead, NextOn.DUPLICATE)
                return self._write(change, Result(Outcome.DUPLICATE, error=error), budget)
            case (
                partner_errors.Duplicate() | partner_errors.Unknown() as error
            ):  # a duplicate may be our own: the look-up decides
                return self._mark_reply_lost(delivery, error.info, self._delay(delivery, error), error, budget)
            case error:
                return self._retry_or_give_up(delivery, error, budget)

    def _record_late(self, delivery: Delivery, lead: Lead, answer: PartnerAnswer, budget: Budget) -> Result:
        """Write an answer to an attempt that was settled in the meantime, by the sweep or by an operator.

        An answer that contradicts the new state is stored in a dead letter for an operator. Nothing is written about an
        erased lead.
        """
        known = self.ledger.delivery(delivery.lead_id, delivery.partner)
        if known is None or known.is_erased:
            return Result(Outcome.NOT_FOUND, error=answer.error)
        if isinstance(answer.error, partner_errors.Unknown):
            return Result(Outcome.NO_ACTION, error=answer.error)
        if answer.error is None and self._is_recorded(answer.created, known):
            return Result(Outcome.SUBMITTED)
        # A partner with a look-up may have created the account at any attempt.
        is_any_attempt = answer.error is None and self.accounts is not None
        try:
            change = record_delivery_answer(
                known,
                answer.as_json(),
                known.attempts if is_any_attempt else delivery.attempts,
                self.clock(),
                is_followed=self.settings.is_followed,
                find_fallback=lambda outcome: self.find_fallback(lead, delivery.partner, outcome),
            )
        except DeadLetterObsolete:
            return Result(Outcome.NO_ACTION, error=answer.error)
        except DeadLetterKept:
            return self._save_answer(delivery, answer)
        try:
            written = self.ledger.apply(change, retry_for=budget.left_to_record)
        except AlreadyLinked as linked:
            contest_link_holder(self.ledger, linked.lead_id, known, self.clock)
            return self._save_answer(delivery, answer)
        except Conflict:
            return self._save_answer(delivery, answer)
        return Result(LATE_OUTCOMES.get(written.state, Outcome.RETRIED), error=answer.error)

    def _save_answer(self, delivery: Delivery, answer: PartnerAnswer) -> Result:
        if self.save_answer is None:
            raise Conflict(f"the partner has answered: {answer.as_json()}")
        self.save_answer(delivery, answer)
        return Result(Outcome.UNRECORDED, error=answer.error)

    @staticmethod
    def _is_recorded(created: int | str | None, known: Delivery) -> bool:
        """Return whether the creation is recorded already, with this id or without any."""
        return known.state in ACCEPTED and (known.created is None or created in {None, known.created})

    def _handle_linked_id(self, delivery: Delivery, created: int | str | None, holder: str, budget: Budget) -> Result:
        """Handle an answer with an id that is linked to another lead. An operator must find out whose it is.

        If an operator entered it there, that settlement is contested. An account is looked up if the partner supports
        it.
        """
        contest_link_holder(self.ledger, holder, delivery, self.clock)
        kind = "deal" if isinstance(created, int) else "account"
        text = f"the partner returned {kind} {created}, which is linked to {holder}"
        data = {**steps.id_data(created), "lead_id": holder}
        lost = ErrorInfo(ErrorCode.ALREADY_LINKED, text, data)
        return self._mark_reply_lost(delivery, lost, self.settings.retry.first_delay, budget=budget)

    def _mark_reply_lost(
        self,
        delivery: Delivery,
        lost: ErrorInfo,
        retry_after: timedelta,
        error: partner_errors.PartnerError | None = None,
        budget: Budget | None = None,
    ) -> Result:
        """Mark a lost reply: uncertain while a look-up is possible in the retry window, else unknown."""
        now = self.clock()
        if self.accounts is None or self._is_spent(delivery, now):
            change = steps.mark_unknown(delivery, now, lost, can_be_looked_up=self.accounts is not None)
            return self._write(change, Result(Outcome.UNKNOWN, error=error), budget)
        result = Result(Outcome.UNCERTAIN, retry_after=retry_after, error=error)
        return self._write(steps.mark_uncertain(delivery, now, lost, retry_after), result, budget)

    def _with_next(self, change: Change, lead: Lead, outcome: NextOn) -> Change:
        """Open the next partner of the lead, if it has one for this outcome."""
        return open_next(change, self.find_fallback(lead, change.after.partner, outcome), outcome)

    def _give_up(
        self, delivery: Delivery, error: partner_errors.PartnerError, answered: Budget | None = None
    ) -> Result:
        """Give up; an uncertain delivery becomes unknown instead of failed."""
        if delivery.is_uncertain:
            change = steps.mark_unknown(delivery, self.clock(), error.info, can_be_looked_up=self.accounts is not None)
            return self._write(change, Result(Outcome.UNKNOWN, error=error), answered)
        return super()._give_up(delivery, error, answered)

    def _write(self, change: Change, result: Result, answered: Budget | None = None) -> Result:
        """Write a change. A partner's answer must not be lost, so with `answered` a conflict is raised."""
        if answered is None:
            return super()._write(change, result)
        self.ledger.apply(change, retry_for=answered.left_to_record)
        return result

    def _policy(self, _: Delivery) -> RetryPolicy:
        return self.settings.retry

    def _schedule_retry(self, delivery: Delivery, now: datetime, error: ErrorInfo, after: timedelta) -> Change:
        return steps.schedule_retry(delivery, now, error, after)

    def _fail(self, delivery: Delivery, now: datetime, error: ErrorInfo) -> Change:
        return steps.fail(delivery, now, error)


ACCOUNT_EXISTS = ErrorInfo(ErrorCode.ACCOUNT_EXISTS, "the partner has an account with this e-mail already")
ORIGIN_UNKNOWN = ErrorInfo(
    ErrorCode.ACCOUNT_ORIGIN_UNKNOWN,
    "the partner has an account with this e-mail, and its origin is not known",
)
ACCOUNT_NOT_FOUND = ErrorInfo(
    ErrorCode.ACCOUNT_NOT_FOUND, "the partner lists no account with this e-mail, and the retry window has ended"
)
LOOKUP_TIMED_OUT = ErrorInfo(ErrorCode.LOOKUP_INCOMPLETE, "the look-up used all of the available time")
LATE_OUTCOMES = {
    State.SUBMITTED: Outcome.SUBMITTED,
    State.REJECTED: Outcome.REJECTED,
    State.DUPLICATE: Outcome.DUPLICATE,
}
MIN_REPEAT_WAIT = timedelta(seconds=5)
MAX_REPEAT_WAIT = timedelta(hours=1)


def _look_up_failed(delivery: Delivery, error: ErrorInfo) -> partner_errors.Unavailable:
    return partner_errors.Unavailable(delivery.partner, "list", error.text, code=error.code)

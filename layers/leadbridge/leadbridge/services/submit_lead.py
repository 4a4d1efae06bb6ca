"""How a waiting delivery is taken to its partner: authorize, note the attempt, create, write down what came of it.

A lost reply leaves it unknown, or, where the partner can be asked what it has, uncertain: then it is looked up before
anything is sent again.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from botocore.exceptions import BotoCoreError, ClientError

from leadbridge.domain import delivery as steps
from leadbridge.domain import partner_errors
from leadbridge.domain.accounts.match import Accounts, Origin, match_account
from leadbridge.domain.clock import Clock
from leadbridge.domain.delivery import Change, Delivery, Repeat, State
from leadbridge.domain.error_codes import ErrorCode, ErrorInfo
from leadbridge.domain.lead import Lead
from leadbridge.domain.partner_answer import PartnerAnswer
from leadbridge.domain.transitions import OVERDUE
from leadbridge.runtime.budget import Budget
from leadbridge.services.ports import EarlierLead, Ledger, Partner, Repeats
from leadbridge.services.record_answer import (
    TAKEN,
    DeadLetterKept,
    DeadLetterObsolete,
    contest_holder,
    delivery_answered,
)
from leadbridge.settings import Partner as PartnerSettings
from leadbridge.settings import RetryPolicy, self_check
from leadbridge.storage.table import AlreadyLinked, Conflict, Contended


class Outcome(StrEnum):
    """What a visit of the worker came to, for logs and metrics."""

    SUBMITTED = "submitted"
    REJECTED = "rejected"
    DUPLICATE = "duplicate"
    UNCERTAIN = "uncertain"
    UNKNOWN = "unknown"
    FAILED = "failed"
    COMES_AGAIN = "comes_again"
    WAITS = "waits"
    UNRECORDED = "unrecorded"
    NOTHING_TO_DO = "nothing_to_do"
    GONE = "gone"


@dataclass(frozen=True)
class Visit:
    """What came of a visit. `again` is when the message should come back, None when it is done with."""

    outcome: Outcome
    again: timedelta | None = None
    error: partner_errors.PartnerError | None = None


@dataclass(frozen=True)
class Submitter:
    """Takes deliveries to one partner. `accounts` is where it can be asked what it has, None if it cannot.

    `repeats` knows who came before. `falls_back_on` is the partner that gets a lead which this one has rejected.
    `keep_answer` puts an answer of the partner that the table did not take into a dead letter.

    `dead_letter` is told of a delivery that cannot go on by itself, before that is written, so that a crash between
    the two leaves one word too many and never one too few.
    """

    ledger: Ledger
    partner: Partner
    settings: PartnerSettings
    clock: Clock
    dead_letter: Callable[[Delivery, ErrorInfo], None]
    accounts: Accounts | None = None
    repeats: Repeats | None = None
    falls_back_on: Callable[[Lead, str], str | None] = lambda _lead, _partner: None
    keep_answer: Callable[[Delivery, PartnerAnswer], None] | None = None
    jitter: Callable[[], float] = random.random

    def visit(self, lead_id: str, partner: str, budget: Budget) -> Visit:
        """Do what can be done now for one delivery. Safe to repeat and to run twice at once.

        Raises whatever the ledger raises; a visit that dies anywhere is simply made again.
        """
        delivery = self.ledger.delivery(lead_id, partner)
        if delivery is None:
            return Visit(Outcome.GONE)
        now = self.clock()
        if delivery.lease_ran_out(now):
            return self._reply_lost(delivery, WORKER_DIED, timedelta())
        if delivery.state is not State.RECEIVED:
            return Visit(Outcome.NOTHING_TO_DO)
        if delivery.next_attempt_at is not None and delivery.next_attempt_at > now:
            return Visit(Outcome.COMES_AGAIN, again=delivery.next_attempt_at - now)
        lead = self.ledger.lead(lead_id)
        if lead is None or lead.erased_at is not None:
            return Visit(Outcome.GONE)
        if delivery.attempts == delivery.attempts_before_retry:  # the first attempt, or the first after a retry
            ended = self._ended_before_an_attempt(delivery)
            if ended is not None:
                return ended
        if delivery.is_uncertain and self.accounts is not None:
            settled = self._look_up(self.accounts, delivery, lead, budget)
            if settled is not None:
                return settled
            if self._is_spent(delivery, self.clock()):
                return self._give_up(delivery, _look_up_failed(delivery, NOT_FOUND_IN_TIME))
            if not budget.allows(self.partner.seconds_per_submission):
                return self._come_again(delivery, _look_up_failed(delivery, LOOK_UP_TOOK_LONG))
        if not budget.allows(self.partner.seconds_per_submission):
            return Visit(Outcome.COMES_AGAIN, again=timedelta())
        return self._attempt(delivery, lead, budget)

    def _ended_before_an_attempt(self, delivery: Delivery) -> Visit | None:
        """End the delivery of a deployment's test lead, or of a person who came before; None for all others."""
        if delivery.source == self_check.SOURCE:
            ended = ErrorInfo(ErrorCode.SELF_CHECK, self_check.ENDED)
            change = steps.fail(delivery, self.clock(), ended)
            return self._write(change, Visit(Outcome.NOTHING_TO_DO))
        return None if self.repeats is None else self._repeated(delivery, self.repeats)

    def _repeated(self, delivery: Delivery, repeats: Repeats) -> Visit | None:
        """What becomes of somebody who came before; None of somebody who did not."""
        earlier = repeats.first(delivery)
        if earlier is None:
            return None
        then = repeats.then(delivery.source)
        if then is Repeat.MARK and earlier.is_unsettled:
            return self._wait_for(delivery, earlier)
        change = steps.repeats(delivery, self.clock(), earlier.lead_id, then)
        match then:
            case Repeat.SEND:
                return self._write(change, Visit(Outcome.COMES_AGAIN, again=timedelta()))
            case Repeat.MARK:
                return self._write(change, Visit(Outcome.DUPLICATE))
            case Repeat.HOLD:
                self.dead_letter(delivery, steps.held_for(earlier.lead_id))
                return self._write(change, Visit(Outcome.FAILED))

    def _wait_for(self, delivery: Delivery, earlier: EarlierLead) -> Visit:
        """Wait until the earlier lead's delivery has ended: if the partner does not get that one, this one is sent.

        An earlier delivery that is unknown waits for an operator. Then this one leaves the queue, and the sweep sends
        it there again when it is due.
        """
        now = self.clock()
        wait = min(max((now - delivery.received_at) / 4, SHORTEST_REPEAT_WAIT), LONGEST_REPEAT_WAIT)
        needs_operator = earlier.state is State.UNKNOWN
        due_after = wait if needs_operator else wait + OVERDUE
        visit = Visit(Outcome.WAITS, again=None if needs_operator else wait)
        if delivery.waits_for == earlier.lead_id:
            self.ledger.defer(delivery, now + due_after)
            return visit
        return self._write(steps.wait_for(delivery, now, earlier.lead_id, wait, due_after=due_after), visit)

    def _look_up(self, accounts: Accounts, delivery: Delivery, lead: Lead, budget: Budget) -> Visit | None:
        """Settle an uncertain delivery by what the partner has; None where it surely has nothing."""
        if not budget.allows(accounts.seconds_per_page):
            return Visit(Outcome.COMES_AGAIN, again=timedelta())
        try:
            account = accounts.find(lead.person.email or "", budget)
        except partner_errors.PartnerError as error:
            return self._come_again(delivery, error)
        if account is None:
            return None
        owner = self.ledger.owner_of(delivery.partner, account.uuid) if account.uuid else None
        now = self.clock()
        whose = match_account(account, delivery, owner)
        if whose is Origin.OURS and owner is None and self.ledger.has_unnamed_twin(delivery):
            whose = Origin.FOREIGN
        match whose:
            case Origin.OURS:
                wait = self.settings.check_after(timedelta())
                try:
                    self.ledger.apply(steps.confirm(delivery, now, account.uuid, wait))
                except Conflict:  # another worker was quicker, or another lead with this account
                    return Visit(Outcome.COMES_AGAIN, again=self.settings.retry.first_delay)
                return Visit(Outcome.SUBMITTED)
            case Origin.FOREIGN:
                return self._write(steps.mark_duplicate(delivery, now, EXISTS), Visit(Outcome.DUPLICATE))
            case Origin.UNDETERMINED:
                change = steps.mark_unknown(delivery, now, ORIGIN_UNTOLD, can_be_looked_up=True)
                return self._write(change, Visit(Outcome.UNKNOWN))

    def _attempt(self, delivery: Delivery, lead: Lead, budget: Budget) -> Visit:
        try:
            authorized = self.partner.authorize(budget)
        except partner_errors.Misconfigured as error:
            if error.certain or error.info.is_last_of(delivery):
                return self._give_up(delivery, error)
            return self._come_again(delivery, error)
        except partner_errors.PartnerError as error:
            return self._come_again(delivery, error)

        if not budget.allows(self.partner.seconds_per_create):
            return Visit(Outcome.COMES_AGAIN, again=timedelta())
        lease = timedelta(seconds=self.partner.seconds_per_create + LEASE_MARGIN)
        try:
            delivery = self.ledger.apply(steps.start_attempt(delivery, self.clock(), lease))
        except Conflict:
            return Visit(Outcome.NOTHING_TO_DO)
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
            if self.keep_answer is None or isinstance(answer.error, partner_errors.Unknown):
                raise
            return self._keep(delivery, answer)

    def _record(self, delivery: Delivery, lead: Lead, answer: PartnerAnswer, budget: Budget) -> Visit:
        """Write down the partner's answer to a create. Raises what the ledger raises, Conflict too."""
        match answer.error:
            case None:
                wait = self.settings.check_after(timedelta())
                change = steps.confirm(delivery, self.clock(), answer.created, wait)
                try:
                    return self._apply(change, Visit(Outcome.SUBMITTED), budget)
                except AlreadyLinked as tied:
                    return self._named_twice(delivery, answer.created, tied.lead_id, budget)
            case partner_errors.Misconfigured() as error:
                return self._give_up(delivery, error, budget)
            case partner_errors.Rejected() as error:
                fall_back_on = self.falls_back_on(lead, delivery.partner)
                change = steps.reject(delivery, self.clock(), error.info, fall_back_on)
                return self._apply(change, Visit(Outcome.REJECTED, error=error), budget)
            case partner_errors.Duplicate() as error if not delivery.is_uncertain:
                change = steps.mark_duplicate(delivery, self.clock(), error.info)
                return self._apply(change, Visit(Outcome.DUPLICATE, error=error), budget)
            case (
                partner_errors.Duplicate() | partner_errors.Unknown() as error
            ):  # a duplicate may be our own: the look-up decides
                return self._reply_lost(delivery, error.info, self._wait(delivery, error), error, budget)
            case error:
                return self._come_again(delivery, error, budget)

    def _record_late(self, delivery: Delivery, lead: Lead, answer: PartnerAnswer, budget: Budget) -> Visit:
        """Write down an answer to an attempt that was settled meanwhile: its lease ran out, or an operator settled it.

        An answer that does not fit what is known by now is kept for an operator. Nothing is written of an erased lead.
        """
        known = self.ledger.delivery(delivery.lead_id, delivery.partner)
        if known is None or known.is_erased:
            return Visit(Outcome.GONE, error=answer.error)
        if isinstance(answer.error, partner_errors.Unknown):
            return Visit(Outcome.NOTHING_TO_DO, error=answer.error)
        if answer.error is None and self._is_known(answer.created, known):
            return Visit(Outcome.SUBMITTED)
        # The partner that can be asked may have made the account at any attempt.
        is_any_attempt = answer.error is None and self.accounts is not None
        try:
            change = delivery_answered(
                known,
                answer.as_json(),
                known.attempts if is_any_attempt else delivery.attempts,
                self.clock(),
                check_after=self.settings.check_after(timedelta()),
                fall_back_on=lambda: self.falls_back_on(lead, delivery.partner),
            )
        except DeadLetterObsolete:
            return Visit(Outcome.NOTHING_TO_DO, error=answer.error)
        except DeadLetterKept:
            return self._keep(delivery, answer)
        try:
            written = self.ledger.apply(change, retry_for=budget.left_to_record)
        except AlreadyLinked as tied:
            contest_holder(self.ledger, tied.lead_id, known, self.clock)
            return self._keep(delivery, answer)
        except Conflict:
            return self._keep(delivery, answer)
        return Visit(LATE_OUTCOMES.get(written.state, Outcome.COMES_AGAIN), error=answer.error)

    def _keep(self, delivery: Delivery, answer: PartnerAnswer) -> Visit:
        if self.keep_answer is None:
            raise Conflict(f"the partner has answered: {answer.as_json()}")
        self.keep_answer(delivery, answer)
        return Visit(Outcome.UNRECORDED, error=answer.error)

    @staticmethod
    def _is_known(created: int | str | None, known: Delivery) -> bool:
        """Whether a delivery that the partner has was written down already, with this id or without any."""
        return known.state in TAKEN and (known.created is None or created in {None, known.created})

    def _named_twice(self, delivery: Delivery, created: int | str | None, holder: str, budget: Budget) -> Visit:
        """Handle an answer with an id that another lead has: a person must find out whose it is.

        If an operator entered it there, that settlement becomes contested. An account is looked up if the partner can
        be asked.
        """
        contest_holder(self.ledger, holder, delivery, self.clock)
        kind = "deal" if isinstance(created, int) else "account"
        text = f"the partner answered {kind} {created}, which {holder} has already"
        data = {**steps.id_data(created), "lead_id": holder}
        lost = ErrorInfo(ErrorCode.ALREADY_LINKED, text, data)
        return self._reply_lost(delivery, lost, self.settings.retry.first_delay, budget=budget)

    def _reply_lost(
        self,
        delivery: Delivery,
        lost: ErrorInfo,
        again: timedelta,
        error: partner_errors.PartnerError | None = None,
        budget: Budget | None = None,
    ) -> Visit:
        """Nobody can tell, or the partner can, if it is asked: for as long as attempts are made at all."""
        now = self.clock()
        if self.accounts is None or self._is_spent(delivery, now):
            change = steps.mark_unknown(delivery, now, lost, can_be_looked_up=self.accounts is not None)
            return self._apply(change, Visit(Outcome.UNKNOWN, error=error), budget)
        visit = Visit(Outcome.UNCERTAIN, again=again, error=error)
        return self._apply(steps.mark_uncertain(delivery, now, lost, again), visit, budget)

    def _come_again(
        self, delivery: Delivery, error: partner_errors.PartnerError, budget: Budget | None = None
    ) -> Visit:
        now = self.clock()
        if self._is_spent(delivery, now):
            return self._give_up(delivery, error, budget)
        wait = self._wait(delivery, error)
        change = steps.schedule_retry(delivery, now, error.info, wait)
        return self._apply(change, Visit(Outcome.COMES_AGAIN, again=wait, error=error), budget)

    def _is_spent(self, delivery: Delivery, now: datetime) -> bool:
        began = max(filter(None, (delivery.first_attempt_at, delivery.retried_at)), default=now)
        return now - began >= self.settings.retry.give_up_after

    def _wait(self, delivery: Delivery, error: partner_errors.PartnerError) -> timedelta:
        """Our own patience, which a retry by hand begins anew, or the partner's if it asked for more."""
        attempts = delivery.attempts if delivery.state is State.SUBMITTING else delivery.attempts + 1
        wait = backoff(self.settings.retry, attempts - delivery.attempts_before_retry, self.jitter())
        asked = timedelta(seconds=error.retry_after or 0)
        return max(wait, min(asked, self.settings.retry.give_up_after))

    def _give_up(self, delivery: Delivery, error: partner_errors.PartnerError, budget: Budget | None = None) -> Visit:
        if delivery.is_uncertain:
            change = steps.mark_unknown(delivery, self.clock(), error.info, can_be_looked_up=self.accounts is not None)
            return self._apply(change, Visit(Outcome.UNKNOWN, error=error), budget)
        self.dead_letter(delivery, error.info)
        change = steps.fail(delivery, self.clock(), error.info)
        return self._apply(change, Visit(Outcome.FAILED, error=error), budget)

    def _write(self, change: Change, visit: Visit) -> Visit:
        """Write a change; another worker that was faster has done what there was to do."""
        try:
            self.ledger.apply(change)
        except Conflict:
            return Visit(Outcome.NOTHING_TO_DO, error=visit.error)
        return visit

    def _apply(self, change: Change, visit: Visit, budget: Budget | None) -> Visit:
        """Write a change. With a `budget` it holds a partner's answer, which must not be lost. Then raises Conflict."""
        if budget is None:
            return self._write(change, visit)
        self.ledger.apply(change, retry_for=budget.left_to_record)
        return visit


WORKER_DIED = ErrorInfo(ErrorCode.WORKER_LOST, "the worker was lost while the partner was being called")
EXISTS = ErrorInfo(ErrorCode.ACCOUNT_EXISTS, "the partner has an account of this e-mail already")
ORIGIN_UNTOLD = ErrorInfo(
    ErrorCode.ACCOUNT_OF_UNKNOWN_ORIGIN,
    "the partner has an account of this e-mail, and nobody can tell whose making it is",
)
NOT_FOUND_IN_TIME = ErrorInfo(
    ErrorCode.ACCOUNT_NOT_FOUND, "the partner lists no account of this e-mail, and the time for retries is over"
)
LOOK_UP_TOOK_LONG = ErrorInfo(ErrorCode.LOOKUP_INCOMPLETE, "the look-up took all the time there was")
LATE_OUTCOMES = {
    State.SUBMITTED: Outcome.SUBMITTED,
    State.REJECTED: Outcome.REJECTED,
    State.DUPLICATE: Outcome.DUPLICATE,
}
SHORTEST_REPEAT_WAIT = timedelta(seconds=5)
LONGEST_REPEAT_WAIT = timedelta(hours=1)
LEASE_MARGIN = 10.0  # seconds to write the answer down in, and by which workers' clocks may differ


def _look_up_failed(delivery: Delivery, error: ErrorInfo) -> partner_errors.Unavailable:
    return partner_errors.Unavailable(delivery.partner, "list", error.text, code=error.code)


def backoff(retry: RetryPolicy, attempts: int, jitter: float) -> timedelta:
    """How long to wait after so many attempts: doubling up to a bound, the upper half of it left to chance.

    `jitter` is between 0 and 1.
    """
    longest: timedelta = min(retry.first_delay * 2 ** min(attempts - 1, 20), retry.longest_delay)
    return longest * (0.5 + jitter / 2)

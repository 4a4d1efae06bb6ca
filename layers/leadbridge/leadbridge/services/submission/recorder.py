"""Record what a submission came to: the partner's answer, also one that arrives late or is lost."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from leadbridge.domain import delivery as steps
from leadbridge.domain.delivery import Change, Delivery, State
from leadbridge.domain.errors import partner_errors
from leadbridge.domain.errors.error_codes import ErrorCode, ErrorInfo
from leadbridge.domain.errors.partner_answer import PartnerAnswer
from leadbridge.domain.lead import Lead
from leadbridge.domain.routing.fallback import NextOn, open_next
from leadbridge.domain.transitions import AlreadyLinked, Conflict
from leadbridge.runtime.budget import Budget
from leadbridge.services.dead_letters.record_answer import (
    ACCEPTED,
    DeadLetterKept,
    DeadLetterObsolete,
    contest_link_holder,
    record_delivery_answer,
)
from leadbridge.services.worker import Outcome, Result, RetryingWorker
from leadbridge.settings import Partner as PartnerSettings
from leadbridge.settings import RetryPolicy

if TYPE_CHECKING:
    from leadbridge.domain.accounts.match import Accounts
    from leadbridge.services.ports.deliveries import SubmissionLedger

LATE_OUTCOMES = {
    State.SUBMITTED: Outcome.SUBMITTED,
    State.REJECTED: Outcome.REJECTED,
    State.DUPLICATE: Outcome.DUPLICATE,
}


class SubmissionRecorder(RetryingWorker[Delivery, Change]):
    """The part of the submission worker that writes results. A subclass is a frozen dataclass with these fields."""

    ledger: SubmissionLedger
    settings: PartnerSettings
    accounts: Accounts | None
    find_fallback: Callable[[Lead, str, NextOn], str | None]
    save_answer: Callable[[Delivery, PartnerAnswer], None] | None

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

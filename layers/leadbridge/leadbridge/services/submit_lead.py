"""Submit a waiting delivery to its partner: authorize, write the attempt, create, record the answer.

A lost reply makes the delivery unknown. If the partner supports a look-up, the delivery becomes uncertain instead, and
its account is looked up before it is sent again.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from leadbridge.domain import delivery as steps
from leadbridge.domain.accounts.match import Accounts, Origin, match_account
from leadbridge.domain.admission import (
    Wait,
    WaitReason,
    end_wait,
    find_wait,
    is_same_wait,
    wait_for_partner,
    waiting_due_at,
)
from leadbridge.domain.clock import Clock
from leadbridge.domain.delivery import Change, Delivery, State
from leadbridge.domain.errors import partner_errors
from leadbridge.domain.errors.error_codes import ErrorCode, ErrorInfo
from leadbridge.domain.errors.partner_answer import PartnerAnswer
from leadbridge.domain.lead import Lead
from leadbridge.domain.repeats import Repeat, apply_repeat, describe_hold, wait_for_earlier_lead
from leadbridge.domain.routing.fallback import NextOn
from leadbridge.domain.transitions import OVERDUE, CapReached, Conflict
from leadbridge.runtime.aws_errors import Contended
from leadbridge.runtime.budget import Budget
from leadbridge.services.submission.recorder import SubmissionRecorder
from leadbridge.services.worker import LEASE_MARGIN, WORKER_DIED, Outcome, Result
from leadbridge.settings import Partner as PartnerSettings
from leadbridge.settings import self_check

if TYPE_CHECKING:
    from leadbridge.domain.admission import PartnerState
    from leadbridge.domain.routing.intake import Refusal, Window
    from leadbridge.runtime.fair_share import FairShare
    from leadbridge.services.ports.deliveries import PreviousLead, RepeatRules, SubmissionLedger, SubmissionPartner
    from leadbridge.services.submission.circuit import CircuitBreaker


@dataclass(frozen=True)
class Submitter(SubmissionRecorder):
    """Submits deliveries to one partner.

    `accounts` looks up the partner's accounts; None if that is not possible. `repeats` finds earlier leads of the same
    person. `find_fallback` returns the partner that gets the lead after an outcome. `find_warning` returns what the
    partner does not get as the lead has it. `save_answer` stores a partner's answer in a dead letter if it cannot be
    written to the table. `circuit` counts the partner's failures; None if nothing opens its circuit.
    `share` bounds what a slow partner takes from the others of its queue; None if there are no others.
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
    share: FairShare | None = None
    jitter: Callable[[], float] = random.random

    def process(self, lead_id: str, partner: str, budget: Budget) -> Result:
        """Process one delivery. Safe to repeat and to run concurrently.

        Raises what the ledger raises. If the worker dies at any moment, another one continues.
        """
        windows = [window.key for window in self._windows(self.clock())]
        delivery, lead, state = self.ledger.submission(lead_id, partner, windows)
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
            ended = self._end_without_attempt(delivery, lead, state)
            if ended is not None:
                return ended
        if (wait := find_wait(state, now)) is not None:
            return self._wait_for_partner(delivery, now, wait)
        if not delivery.is_uncertain and (refusal := self._find_refusal(delivery, state.counts, now)) is not None:
            return self._refuse(delivery, lead, refusal, now, state.admits_since)
        if self.share is None:
            return self._attempt_in_turn(delivery, lead, state, now, budget)
        if (wait_for_share := self.share.wait(delivery.partner, delivery.waiting_since)) is not None:
            return self._wait(wait_for_share)
        with self.share.attempt(delivery.partner):
            return self._attempt_in_turn(delivery, lead, state, now, budget)

    def _attempt_in_turn(
        self, delivery: Delivery, lead: Lead, state: PartnerState, now: datetime, budget: Budget
    ) -> Result:
        """Call the partner, unless another delivery is the probe of its circuit."""
        if self.circuit is None:
            return self._call_partner(end_wait(delivery, now), lead, state.counts, budget)
        permit = self.circuit.enter(state.circuit, budget)
        if permit is None:
            return self._wait_for_partner(delivery, now, Wait(WaitReason.CIRCUIT_OPEN, is_estimate=True))
        result = self._call_partner(end_wait(delivery, now), lead, state.counts, budget)
        self.circuit.leave(permit, delivery.lead_id, result)
        return result

    def _call_partner(self, delivery: Delivery, lead: Lead, counts: Mapping[str, int], budget: Budget) -> Result:
        """Look the delivery up if it is uncertain, and attempt it."""
        if delivery.is_uncertain and self.accounts is not None:
            settled = self._look_up(self.accounts, delivery, lead, budget)
            if settled is not None:
                return settled
            if self._is_spent(delivery, self.clock()):
                return self._give_up(delivery, _look_up_failed(delivery, ACCOUNT_NOT_FOUND))
            if not budget.allows(self.partner.seconds_per_submission):
                return self._retry(delivery, _look_up_failed(delivery, LOOKUP_TIMED_OUT))
            now = self.clock()
            if (refusal := self._find_refusal(delivery, counts, now)) is not None:
                return self._refuse(delivery, lead, refusal, now)
        if not budget.allows(self.partner.seconds_per_submission):
            return self._wait()
        return self._attempt(delivery, lead, budget)

    def _end_without_attempt(self, delivery: Delivery, lead: Lead, state: PartnerState) -> Result | None:
        """End the delivery of a deployment's test lead, or handle a repeat; None for all other deliveries."""
        if delivery.source == self_check.SOURCE:
            ended = ErrorInfo(ErrorCode.SELF_CHECK, self_check.ENDED)
            change = steps.fail(delivery, self.clock(), ended)
            return self._write(change, Result(Outcome.NO_ACTION))
        return None if self.repeats is None else self._handle_repeat(delivery, lead, state, self.repeats)

    def _handle_repeat(
        self, delivery: Delivery, lead: Lead, state: PartnerState, repeats: RepeatRules
    ) -> Result | None:
        """Apply the source's rule if the person has an earlier lead; None if not."""
        earlier = repeats.first(delivery)
        if earlier is None:
            return None
        then = repeats.then(delivery.source)
        if then is Repeat.MARK and earlier.is_unsettled:
            now = self.clock()
            wait = self._find_wait(delivery, lead, state, now)
            return (
                self._wait_for(delivery, now, earlier) if wait is None else self._wait_for_partner(delivery, now, wait)
            )
        change = apply_repeat(delivery, self.clock(), earlier.lead_id, then)
        match then:
            case Repeat.SEND:
                return self._write(change, self._wait())
            case Repeat.MARK:
                return self._write(change, Result(Outcome.DUPLICATE))
            case Repeat.HOLD:
                self.dead_letter(delivery, describe_hold(earlier.lead_id))
                return self._write(change, Result(Outcome.FAILED))

    def _find_wait(self, delivery: Delivery, lead: Lead, state: PartnerState, now: datetime) -> Wait | None:
        """Return why the delivery would wait for its partner now; None if it would not."""
        if (wait := find_wait(state, now)) is not None or delivery.is_uncertain:
            return wait
        refusal = self._find_refusal(delivery, state.counts, now)
        if refusal is None or self._end_refused(delivery, lead, refusal, now) is not None:
            return None
        return refusal.wait

    def _wait_for(self, delivery: Delivery, now: datetime, earlier: PreviousLead) -> Result:
        """Wait until the earlier lead's delivery ends. If the partner does not get that lead, this one is sent.

        If the earlier delivery is unknown, it waits for an operator. Then this one leaves the queue, and the sweep
        queues it again when it is due. Both may have waited for the partner: that time does not make this wait longer.
        """
        since = now if delivery.waits_for_partner else delivery.waiting_since
        wait = min(max((now - since) / 4, MIN_REPEAT_WAIT), MAX_REPEAT_WAIT)
        needs_operator = earlier.state is State.UNKNOWN
        due_after = wait if needs_operator else wait + OVERDUE
        result = Result(Outcome.WAITING, retry_after=None if needs_operator else wait)
        if delivery.waits_for == earlier.lead_id and not delivery.waits_for_partner:
            self.ledger.defer(delivery, now + due_after)
            return result
        ready = end_wait(delivery, now)
        return self._write(wait_for_earlier_lead(ready, now, earlier.lead_id, wait, due_after=due_after), result)

    def _wait_for_partner(
        self, delivery: Delivery, now: datetime, wait: Wait, decided_after: datetime | None = None
    ) -> Result:
        """Wait until the partner gets leads again. The delivery leaves the queue, and the sweep queues it again."""
        result = Result(Outcome.WAITING)
        if not is_same_wait(delivery, wait):
            return self._write(wait_for_partner(delivery, now, wait, decided_after), result)
        place = waiting_due_at(delivery, wait.reason, now, decided_after)
        # The sweep queued it just before the partner was paused, or to be passed on.
        if delivery.due_at is None or delivery.due_at > now or (decided_after and delivery.due_at <= decided_after):
            self.ledger.defer(delivery, place)
        return result

    def _windows(self, now: datetime) -> tuple[Window, ...]:
        """Return the windows of the partner's caps. A partner without caps and hours loads no code for them."""
        if self.settings.intake is None:
            return ()
        from leadbridge.domain.routing.intake import windows_at

        return windows_at(self.settings, now)

    def _find_refusal(self, delivery: Delivery, counts: Mapping[str, int], now: datetime) -> Refusal | None:
        """Return why the partner does not take the lead now; None if it takes it."""
        if self.settings.intake is None:
            return None
        from leadbridge.domain.routing.intake import find_refusal

        return find_refusal(self.settings, counts, now, delivery.counted_in)

    def _refuse(
        self, delivery: Delivery, lead: Lead, refusal: Refusal, now: datetime, admits_since: datetime | None = None
    ) -> Result:
        """Pass a lead that the partner does not take now to the next one, hold it for an operator, or let it wait."""
        change = self._end_refused(delivery, lead, refusal, now)
        if change is None:
            decided_after = None if refusal.then == "wait" else admits_since
            return self._wait_for_partner(delivery, now, refusal.wait, decided_after)
        if change.after.state is State.FAILED:
            self.dead_letter(delivery, refusal.error)
        return self._write(change, Result(REFUSED[change.after.state]))

    def _end_refused(self, delivery: Delivery, lead: Lead, refusal: Refusal, now: datetime) -> Change | None:
        """Return the change that ends a delivery which the partner does not take now; None if it waits."""
        from leadbridge.domain.routing.intake import end_refused

        def find_next(outcome: NextOn) -> str | None:
            following = self.find_fallback(lead, delivery.partner, outcome)
            return None if following in lead.partners else following  # it has or had the lead already

        return end_refused(delivery, now, refusal, find_next)

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

    def _within_lease(self, delivery: Delivery, budget: Budget) -> Budget:
        """Return the budget of a create call, which must not be sent after the lease of its attempt.

        From then on another worker may settle the attempt, and an operator may correct the lead. A process can be
        paused at any moment, also since the attempt was written.
        """
        left = 0.0 if delivery.lease_until is None else (delivery.lease_until - self.clock()).total_seconds()
        return budget.ending_in(left)

    def _attempt(self, delivery: Delivery, lead: Lead, budget: Budget) -> Result:
        try:
            authorized = self.partner.authorize(budget)
        except partner_errors.PartnerError as error:
            return self._retry_or_give_up(delivery, error)
        if not budget.allows(self.partner.seconds_per_create):
            return self._wait()
        lease = timedelta(seconds=self.partner.seconds_per_create) + LEASE_MARGIN
        now, warning = self.clock(), self.find_warning(authorized, lead)
        start = steps.start_attempt(delivery, now, lease, warning)
        if self.settings.intake is not None:
            from leadbridge.domain.routing.intake import count_attempt

            start = count_attempt(start, self._windows(now))
        try:
            delivery = self.ledger.apply(start)
        except CapReached as reached:
            full = {key: start.counts[key] for key in reached.windows}
            refusal = self._find_refusal(delivery, full, now)
            return self._wait() if refusal is None else self._refuse(delivery, lead, refusal, now)
        except Conflict:
            return Result(Outcome.NO_ACTION)
        try:
            answer = PartnerAnswer(authorized.create(lead, self._within_lease(delivery, budget)))
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


ACCOUNT_EXISTS = ErrorInfo(ErrorCode.ACCOUNT_EXISTS, "the partner has an account with this e-mail already")
ORIGIN_UNKNOWN = ErrorInfo(
    ErrorCode.ACCOUNT_ORIGIN_UNKNOWN,
    "the partner has an account with this e-mail, and its origin is not known",
)
ACCOUNT_NOT_FOUND = ErrorInfo(
    ErrorCode.ACCOUNT_NOT_FOUND, "the partner lists no account with this e-mail, and the retry window has ended"
)
LOOKUP_TIMED_OUT = ErrorInfo(ErrorCode.LOOKUP_INCOMPLETE, "the look-up used all of the available time")
REFUSED = {
    State.SKIPPED: Outcome.SKIPPED,
    State.FAILED: Outcome.FAILED,
    State.UNKNOWN: Outcome.UNKNOWN,
}
MIN_REPEAT_WAIT = timedelta(seconds=5)
MAX_REPEAT_WAIT = timedelta(hours=1)


def _look_up_failed(delivery: Delivery, error: ErrorInfo) -> partner_errors.Unavailable:
    return partner_errors.Unavailable(delivery.partner, "list", error.text, code=error.code)

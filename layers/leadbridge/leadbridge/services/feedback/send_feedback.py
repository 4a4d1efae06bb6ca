"""Send a pending postback: in order, with the same event id at every attempt."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from leadbridge.domain.clock import Clock
from leadbridge.domain.errors.error_codes import ErrorCode, ErrorInfo
from leadbridge.domain.errors.partner_errors import PartnerError, Rejected, Unavailable
from leadbridge.domain.feedback import postback as steps
from leadbridge.domain.feedback.errors import ClickIdMissing
from leadbridge.domain.feedback.postback import SCHEDULE, SUPERSEDED_TEXT, Postback, PostbackChange, is_void
from leadbridge.domain.feedback.states import PostbackState
from leadbridge.domain.message import sort_for_sending
from leadbridge.domain.transitions import POSTBACK, Conflict
from leadbridge.runtime.budget import Budget
from leadbridge.services.worker import (
    LEASE_MARGIN,
    ORDER_POLL,
    WORKER_DIED,
    Outcome,
    Result,
    RetryingWorker,
    requested_delay,
)
from leadbridge.settings import RetryPolicy
from leadbridge.settings.sources import TrackerSettings

if TYPE_CHECKING:
    from leadbridge.domain.lead import Lead
    from leadbridge.runtime.fair_share import FairShare
    from leadbridge.services.ports.feedback import PostbackLedger, Tracker
    from leadbridge.services.ports.messages import Leads

JITTER = 0.1  # the largest part by which a wait is longer than the schedule has it
RETRIES = RetryPolicy.model_construct(
    first_delay=SCHEDULE[0], longest_delay=SCHEDULE[-1], give_up_after=sum(SCHEDULE, timedelta()) * (1 + JITTER)
)


@dataclass(frozen=True)
class PostbackSender(RetryingWorker[Postback, PostbackChange]):
    """Sends postbacks. `feedback` is the configuration, by source and tracker.

    `share` bounds what a slow tracker takes from the others; None if there are no others.
    """

    leads: Leads
    ledger: PostbackLedger
    tracker: Tracker
    feedback: Mapping[str, Mapping[str, TrackerSettings]]
    clock: Clock
    dead_letter: Callable[[Postback, ErrorInfo], None]
    share: FairShare | None = None
    jitter: Callable[[], float] = random.random

    waiting = Outcome.WAITING

    def process(self, lead_id: str, event_id: str, budget: Budget, *, overdue: bool = False) -> Result:
        """Process one postback. Safe to repeat and to run concurrently.

        `overdue`: the sweep found the postback. If it is still due, its due time is deferred.
        """
        postbacks = self.ledger.postbacks(lead_id)
        postback = next((one for one in postbacks if one.event_id == event_id), None)
        return self._process(postback, lambda one, now: self._in_turn(one, postbacks, now, budget), overdue=overdue)

    def _settle_lost_attempt(self, postback: Postback, now: datetime) -> Result | None:
        """Schedule the next attempt: a tracker recognizes an event that it has by the event id."""
        if not postback.is_lease_expired(now):
            return None
        lost = Unavailable(postback.tracker, "postback", WORKER_DIED.text, code=WORKER_DIED.code)
        return self._retry(postback, lost)

    def _in_turn(self, postback: Postback, postbacks: list[Postback], now: datetime, budget: Budget) -> Result:
        """Send a postback after the older ones to its tracker, or skip it if a newer one was sent."""
        in_order = sort_for_sending(one for one in postbacks if one.group == postback.group)
        place = in_order.index(postback)
        newer = in_order[place + 1 :]
        if any(_supersedes(one, postback) for one in newer):
            return self._skip(postback, SUPERSEDED_TEXT, ErrorCode.SUPERSEDED)
        if (early := self._until_scheduled(postback, now)) is not None:
            return early
        lead = self.leads.lead(postback.lead_id)
        if lead is None:
            return self._skip(postback, "the lead is not stored any more", ErrorCode.LEAD_NOT_FOUND)
        if lead.erased_at is not None:
            return self._skip_erased(postback)
        if any(one.state is PostbackState.SENDING for one in newer):
            return self._wait(ORDER_POLL)
        if older := [one for one in in_order[:place] if one.is_unsettled]:
            return self._wait_for_older(older, postback.created_at, now)
        if not budget.allows(self.tracker.seconds_per_postback):
            return self._wait()
        if self.share is None:
            return self._attempt(postback, lead, newer, budget)
        if (wait_for_share := self.share.wait(postback.tracker, postback.waiting_since)) is not None:
            return self._wait(wait_for_share)
        with self.share.attempt(postback.tracker):
            return self._attempt(postback, lead, newer, budget)

    def _attempt(self, postback: Postback, lead: Lead, newer: list[Postback], budget: Budget) -> Result:
        """Send a postback unless its delivery or the configuration says that it must not be sent."""
        delivery = self.leads.delivery(postback.lead_id, postback.partner)
        if delivery is not None and is_void(postback, delivery, newer):
            return self._skip(postback, "the deal was entered wrongly", ErrorCode.WRONG_DEAL)
        rules = self.feedback.get(postback.source, {}).get(postback.tracker)
        if rules is None:
            return self._skip(postback, "the tracker is not configured any more", ErrorCode.NOT_CONFIGURED)
        self.tracker.load()
        lease = timedelta(seconds=self.tracker.seconds_per_postback) + LEASE_MARGIN
        try:
            started = self.ledger.apply(steps.start_sending(postback, self.clock(), lease))
        except Conflict:
            return Result(Outcome.NO_ACTION)
        try:
            self.tracker.send(started, lead, rules.kind, self._within_lease(started, budget))
        except ClickIdMissing:
            reason = "the tracker's address needs a click id, and the lead has none"
            return self._skip(started, reason, ErrorCode.CLICK_ID_MISSING)
        except Rejected as error:
            return self._give_up(started, error, budget)
        except PartnerError as error:
            return self._retry(started, error, budget)
        return self._accepted(started, budget)

    def _within_lease(self, postback: Postback, budget: Budget) -> Budget:
        """Return the budget of a call, which must not be made after the lease of its attempt.

        From then on another worker may send newer postbacks. A process can be paused at any moment.
        """
        left = 0.0 if postback.lease_until is None else (postback.lease_until - self.clock()).total_seconds()
        return budget.ending_in(left)

    def _accepted(self, postback: Postback, answered: Budget) -> Result:
        try:
            self.ledger.apply(steps.accept(postback, self.clock()), retry_for=answered.left_to_record)
        except Conflict:
            # The lease expired before the answer, and the next attempt was scheduled. The answer settles it.
            known = next((p for p in self.ledger.postbacks(postback.lead_id) if p.event_id == postback.event_id), None)
            if known is not None and known.attempts == postback.attempts and known.state in POSTBACK["accept"]:
                self.ledger.apply(steps.accept(known, self.clock()), retry_for=answered.left_to_record)
        return Result(Outcome.SENT)

    def _write_step(
        self, item: Postback, step: Callable[[Postback], PostbackChange], result: Result, answered: Budget | None
    ) -> Result:
        """Write a change. A postback whose person was erased during the attempt is not retried but skipped."""
        written = super()._write_step(item, step, result, answered)
        if written.outcome is not Outcome.NO_ACTION:
            return written
        lead = self.leads.lead(item.lead_id)
        return self._skip_erased(item) if lead is not None and lead.erased_at is not None else written

    def _skip_erased(self, postback: Postback) -> Result:
        return self._skip(postback, "the person was erased", ErrorCode.ERASED)

    def _skip(self, postback: Postback, reason: str, code: ErrorCode) -> Result:
        return self._write(steps.skip(postback, self.clock(), reason, code), Result(Outcome.SKIPPED))

    def _is_spent(self, postback: Postback, now: datetime) -> bool:
        """Return whether the schedule has no further attempt, or its time has passed."""
        return postback.attempt_number > len(SCHEDULE) or super()._is_spent(postback, now)

    def _delay(self, postback: Postback, error: PartnerError) -> timedelta:
        """Return the wait of the schedule or the tracker's Retry-After, and no more than the time that is left."""
        planned = SCHEDULE[postback.attempt_number - 1] * (1 + self.jitter() * JITTER)
        now = self.clock()
        left = (postback.first_attempt_at or now) + RETRIES.give_up_after - now
        return min(max(planned, requested_delay(RETRIES, error)), max(left, SCHEDULE[0]))

    def _policy(self, _: Postback) -> RetryPolicy:
        return RETRIES

    def _schedule_retry(self, postback: Postback, now: datetime, error: ErrorInfo, after: timedelta) -> PostbackChange:
        return steps.schedule_retry(postback, now, error, after)

    def _fail(self, postback: Postback, now: datetime, error: ErrorInfo) -> PostbackChange:
        return steps.fail(postback, now, error)


def _supersedes(newer: Postback, postback: Postback) -> bool:
    """Return whether a postback must not follow a newer one to the same tracker.

    A newer one of another delivery supersedes only a postback that is sent again. A first event may be written late,
    after a newer event of the other delivery was accepted. It must not be lost.
    """
    if newer.state is not PostbackState.ACCEPTED or postback.is_forced:
        return False
    return newer.partner == postback.partner or postback.resent_at is not None

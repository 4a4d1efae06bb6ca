"""Send a pending message: in order, outside the quiet hours, to the person's account, and only once."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from leadbridge.domain import message as steps
from leadbridge.domain.clock import Clock
from leadbridge.domain.errors import partner_errors
from leadbridge.domain.errors.error_codes import ErrorCode, ErrorInfo
from leadbridge.domain.lead import Lead
from leadbridge.domain.message import (
    MAY_HAVE_ARRIVED,
    UNSETTLED,
    Message,
    MessageChange,
    MessageState,
)
from leadbridge.domain.recipient import Contact, Content, Recipient
from leadbridge.domain.transitions import Conflict, OutOfOrder
from leadbridge.runtime.aws_errors import Contended
from leadbridge.runtime.budget import Budget
from leadbridge.services.message_text import find_quiet_end, render_message
from leadbridge.services.worker import (
    LEASE_MARGIN,
    ORDER_POLL,
    WORKER_DIED,
    Outcome,
    Result,
    RetryingWorker,
    poll_interval,
)
from leadbridge.settings import RetryPolicy
from leadbridge.settings.messages import MessageSettings

if TYPE_CHECKING:
    from leadbridge.services.ports.messages import Leads, MessageLedger, Messenger

INVITATION_POLL = timedelta(minutes=5)  # between two look-ups of an invited person
CONTEST_POLL = timedelta(hours=1)  # between two checks whether the deal is still contested
SEND_NOT_RECORDED = ErrorInfo(
    ErrorCode.ANSWER_NOT_RECORDED, "Leeloo accepted the message, and the result could not be written to the table"
)


@dataclass(frozen=True)
class Sender(RetryingWorker[Message, MessageChange]):
    """Sends messages.

    `save_answer` stores the answer to a send in a dead letter if it cannot be written to the table. A redrive records
    it.
    """

    leads: Leads
    ledger: MessageLedger
    messenger: Messenger
    settings: MessageSettings
    clock: Clock
    dead_letter: Callable[[Message, ErrorInfo], None]
    jitter: Callable[[], float] = random.random
    save_answer: Callable[[Message, ErrorInfo], None] | None = None

    waiting = Outcome.WAITING

    def process(self, owner: str, message_id: str, budget: Budget, *, overdue: bool = False) -> Result:
        """Process one message. Safe to repeat and to run concurrently.

        `overdue`: the sweep found the message. If it is still due, its due time is deferred.
        """
        messages = self.ledger.messages(owner)
        message = next((one for one in messages if one.message_id == message_id), None)
        return self._process(message, lambda one, now: self._in_turn(one, messages, now, budget), overdue=overdue)

    def _settle_lost_attempt(self, message: Message, now: datetime) -> Result | None:
        if not message.is_lease_expired(now):
            return None
        return self._write(steps.mark_unknown(message, now, WORKER_DIED), Result(Outcome.UNKNOWN))

    def _in_turn(self, message: Message, messages: list[Message], now: datetime, budget: Budget) -> Result:
        """Send a message after the older ones of its group, or skip it if a newer one was sent."""
        newer = {one.state for one in messages if one.is_newer_than(message)}
        if newer & MAY_HAVE_ARRIVED:
            return self._skip(message, steps.SUPERSEDED_TEXT, ErrorCode.SUPERSEDED)
        if (early := self._until_scheduled(message, now)) is not None:
            return early
        if MessageState.SENDING in newer:  # its outcome decides whether this one is sent or skipped
            return self._wait(ORDER_POLL)
        before = takewhile(lambda one: one.message_id != message.message_id, steps.sort_for_sending(messages))
        older = [one for one in before if one.state in UNSETTLED and one.group == message.group]
        if older:
            return self._wait_for_older(older, message.created_at, now)
        if not budget.allows(self.messenger.seconds_per_message):
            return self._wait()
        return self._prepare(message, budget)

    def _prepare(self, message: Message, budget: Budget) -> Result:
        """Find the content, the time and the recipient; then send the message."""
        now = self.clock()
        lead = self.leads.lead(message.owner) if message.account_id is None else None
        if message.account_id is None and lead is None:
            return self._skip(message, "the lead is not stored any more", ErrorCode.LEAD_NOT_FOUND)
        if lead is not None and lead.erased_at is not None:
            return Result(Outcome.NO_ACTION)  # the erasure deletes the message too
        delivery = self.leads.delivery(message.owner, message.partner) if message.partner else None
        if delivery is not None and message.partner_status is not None:
            if delivery.void_version and (message.delivery_version or 0) <= delivery.void_version:
                return self._skip(message, "the deal was entered wrongly", ErrorCode.WRONG_DEAL)
            if delivery.attention is not None:
                return self._hold(message)
        if render_message(message, self.settings, lead, delivery, None) is None:
            return self._skip(message, "no notification is configured for this status", ErrorCode.NOT_CONFIGURED)
        zone = self.settings.zone_of(lead.person.phone if lead else None)
        # Quiet hours apply to notifications, not to operators' messages.
        waits = message.partner_status is not None and not message.is_crm_note
        until = find_quiet_end(self.settings.quiet_hours, zone, now) if waits else None
        if until is not None:
            return self._write(steps.wait_until(message, now, until), self._wait(until - now))
        try:
            recipient = self._recipient(message, lead, budget)
        except _NotYet as later:
            return self._postpone(message, later.until)
        except partner_errors.Rejected as error:
            return self._give_up(message, error)
        except partner_errors.PartnerError as error:
            return self._retry_or_give_up(message, error)
        if recipient is None and message.is_crm_note:
            return self._skip(message, "Leeloo does not know the person", ErrorCode.PERSON_UNKNOWN)
        if recipient is None:
            return self._write(steps.no_channel(message, self.clock()), Result(Outcome.NO_CHANNEL))
        content = render_message(message, self.settings, lead, delivery, recipient.locale)
        return self._send(message, recipient, content or Content(), budget)

    def _skip(self, message: Message, reason: str, code: ErrorCode) -> Result:
        return self._write(steps.skip(message, self.clock(), reason, code), Result(Outcome.SKIPPED))

    def _recipient(self, message: Message, lead: Lead | None, budget: Budget) -> Recipient | None:
        if message.account_id is not None or lead is None:
            return Recipient(message.account_id or "")
        contact = self.ledger.contact(lead.lead_id)
        if contact.account_id is not None:
            return Recipient(contact.account_id, contact.locale, contact.person_id, remembered=True)
        account = self.messenger.find(lead.person, budget)
        if account is None and message.is_crm_note:
            return None  # a CRM note is no reason to create or invite the person
        if account is None and contact.asked_at is None:
            account = self._create_or_invite(message, lead, budget)
        elif account is None and contact.asked_at is not None:
            self._wait_for_invited(contact.asked_at)
        if account is not None:
            known = Contact(account.account_id, account.person_id, account.locale, lead_received_at=lead.received_at)
            self.ledger.remember(lead.lead_id, known)
        return account

    def _create_or_invite(self, message: Message, lead: Lead, budget: Budget) -> Recipient | None:
        """Create or invite the person; one worker at a time. Raises _NotYet, PartnerError."""
        by_sms = bool(self.settings.channel.sms_connection)
        now = self.clock()
        lease = timedelta(seconds=self.messenger.seconds_per_send) + LEASE_MARGIN
        if not self.ledger.claim(lead.lead_id, now, now + lease, to_invite=by_sms):
            # After a lost reply the claim is kept until its lease ends.
            raise _NotYet(now + poll_interval(message.waiting_since, now))
        try:
            account = None if by_sms else self.messenger.make(lead.person, budget)
            invited = by_sms and self.messenger.invite(lead.person, budget)
        except partner_errors.Unknown:
            if not by_sms:
                raise  # the next attempt finds the person if they were created
            invited = True  # never invite a person twice
        except partner_errors.PartnerError:
            self.ledger.forget(lead.lead_id)
            raise
        if invited:
            self.ledger.remember(lead.lead_id, Contact(asked_at=now))
            self._wait_for_invited(now)
        elif account is None:
            self.ledger.forget(lead.lead_id)
        return account

    def _wait_for_invited(self, asked_at: datetime) -> None:
        """Raise _NotYet while the person who was invited at `asked_at` may still join."""
        now, until = self.clock(), asked_at + self.settings.channel.wait_for_sms
        if now < until:
            raise _NotYet(min(now + INVITATION_POLL, until))

    def _send(self, message: Message, recipient: Recipient, content: Content, budget: Budget) -> Result:
        if message.is_crm_note and recipient.person_id is None:
            return self._skip(message, "the person's id at Leeloo is not known", ErrorCode.PERSON_UNKNOWN)
        if not budget.allows(self.messenger.seconds_per_send):
            return self._wait()
        # A CRM note takes several calls, each within the remaining time of the invocation.
        longest = budget.total if message.is_crm_note else self.messenger.seconds_per_send
        try:
            lease = timedelta(seconds=longest) + LEASE_MARGIN
            message = self.ledger.apply(steps.start_sending(message, self.clock(), lease))
        except OutOfOrder:
            return self._wait(ORDER_POLL)
        except Conflict:
            return Result(Outcome.NO_ACTION)
        try:
            if message.is_crm_note:
                self.messenger.note(recipient.person_id or "", content, budget)
            else:
                self.messenger.send(recipient.account_id, content, budget)
        except partner_errors.Unknown as error:
            change = steps.mark_unknown(message, self.clock(), error.info)
            return self._write(change, Result(Outcome.UNKNOWN, error=error), budget)
        except partner_errors.Rejected as error:
            if not recipient.remembered:
                return self._give_up(message, error, budget)
            self.ledger.forget(message.owner)  # the account may not exist any more: look it up again
            return self._retry(message, error, budget)
        except partner_errors.PartnerError as error:
            return self._retry_or_give_up(message, error, budget)
        try:
            return self._sent(message, budget)
        except (Contended, ClientError, BotoCoreError):
            if self.save_answer is None:
                raise
            self.save_answer(message, SEND_NOT_RECORDED)
            return Result(Outcome.SENT)

    def _sent(self, message: Message, answered: Budget) -> Result:
        try:
            self.ledger.apply(steps.mark_sent(message, self.clock()), retry_for=answered.left_to_record)
        except Conflict:
            # The lease expired before Leeloo's answer, and the message became unknown. The answer settles it.
            known = self.ledger.message(message.owner, message.message_id)
            if known is None or known.version == message.version:
                return Result(Outcome.SENT)  # the person was erased: nothing more is written about them
            if not _is_unknown_of(known, message):
                raise
            self.ledger.apply(steps.mark_sent(known, self.clock()), retry_for=answered.left_to_record)
        return Result(Outcome.SENT)

    def _postpone(self, message: Message, until: datetime) -> Result:
        now = self.clock()
        return self._write(steps.postpone(message, now, until), self._wait(until - now))

    def _hold(self, message: Message) -> Result:
        """Wait while the deal of the status is contested; skip the message after the retry window."""
        now = self.clock()
        if now - message.created_at >= self.settings.retry.give_up_after:
            return self._skip(message, "the deal of the status is contested", ErrorCode.DEAL_CONTESTED)
        return self._postpone(message, now + CONTEST_POLL)

    def _write_step(
        self, message: Message, step: Callable[[Message], MessageChange], result: Result, answered: Budget | None
    ) -> Result:
        """Write a change after nothing was sent; `answered` if Leeloo's answer to the send says so.

        If the lease expired before the answer, the sweep has set the message to unknown. Then the step starts from that
        state, because the answer settles it.
        """
        written = super()._write_step(message, step, result, answered)
        if written is result or answered is None:
            return written
        known = self.ledger.message(message.owner, message.message_id)
        if known is None or known.last_error_code == ErrorCode.RESTORED or not _is_unknown_of(known, message):
            return written
        return super()._write_step(known, step, result, answered)

    def _policy(self, _: Message) -> RetryPolicy:
        return self.settings.retry

    def _schedule_retry(self, message: Message, now: datetime, error: ErrorInfo, after: timedelta) -> MessageChange:
        return steps.schedule_retry(message, now, error, after)

    def _fail(self, message: Message, now: datetime, error: ErrorInfo) -> MessageChange:
        return steps.fail(message, now, error)


def _is_unknown_of(known: Message, attempted: Message) -> bool:
    """Return whether a message is unknown because of this attempt."""
    return known.state is MessageState.UNKNOWN and known.attempts == attempted.attempts


class _NotYet(Exception):
    """The person has no account yet; `until` is the time of the next look-up."""

    def __init__(self, until: datetime) -> None:
        super().__init__("not yet")
        self.until = until

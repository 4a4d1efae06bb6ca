"""How a pending message is sent: in its turn, at a decent hour, to the right account, once."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from itertools import takewhile
from typing import Protocol

from botocore.exceptions import BotoCoreError, ClientError

from leadbridge.domain import message as steps
from leadbridge.domain import partner_errors
from leadbridge.domain.clock import Clock
from leadbridge.domain.delivery import Delivery
from leadbridge.domain.error_codes import ErrorCode, ErrorInfo
from leadbridge.domain.lead import Lead, Person
from leadbridge.domain.message import (
    MAY_HAVE_ARRIVED,
    UNSETTLED,
    Message,
    MessageChange,
    MessageCode,
    MessageState,
)
from leadbridge.domain.transitions import overdue_wait
from leadbridge.runtime.budget import Budget
from leadbridge.services.message_text import Content, content_of, quiet_until
from leadbridge.services.submit_lead import LEASE_MARGIN, WORKER_DIED, backoff
from leadbridge.settings.messages import Messages
from leadbridge.storage.messages import Contact, OutOfTurn
from leadbridge.storage.table import RETRY_FOR, Conflict, Contended

TURN = timedelta(seconds=2)  # how long a message waits before it looks again whether its turn has come
LONGEST_TURN = timedelta(minutes=1)  # when it has waited long already
SMS_POLL = timedelta(minutes=5)  # how often somebody who was invited is looked for
DOUBT_POLL = timedelta(hours=1)  # between two checks whether a message's deal is still in doubt
NOT_WRITTEN = ErrorInfo(
    ErrorCode.ANSWER_NOT_RECORDED, "Leeloo has taken the message, and the table could not be written"
)


class Leads(Protocol):
    """The part of the store that says what a message is about."""

    def lead(self, lead_id: str) -> Lead | None:
        """The lead."""
        ...

    def delivery(self, lead_id: str, partner: str) -> Delivery | None:
        """The delivery."""
        ...


class Book(Protocol):
    """Where messages are kept."""

    def message(self, owner: str, message_id: str) -> Message | None:
        """One message."""
        ...

    def messages(self, owner: str) -> list[Message]:
        """All messages of one owner, oldest first."""
        ...

    def apply(self, change: MessageChange, *, retry_for: float = RETRY_FOR) -> Message:
        """Write a change, retrying transient errors for so many seconds.

        Raises Conflict if somebody was quicker, OutOfTurn if another message of the line was started meanwhile.
        """
        ...

    def defer(self, message: Message, due_at: datetime) -> None:
        """Move the time at which a message is due, and nothing else."""
        ...

    def contact(self, lead_id: str) -> Contact:
        """What is known of the person's account."""
        ...

    def remember(self, lead_id: str, contact: Contact) -> None:
        """Note where the person can be written to."""
        ...

    def claim(self, lead_id: str, now: datetime, until: datetime, *, to_invite: bool) -> bool:
        """Be the one who makes or invites the person until then; False if somebody else is, or it has been done."""
        ...

    def forget(self, lead_id: str) -> None:
        """Know nothing of the person's account any more."""
        ...


@dataclass(frozen=True)
class Account:
    """Where to write to, and the person's language as the messenger knows it; `remembered` if it was found long ago."""

    account_id: str
    locale: str | None = None
    person_id: str | None = None
    remembered: bool = False


class Messenger(Protocol):
    """What takes messages to people. Every method raises PartnerError."""

    @property
    def seconds_per_message(self) -> float:
        """Seconds that finding the account and sending can take together."""
        ...

    @property
    def seconds_per_send(self) -> float:
        """Seconds that sending alone can take."""
        ...

    def find(self, person: Person, budget: Budget) -> Account | None:
        """The account of a person. Safe to repeat."""
        ...

    def make(self, person: Person, budget: Budget) -> Account | None:
        """Make a person known whom `find` does not find; None where that is not set up, or not possible."""
        ...

    def invite(self, person: Person, budget: Budget) -> bool:
        """Invite a person by text message; whether that is set up. It may take hours until `find` finds them."""
        ...

    def send(self, account_id: str, content: Content, budget: Budget) -> None:
        """Send; not safe to repeat."""
        ...

    def note(self, person_id: str, content: Content, budget: Budget) -> None:
        """Write tags and a comment to a person; the comment is not safe to repeat."""
        ...


class Outcome(StrEnum):
    """What a visit of the worker came to, for logs and metrics."""

    SENT = "sent"
    UNKNOWN = "unknown"
    FAILED = "failed"
    NO_CHANNEL = "no_channel"
    SKIPPED = "skipped"
    WAITS = "waits"
    COMES_AGAIN = "comes_again"
    NOTHING_TO_DO = "nothing_to_do"


@dataclass(frozen=True)
class Visit:
    """What came of a visit. `again` is when the message should come back, None when it is done with."""

    outcome: Outcome
    again: timedelta | None = None
    error: partner_errors.PartnerError | None = None


@dataclass(frozen=True)
class Sender:
    """Sends messages. `dead_letter` is called for one that cannot be sent, before its state is written.

    `keep_answer` is called for a sent message that the table did not take, with the reason: redrive writes it down.
    """

    leads: Leads
    book: Book
    messenger: Messenger
    settings: Messages
    clock: Clock
    dead_letter: Callable[[Message, ErrorInfo], None]
    jitter: Callable[[], float] = random.random
    keep_answer: Callable[[Message, ErrorInfo], None] | None = None

    def visit(self, owner: str, message_id: str, budget: Budget, *, overdue: bool = False) -> Visit:
        """Do what can be done now for one message. Safe to repeat and to run twice at once.

        `overdue` is for a message that the sweep found: if it is still due, its due time is moved on.
        """
        messages = self.book.messages(owner)
        message = next((one for one in messages if one.message_id == message_id), None)
        if message is None or message.state not in UNSETTLED:
            return Visit(Outcome.NOTHING_TO_DO)
        now = self.clock()
        if message.state is MessageState.SENDING:
            if message.lease_ran_out(now):
                return self._write(steps.mark_unknown(message, now, WORKER_DIED), Visit(Outcome.UNKNOWN))
            return Visit(Outcome.NOTHING_TO_DO)
        if overdue and message.due_at is not None and message.due_at <= now:
            self.book.defer(message, now + overdue_wait(message.waiting_since, now))
        newer = {one.state for one in messages if one.is_newer_than(message)}
        if newer & MAY_HAVE_ARRIVED:
            change = steps.skip(message, now, steps.SUPERSEDED, MessageCode.SUPERSEDED)
            return self._write(change, Visit(Outcome.SKIPPED))
        if message.next_attempt_at is not None and message.next_attempt_at > now:
            return Visit(Outcome.WAITS, again=message.next_attempt_at - now)
        if MessageState.SENDING in newer:  # its outcome decides whether this one is sent or skipped
            return Visit(Outcome.WAITS, again=TURN)
        before = takewhile(lambda one: one.message_id != message_id, steps.in_order(messages))
        older = [one for one in before if one.state in UNSETTLED and one.line == message.line]
        if older:
            turn = min(max((now - message.created_at) / 8, TURN), LONGEST_TURN)
            waits = [one.next_attempt_at - now for one in older if one.next_attempt_at is not None]
            return Visit(Outcome.WAITS, again=max([turn, *waits]))
        if not budget.allows(self.messenger.seconds_per_message):
            return Visit(Outcome.WAITS, again=timedelta())
        return self._say(message, budget)

    def _say(self, message: Message, budget: Budget) -> Visit:
        now = self.clock()
        lead = self.leads.lead(message.owner) if message.account_id is None else None
        if message.account_id is None and lead is None:
            return self._write(
                steps.skip(message, now, "the lead is gone", MessageCode.LEAD_GONE), Visit(Outcome.SKIPPED)
            )
        if lead is not None and lead.erased_at is not None:
            return Visit(Outcome.NOTHING_TO_DO)  # whoever erases the person deletes the message too
        delivery = self.leads.delivery(message.owner, message.partner) if message.partner else None
        if delivery is not None and message.partner_status is not None:
            if delivery.void_version and (message.delivery_version or 0) <= delivery.void_version:
                change = steps.skip(message, now, "the deal was entered wrongly", MessageCode.WRONG_DEAL)
                return self._write(change, Visit(Outcome.SKIPPED))
            if delivery.attention is not None:
                return self._hold(message)
        if content_of(message, self.settings, lead, delivery, None) is None:
            change = steps.skip(message, now, "nothing is said of this", MessageCode.NOT_CONFIGURED)
            return self._write(change, Visit(Outcome.SKIPPED))
        zone = self.settings.zone_of(lead.person.phone if lead else None)
        # An operator who writes by hand knows what time it is.
        waits = message.partner_status is not None and not message.is_mirror
        until = quiet_until(self.settings.quiet_hours, zone, now) if waits else None
        if until is not None:
            return self._write(steps.wait_until(message, now, until), Visit(Outcome.WAITS, again=until - now))
        try:
            account = self._account(message, lead, budget)
        except _NotYet as later:
            return self._wait(message, later)
        except partner_errors.Rejected as error:
            return self._give_up(message, error)
        except partner_errors.PartnerError as error:
            return self._come_again(message, error)
        if account is None and message.is_mirror:
            change = steps.skip(message, self.clock(), "the person is unknown there", MessageCode.PERSON_UNKNOWN)
            return self._write(change, Visit(Outcome.SKIPPED))
        if account is None:
            return self._write(steps.no_channel(message, self.clock()), Visit(Outcome.NO_CHANNEL))
        content = content_of(message, self.settings, lead, delivery, account.locale)
        return self._send(message, account, content or Content(), budget)

    def _account(self, message: Message, lead: Lead | None, budget: Budget) -> Account | None:
        if message.account_id is not None or lead is None:
            return Account(message.account_id or "")
        contact = self.book.contact(lead.lead_id)
        if contact.account_id is not None:
            return Account(contact.account_id, contact.locale, contact.person_id, remembered=True)
        account = self.messenger.find(lead.person, budget)
        if account is None and message.is_mirror:
            return None  # what is noted about people is no reason to make or invite them
        if account is None and contact.asked_at is None:
            account = self._make_known(lead, budget)
        elif account is None and contact.asked_at is not None:
            self._still_expected(contact.asked_at)
        if account is not None:
            known = Contact(account.account_id, account.person_id, account.locale, lead_received_at=lead.received_at)
            self.book.remember(lead.lead_id, known)
        return account

    def _make_known(self, lead: Lead, budget: Budget) -> Account | None:
        """Make the person, or invite them; one worker at a time. Raises _NotYet, PartnerError."""
        by_sms = bool(self.settings.channel.sms_connection)
        now = self.clock()
        lease = timedelta(seconds=self.messenger.seconds_per_send + LEASE_MARGIN)
        if not self.book.claim(lead.lead_id, now, now + lease, to_invite=by_sms):
            raise _NotYet(now + TURN)
        try:
            account = None if by_sms else self.messenger.make(lead.person, budget)
            invited = by_sms and self.messenger.invite(lead.person, budget)
        except partner_errors.Unknown:
            if not by_sms:
                raise  # whoever was made is found next time
            invited = True  # an invitation too few is better than one with every message
        except partner_errors.PartnerError:
            self.book.forget(lead.lead_id)
            raise
        if invited:
            self.book.remember(lead.lead_id, Contact(asked_at=now))
            self._still_expected(now)
        elif account is None:
            self.book.forget(lead.lead_id)
        return account

    def _still_expected(self, asked_at: datetime) -> None:
        """Raise _NotYet while somebody who was invited at `asked_at` may still come."""
        now, until = self.clock(), asked_at + self.settings.channel.wait_for_sms
        if now < until:
            raise _NotYet(min(now + SMS_POLL, until))

    def _send(self, message: Message, account: Account, content: Content, budget: Budget) -> Visit:
        if message.is_mirror and account.person_id is None:
            change = steps.skip(message, self.clock(), "the person's id is unknown", MessageCode.PERSON_UNKNOWN)
            return self._write(change, Visit(Outcome.SKIPPED))
        if not budget.allows(self.messenger.seconds_per_send):
            return Visit(Outcome.WAITS, again=timedelta())
        # A mirror is several calls, each cut from what is left of the invocation.
        longest = budget.total if message.is_mirror else self.messenger.seconds_per_send
        try:
            lease = timedelta(seconds=longest + LEASE_MARGIN)
            message = self.book.apply(steps.start_sending(message, self.clock(), lease))
        except OutOfTurn:
            return Visit(Outcome.WAITS, again=TURN)
        except Conflict:
            return Visit(Outcome.NOTHING_TO_DO)
        try:
            if message.is_mirror:
                self.messenger.note(account.person_id or "", content, budget)
            else:
                self.messenger.send(account.account_id, content, budget)
        except partner_errors.Unknown as error:
            change = steps.mark_unknown(message, self.clock(), error.info)
            return self._write(change, Visit(Outcome.UNKNOWN, error=error), budget)
        except partner_errors.Rejected as error:
            if not account.remembered:
                return self._give_up(message, error, budget)
            self.book.forget(message.owner)  # the account may be gone: it is looked for once more
            return self._come_again(message, error, budget)
        except partner_errors.PartnerError as error:
            return self._come_again(message, error, budget)
        try:
            return self._sent(message, budget)
        except (Contended, ClientError, BotoCoreError):
            if self.keep_answer is None:
                raise
            self.keep_answer(message, NOT_WRITTEN)
            return Visit(Outcome.SENT)

    def _sent(self, message: Message, budget: Budget) -> Visit:
        try:
            self.book.apply(steps.mark_sent(message, self.clock()), retry_for=max(RETRY_FOR, budget.left))
        except Conflict:
            # The lease ran out while Leeloo answered and the message was called unknown. Now it is known.
            known = self.book.message(message.owner, message.message_id)
            if known is None or known.version == message.version:
                return Visit(Outcome.SENT)  # and the person was erased meanwhile: nothing more is told of them
            if not _is_unknown_of(known, message):
                raise
            self.book.apply(steps.mark_sent(known, self.clock()), retry_for=max(RETRY_FOR, budget.left))
        return Visit(Outcome.SENT)

    def _wait(self, message: Message, later: _NotYet) -> Visit:
        now = self.clock()
        change = steps.postpone(message, now, later.until)
        return self._write(change, Visit(Outcome.WAITS, again=later.until - now))

    def _hold(self, message: Message) -> Visit:
        """Wait while it is in doubt whose deal the status is about; skip the message after the retry window."""
        now = self.clock()
        if now - message.created_at >= self.settings.retry.give_up_after:
            change = steps.skip(message, now, "it is in doubt whose deal the status is of", MessageCode.DEAL_IN_DOUBT)
            return self._write(change, Visit(Outcome.SKIPPED))
        return self._wait(message, _NotYet(now + DOUBT_POLL))

    def _come_again(self, message: Message, error: partner_errors.PartnerError, budget: Budget | None = None) -> Visit:
        now = self.clock()
        first = message.first_attempt_at or now
        # Credentials are believed wrong when they were read anew, or were refused in the same way before.
        hopeless = isinstance(error, partner_errors.Misconfigured) and (error.certain or error.info.is_last_of(message))
        if hopeless or now - first >= self.settings.retry.give_up_after:
            return self._give_up(message, error, budget)
        attempts = message.attempts if message.state is MessageState.SENDING else message.attempts + 1
        asked = timedelta(seconds=min(error.retry_after or 0, self.settings.retry.give_up_after.total_seconds()))
        wait = max(backoff(self.settings.retry, attempts, self.jitter()), asked)
        step = partial(steps.schedule_retry, now=now, error=error.info, after=wait)
        return self._not_sent(message, step, Visit(Outcome.COMES_AGAIN, again=wait, error=error), budget)

    def _give_up(self, message: Message, error: partner_errors.PartnerError, budget: Budget | None = None) -> Visit:
        self.dead_letter(message, error.info)
        step = partial(steps.fail, now=self.clock(), error=error.info)
        return self._not_sent(message, step, Visit(Outcome.FAILED, error=error), budget)

    def _not_sent(
        self, message: Message, step: Callable[[Message], MessageChange], visit: Visit, budget: Budget | None
    ) -> Visit:
        """Write that nothing was sent; with a `budget`, Leeloo has answered that to a send.

        The lease may run out before Leeloo answers, and the sweep then sets the message to unknown. The answer settles
        it, so the step is taken from there.
        """
        written = self._write(step(message), visit, budget)
        if written is visit or budget is None:
            return written
        known = self.book.message(message.owner, message.message_id)
        if known is None or known.code is not None or not _is_unknown_of(known, message):
            return written
        return self._write(step(known), visit, budget)

    def _write(self, change: MessageChange, visit: Visit, answered: Budget | None = None) -> Visit:
        """Write a change. After Leeloo has `answered`, the write is retried for the rest of the invocation."""
        try:
            self.book.apply(change, retry_for=RETRY_FOR if answered is None else max(RETRY_FOR, answered.left))
        except Conflict:
            return Visit(Outcome.NOTHING_TO_DO, error=visit.error)
        return visit


def _is_unknown_of(known: Message, attempted: Message) -> bool:
    """Return whether a message is unknown since this attempt to send it."""
    return known.state is MessageState.UNKNOWN and known.attempts == attempted.attempts


class _NotYet(Exception):
    """The person cannot be written to yet; `until` is when to look again."""

    def __init__(self, until: datetime) -> None:
        super().__init__("not yet")
        self.until = until

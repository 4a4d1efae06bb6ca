"""How an operator puts back what a dead letter names: a delivery, a message, a fetch, or an answer to write down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from leadbridge.domain.clock import Clock
from leadbridge.domain.delivery import State
from leadbridge.domain.errors.error_codes import ErrorCode
from leadbridge.domain.errors.partner_answer import RECORD_ANSWER
from leadbridge.domain.fetch import FetchState, refetch
from leadbridge.domain.lead import Lead, find_missing_fields, next_partner
from leadbridge.domain.message import UNSETTLED, MessageState
from leadbridge.domain.message_operator_steps import retry_message_by_operator
from leadbridge.domain.operator_steps import retry_by_operator
from leadbridge.domain.timeline import Entry
from leadbridge.domain.transitions import AlreadyLinked, Conflict
from leadbridge.runtime.aws_errors import Contended
from leadbridge.services.dead_letters.record_answer import (
    DeadLetterKept,
    DeadLetterObsolete,
    ObsoleteReason,
    contest_link_holder,
    record_delivery_answer,
    record_message_answer,
)
from leadbridge.settings import Partner

if TYPE_CHECKING:
    from leadbridge.services.dead_letters.queues import DeadLetter
    from leadbridge.storage.fetches import FetchRepository
    from leadbridge.storage.leads import LeadRepository
    from leadbridge.storage.messages import MessageRepository

NOTED_CODES = frozenset(
    {
        ErrorCode.ALREADY_LINKED,
        ErrorCode.ATTEMPT_MISMATCH,
        ErrorCode.MAY_BE_OURS,
        ErrorCode.MISSING_FIELDS,
        ErrorCode.NEEDS_CONFIRMATION,
        ErrorCode.OUTCOME_UNKNOWN,
        ErrorCode.STATE_CONFLICT,
    }
)


@dataclass(frozen=True)
class Redriver:
    """Puts deliveries, messages and fetches back, in the name of an operator."""

    leads: LeadRepository
    messages: MessageRepository
    fetches: FetchRepository
    partners: Mapping[str, Partner]
    operator: str
    clock: Clock

    def redrive(self, letter: DeadLetter) -> None:
        """Put back what a letter names.

        Raises DeadLetterKept if that cannot be done, DeadLetterObsolete if nothing is left to do. A letter is written
        before the item that it names becomes `failed`. A letter that is put back in between is kept.
        """
        if letter.lead_id is None:
            raise DeadLetterKept(ErrorCode.DEAD_LETTER_INVALID, "the letter names no lead")
        owner = letter.lead_id
        try:
            if letter.step == RECORD_ANSWER:
                self._record(letter, owner)
            elif letter.message_id:
                self._send(letter, owner, letter.message_id)
            elif letter.partner:
                self._deliver(letter, owner, letter.partner)
            elif letter.step == "fetch":
                self._fetch(letter, owner)
            else:
                raise DeadLetterKept(ErrorCode.DEAD_LETTER_INVALID, "the letter names no delivery, message or fetch")
        except AlreadyLinked as tied:
            delivery = self.leads.delivery(owner, letter.partner or "")
            if delivery is not None:
                contest_link_holder(self.leads, tied.lead_id, delivery, self.clock)
            raise self._kept(
                letter,
                DeadLetterKept(
                    ErrorCode.ALREADY_LINKED,
                    f"the partner's id is entered at {tied.lead_id}",
                    {"lead_id": tied.lead_id},
                ),
            ) from None
        except (Conflict, Contended):
            raise DeadLetterKept(ErrorCode.CONCURRENT_CHANGE, "somebody else has changed it at this moment") from None
        except DeadLetterKept as kept:
            raise self._kept(letter, kept) from None

    def _kept(self, letter: DeadLetter, kept: DeadLetterKept) -> DeadLetterKept:
        """Note in the timeline why a letter is kept, if an operator can do something about it."""
        if kept.info.code in NOTED_CODES:
            detail = f"{letter.step}: {kept}, redriven by {self.operator}"
            self._note(letter, "dead_letter_kept", detail, kept.info.entry_data)
        return kept

    def note(self, letter: DeadLetter, what: str) -> None:
        """Write into the timeline of a letter's lead, if there is one, what the operator did with the letter."""
        self._note(letter, what, f"{letter.step}, by {self.operator}")

    def _note(self, letter: DeadLetter, what: str, detail: str, error: Mapping[str, Any] | None = None) -> None:
        if letter.lead_id is None or self.leads.lead(letter.lead_id) is None:
            return
        about = {"step": letter.step, "dead_letter_id": letter.dead_letter_id, "operator": self.operator}
        entry = Entry(self.clock(), what, letter.partner, detail, {**(error or {}), **about})
        self.leads.note(letter.lead_id, entry, letter.dead_letter_id)

    def _lead(self, lead_id: str) -> Lead:
        lead = self.leads.lead(lead_id)
        if lead is None:
            raise DeadLetterObsolete(ObsoleteReason.LEAD_NOT_FOUND)
        if lead.erased_at is not None:
            raise DeadLetterObsolete(ObsoleteReason.ERASED)
        return lead

    def _deliver(self, letter: DeadLetter, lead_id: str, partner: str) -> None:
        delivery, lead = self.leads.delivery(lead_id, partner), self._lead(lead_id)
        if delivery is None:
            raise DeadLetterObsolete(ObsoleteReason.LEAD_NOT_FOUND)
        if delivery.state in {State.RECEIVED, State.SUBMITTING} and _is_of_this_life(letter, delivery.retried_at):
            raise DeadLetterKept(ErrorCode.IN_PROGRESS, "it is still being delivered")
        if delivery.state is State.UNKNOWN:
            text = "the partner may have it already; retry it with a confirmation"
            raise DeadLetterKept(ErrorCode.NEEDS_CONFIRMATION, text)
        if delivery.state is not State.FAILED:
            raise DeadLetterObsolete(ObsoleteReason.STATE_CHANGED)
        if delivery.restored_at is not None:
            raise DeadLetterKept(ErrorCode.NEEDS_CONFIRMATION, "it was restored, and may have been sent since")
        if lacking := find_missing_fields(lead, self.partners.get(partner)):
            text = f"the partner would not take the lead, for {', '.join(lacking)}"
            raise DeadLetterKept(ErrorCode.MISSING_FIELDS, text, {"fields": list(lacking)})
        self.leads.apply(retry_by_operator(delivery, self.clock(), self.operator, is_confirmed=False))

    def _send(self, letter: DeadLetter, owner: str, message_id: str) -> None:
        others = self.messages.messages(owner)
        message = next((one for one in others if one.message_id == message_id), None)
        if message is None:
            raise DeadLetterObsolete(ObsoleteReason.LEAD_NOT_FOUND)
        if message.state in UNSETTLED and _is_of_this_life(letter, message.retried_at):
            raise DeadLetterKept(ErrorCode.IN_PROGRESS, "it is still being sent")
        if message.state is MessageState.UNKNOWN:
            raise DeadLetterKept(ErrorCode.OUTCOME_UNKNOWN, "the person may have the message")
        if message.state is not MessageState.FAILED:
            raise DeadLetterObsolete(ObsoleteReason.STATE_CHANGED)
        after = self.messages.apply(retry_message_by_operator(message, self.clock(), self.operator, others=others))
        if after.state is MessageState.SKIPPED:
            raise DeadLetterObsolete(ObsoleteReason.SUPERSEDED)

    def _fetch(self, letter: DeadLetter, lead_id: str) -> None:
        fetch = self.fetches.fetch(lead_id)
        if fetch is None:
            raise DeadLetterObsolete(ObsoleteReason.LEAD_NOT_FOUND)
        if fetch.state is FetchState.PENDING:
            # One without an attempt was never tried, or an operator has retried it.
            is_old = fetch.first_attempt_at is None and fetch.attempts > 0
            if not is_old and _is_of_this_life(letter, fetch.first_attempt_at):
                raise DeadLetterKept(ErrorCode.IN_PROGRESS, "it is still being fetched")
        if fetch.state is not FetchState.FAILED:
            raise DeadLetterObsolete(ObsoleteReason.STATE_CHANGED)
        if fetch.restored_at is not None:
            raise DeadLetterKept(ErrorCode.NEEDS_CONFIRMATION, "it was restored, and may have been fetched since")
        self.fetches.apply(refetch(fetch, self.clock(), self.operator))

    def _record(self, letter: DeadLetter, owner: str) -> None:
        if letter.answer is None or letter.attempt is None:
            raise DeadLetterKept(ErrorCode.DEAD_LETTER_INVALID, "the letter carries no answer")
        now = self.clock()
        if letter.message_id:
            message = self.messages.message(owner, letter.message_id)
            if message is None:
                raise DeadLetterObsolete(ObsoleteReason.LEAD_NOT_FOUND)
            if letter.answer.get("outcome") != "sent":
                raise DeadLetterKept(ErrorCode.DEAD_LETTER_INVALID, "the letter carries no answer to a message")
            self.messages.apply(record_message_answer(message, letter.attempt, now, self.operator))
            return
        lead = self._lead(owner)
        delivery = self.leads.delivery(owner, letter.partner or "")
        if delivery is None:
            raise DeadLetterObsolete(ObsoleteReason.LEAD_NOT_FOUND)
        if letter.answer.get("outcome") == "sent":
            raise DeadLetterKept(ErrorCode.DEAD_LETTER_INVALID, "the letter carries no answer to a delivery")
        partner = self.partners.get(delivery.partner)
        change = record_delivery_answer(
            delivery,
            letter.answer,
            letter.attempt,
            now,
            self.operator,
            check_after=partner.check_after(timedelta()) if partner else None,
            fallback=lambda: next_partner(lead, delivery.partner, self.partners),
        )
        self.leads.apply(change)


def _is_of_this_life(letter: DeadLetter, began_at: datetime | None) -> bool:
    """Return whether a letter was written after what it names began or was retried; for None it always was."""
    return began_at is None or began_at.timestamp() * 1000 < letter.sent_at

"""Redrive a dead letter: retry the item that it names, or store the answer that it contains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from leadbridge.domain.clock import Clock
from leadbridge.domain.delivery import State
from leadbridge.domain.errors.error_codes import ErrorCode
from leadbridge.domain.errors.partner_answer import RECORD_ANSWER
from leadbridge.domain.fetch import FetchState, refetch
from leadbridge.domain.lead import Lead, find_missing_fields
from leadbridge.domain.message import UNSETTLED, MessageState
from leadbridge.domain.message_operator_steps import retry_message_by_operator
from leadbridge.domain.operator_steps import WrongState, retry_by_operator
from leadbridge.domain.routing.fallback import next_partner
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
    from leadbridge.storage.feedback.postbacks import PostbackRepository
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
    """Redrives our own dead letters for an operator."""

    leads: LeadRepository
    messages: MessageRepository
    fetches: FetchRepository
    postbacks: PostbackRepository
    partners: Mapping[str, Partner]
    operator: str
    clock: Clock

    def redrive(self, dead_letter: DeadLetter) -> None:
        """Redrive one dead letter.

        Raises DeadLetterKept if that is not possible, DeadLetterObsolete if there is nothing to do. A dead letter is
        written before its item becomes `failed`. So it is kept as long as its item is in progress.
        """
        if dead_letter.lead_id is None:
            raise DeadLetterKept(ErrorCode.DEAD_LETTER_INVALID, "the dead letter names no lead")
        owner = dead_letter.lead_id
        try:
            if dead_letter.step == RECORD_ANSWER:
                self._record(dead_letter, owner)
            elif dead_letter.message_id:
                self._send(owner, dead_letter.message_id)
            elif dead_letter.partner:
                self._deliver(owner, dead_letter.partner)
            elif dead_letter.step == "fetch":
                self._fetch(owner)
            elif dead_letter.event_id:
                self._tell(owner, dead_letter.event_id)
            else:
                raise DeadLetterKept(ErrorCode.DEAD_LETTER_INVALID, "it names no delivery, message, fetch or postback")
        except AlreadyLinked as linked:
            delivery = self.leads.delivery(owner, dead_letter.partner or "")
            if delivery is not None:
                contest_link_holder(self.leads, linked.lead_id, delivery, self.clock)
            raise self._kept(
                dead_letter,
                DeadLetterKept(
                    ErrorCode.ALREADY_LINKED,
                    f"the partner's id is linked to lead {linked.lead_id}",
                    {"lead_id": linked.lead_id},
                ),
            ) from None
        except (Conflict, Contended):
            raise DeadLetterKept(ErrorCode.CONCURRENT_CHANGE, "somebody else has changed it at this moment") from None
        except DeadLetterKept as kept:
            raise self._kept(dead_letter, kept) from None

    def _kept(self, dead_letter: DeadLetter, kept: DeadLetterKept) -> DeadLetterKept:
        """Add to the timeline why it is kept, if an operator can do something about it."""
        if kept.info.code in NOTED_CODES:
            detail = f"{dead_letter.step}: {kept}, redriven by {self.operator}"
            self._note(dead_letter, "dead_letter_kept", detail, kept.info.entry_data)
        return kept

    def note(self, dead_letter: DeadLetter, what: str) -> None:
        """Add to the timeline of the lead, if there is one, what the operator did."""
        self._note(dead_letter, what, f"{dead_letter.step}, by {self.operator}")

    def _note(self, dead_letter: DeadLetter, what: str, detail: str, error: Mapping[str, Any] | None = None) -> None:
        if dead_letter.lead_id is None or self.leads.lead(dead_letter.lead_id) is None:
            return
        about = {"step": dead_letter.step, "dead_letter_id": dead_letter.dead_letter_id, "operator": self.operator}
        entry = Entry(self.clock(), what, dead_letter.partner, detail, {**(error or {}), **about})
        self.leads.note(dead_letter.lead_id, entry, dead_letter.dead_letter_id)

    def _lead(self, lead_id: str) -> Lead:
        lead = self.leads.lead(lead_id)
        if lead is None:
            raise DeadLetterObsolete(ObsoleteReason.LEAD_NOT_FOUND)
        if lead.erased_at is not None:
            raise DeadLetterObsolete(ObsoleteReason.ERASED)
        return lead

    def _deliver(self, lead_id: str, partner: str) -> None:
        delivery, lead = self.leads.delivery(lead_id, partner), self._lead(lead_id)
        if delivery is None:
            raise DeadLetterObsolete(ObsoleteReason.LEAD_NOT_FOUND)
        if delivery.state in {State.RECEIVED, State.SUBMITTING}:
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

    def _send(self, owner: str, message_id: str) -> None:
        others = self.messages.messages(owner)
        message = next((one for one in others if one.message_id == message_id), None)
        if message is None:
            raise DeadLetterObsolete(ObsoleteReason.LEAD_NOT_FOUND)
        if message.state in UNSETTLED:
            raise DeadLetterKept(ErrorCode.IN_PROGRESS, "it is still being sent")
        if message.state is MessageState.UNKNOWN:
            raise DeadLetterKept(ErrorCode.OUTCOME_UNKNOWN, "the person may have the message")
        if message.state is not MessageState.FAILED:
            raise DeadLetterObsolete(ObsoleteReason.STATE_CHANGED)
        after = self.messages.apply(retry_message_by_operator(message, self.clock(), self.operator, others=others))
        if after.state is MessageState.SKIPPED:
            raise DeadLetterObsolete(ObsoleteReason.SUPERSEDED)

    def _fetch(self, lead_id: str) -> None:
        fetch = self.fetches.fetch(lead_id)
        if fetch is None:
            raise DeadLetterObsolete(ObsoleteReason.LEAD_NOT_FOUND)
        if fetch.state is FetchState.PENDING:
            raise DeadLetterKept(ErrorCode.IN_PROGRESS, "it is still being fetched")
        if fetch.state is not FetchState.FAILED:
            raise DeadLetterObsolete(ObsoleteReason.STATE_CHANGED)
        if fetch.restored_at is not None:
            raise DeadLetterKept(ErrorCode.NEEDS_CONFIRMATION, "it was restored, and may have been fetched since")
        self.fetches.apply(refetch(fetch, self.clock(), self.operator))

    def _tell(self, lead_id: str, event_id: str) -> None:
        from leadbridge.domain.feedback.postback import skip_superseded
        from leadbridge.domain.feedback.states import PostbackState
        from leadbridge.services.feedback.resend import resend_change

        self._lead(lead_id)
        postbacks = self.postbacks.postbacks(lead_id)
        postback = next((one for one in postbacks if one.event_id == event_id), None)
        if postback is None:
            raise DeadLetterObsolete(ObsoleteReason.LEAD_NOT_FOUND)
        if postback.is_unsettled:
            raise DeadLetterKept(ErrorCode.IN_PROGRESS, "it is still being sent")
        if postback.state is not PostbackState.FAILED:
            raise DeadLetterObsolete(ObsoleteReason.STATE_CHANGED)
        try:
            change = resend_change(postbacks, event_id, self.clock(), self.operator, is_confirmed=False)
        except WrongState:
            self.postbacks.apply(skip_superseded(postback, self.clock(), self.operator))
            raise DeadLetterObsolete(ObsoleteReason.SUPERSEDED) from None
        self.postbacks.apply(change)

    def _record(self, dead_letter: DeadLetter, owner: str) -> None:
        if dead_letter.answer is None or dead_letter.attempt is None:
            raise DeadLetterKept(ErrorCode.DEAD_LETTER_INVALID, "the dead letter contains no answer")
        now = self.clock()
        if dead_letter.message_id:
            message = self.messages.message(owner, dead_letter.message_id)
            if message is None:
                raise DeadLetterObsolete(ObsoleteReason.LEAD_NOT_FOUND)
            if dead_letter.answer.get("outcome") != "sent":
                raise DeadLetterKept(ErrorCode.DEAD_LETTER_INVALID, "the dead letter contains no answer to a message")
            self.messages.apply(record_message_answer(message, dead_letter.attempt, now, self.operator))
            return
        lead = self._lead(owner)
        delivery = self.leads.delivery(owner, dead_letter.partner or "")
        if delivery is None:
            raise DeadLetterObsolete(ObsoleteReason.LEAD_NOT_FOUND)
        if dead_letter.answer.get("outcome") == "sent":
            raise DeadLetterKept(ErrorCode.DEAD_LETTER_INVALID, "the dead letter contains no answer to a delivery")
        partner = self.partners.get(delivery.partner)
        change = record_delivery_answer(
            delivery,
            dead_letter.answer,
            dead_letter.attempt,
            now,
            self.operator,
            is_followed=partner is not None and partner.is_followed,
            find_fallback=lambda outcome: next_partner(lead, delivery.partner, outcome, self.partners),
        )
        self.leads.apply(change)

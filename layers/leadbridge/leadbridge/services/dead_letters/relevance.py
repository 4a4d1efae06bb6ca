"""Whether a dead letter still needs a person, by the item that it names.

A letter whose lead has moved on is obsolete: its delivery was retried, settled or sent since, or its person was erased.
One whose item does not exist is kept: the table may have been restored to an earlier moment.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from leadbridge.domain.delivery import Delivery, State
from leadbridge.domain.errors.partner_answer import RECORD_ANSWER
from leadbridge.domain.feedback.states import PostbackState
from leadbridge.domain.fetch import Fetch, FetchState
from leadbridge.domain.message import UNSETTLED, Message, MessageState
from leadbridge.services.dead_letters.record_answer import is_recorded

if TYPE_CHECKING:
    from leadbridge.domain.feedback.postback import Postback
    from leadbridge.domain.inbox.subject import LetterSubject
    from leadbridge.services.dead_letters.queues import DeadLetter

UNDELIVERED = frozenset({State.RECEIVED, State.SUBMITTING})
IN_NEED = frozenset({State.FAILED, State.UNKNOWN})


class Relevance(StrEnum):
    """What a dead letter is to the inbox."""

    OBSOLETE = "obsolete"  # it needs no one any more
    SHOWN = "shown"  # the state of its delivery or fetch shows the trouble
    OWN = "own"  # nothing else shows the trouble


def find_relevance(letter: DeadLetter, subject: LetterSubject) -> Relevance:
    """Return whether a dead letter needs a person, and whether its item shows that."""
    if letter.lead_id is None:
        return Relevance.OWN
    if subject.is_erased:
        return Relevance.OBSOLETE
    if subject.item is None:
        return Relevance.OWN
    if letter.step == RECORD_ANSWER:
        return _of_answer(letter, subject.item)
    if letter.destination is not None or letter.step == "check":
        return _own(_is_in_work(letter, subject.item))
    match subject.item:
        case Delivery() as delivery:
            is_open = delivery.state in UNDELIVERED | IN_NEED and was_sent_after(letter, delivery.retried_at)
            return Relevance.SHOWN if is_open else Relevance.OBSOLETE
        case Fetch() as fetch:
            was_retried = fetch.first_attempt_at is None and fetch.attempts > 0
            is_current = not was_retried and was_sent_after(letter, fetch.first_attempt_at)
            is_open = is_current and fetch.state in {FetchState.PENDING, FetchState.FAILED}
            return Relevance.SHOWN if is_open else Relevance.OBSOLETE
        case Message() as message:
            is_open = message.state in UNSETTLED | {MessageState.FAILED, MessageState.UNKNOWN}
            return _own(is_open and was_sent_after(letter, message.retried_at))
        case postback:
            is_open = postback.is_unsettled or postback.state is PostbackState.FAILED
            return _own(is_open and was_sent_after(letter, postback.resent_at))


def was_sent_after(letter: DeadLetter, moment: datetime | None) -> bool:
    """Return whether a dead letter was written after its item started or was retried; always true for None."""
    return moment is None or moment.timestamp() * 1000 < letter.sent_at


def _is_in_work(letter: DeadLetter, item: Delivery | Fetch | Message | Postback) -> bool:
    """Return whether the work of a message is still to be done: its worker has failed, or AWS could not deliver it."""
    match item:
        case Delivery() if letter.step == "check":
            return item.state is not State.CLOSED
        case Delivery():
            return item.state in UNDELIVERED
        case Fetch():
            return item.state is FetchState.PENDING
        case Message():
            return item.state in UNSETTLED
    return item.is_unsettled


def _own(is_open: bool) -> Relevance:
    return Relevance.OWN if is_open else Relevance.OBSOLETE


def _of_answer(letter: DeadLetter, item: Delivery | Fetch | Message | Postback) -> Relevance:
    """Return the relevance of a dead letter with an answer. One that contradicts the state is left to a person."""
    answer = letter.answer or {}
    match item:
        case Delivery():
            created = answer.get("deal_id") or answer.get("account_uuid")
            return _own(letter.answer is None or not is_recorded(item, answer.get("outcome"), created))
        case Message():
            return _own(item.state is not MessageState.SENT)
    return Relevance.OWN

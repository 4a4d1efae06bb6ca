"""Whether a dead letter still needs a person, by the item that it names.

A letter whose lead has moved on is obsolete: its delivery was settled or sent since, or its person was erased. Of
several letters about the failure of one item, only the newest is needed. A letter is written before its item becomes
`failed`, so the letter of an item in progress is never obsolete: no time of another clock decides on a deletion.
One whose item does not exist is kept: the table may have been restored to an earlier moment.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from leadbridge.domain.delivery import Delivery, State
from leadbridge.domain.errors.partner_answer import RECORD_ANSWER
from leadbridge.domain.feedback.states import PostbackState
from leadbridge.domain.fetch import Fetch, FetchState
from leadbridge.domain.message import UNSETTLED, Message, MessageState
from leadbridge.services.dead_letters.record_answer import is_recorded

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    RETRIED = "retried"  # its item is tried again; the result decides


def find_superseded(letters: Sequence[DeadLetter]) -> set[str]:
    """Return the ids of the dead letters about the failure of an item of which a newer one is among them, too."""
    newest: dict[tuple[str, str], DeadLetter] = {}
    superseded = set()
    for letter in sorted(letters, key=lambda one: (one.sent_at, one.dead_letter_id)):
        if letter.lead_id is None or not _is_of_failure(letter):
            continue
        item = (letter.lead_id, letter.message_id or letter.event_id or letter.partner or letter.step)
        if item in newest:
            superseded.add(newest[item].dead_letter_id)
        newest[item] = letter
    return superseded


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
    if not _is_of_failure(letter):
        return _own(_is_in_work(letter, subject.item))
    if _is_retried(letter, subject.item):
        return Relevance.RETRIED
    match subject.item:
        case Delivery() as delivery:
            return Relevance.SHOWN if delivery.state in UNDELIVERED | IN_NEED else Relevance.OBSOLETE
        case Fetch() as fetch:
            is_open = fetch.state in {FetchState.PENDING, FetchState.FAILED}
            return Relevance.SHOWN if is_open else Relevance.OBSOLETE
        case Message() as message:
            return _own(message.state in UNSETTLED | {MessageState.FAILED, MessageState.UNKNOWN})
        case postback:
            return _own(postback.is_unsettled or postback.state is PostbackState.FAILED)


def _is_retried(letter: DeadLetter, item: Delivery | Fetch | Message | Postback) -> bool:
    """Return whether an item is in progress again since its letter was written.

    The clocks differ by some milliseconds, so this decides only on what is shown.
    """
    match item:
        case Delivery():
            is_in_progress, since = item.state in UNDELIVERED, item.retried_at
        case Fetch():
            if item.first_attempt_at is None and item.attempts > 0:  # an operator has retried it
                return item.state is FetchState.PENDING
            is_in_progress, since = item.state is FetchState.PENDING, item.first_attempt_at
        case Message():
            is_in_progress, since = item.state in UNSETTLED, item.retried_at
        case _:
            is_in_progress, since = item.is_unsettled, item.resent_at
    return is_in_progress and since is not None and since.timestamp() * 1000 >= letter.sent_at


def _is_of_failure(letter: DeadLetter) -> bool:
    """Return whether a worker wrote the letter because it gave up an item."""
    return letter.destination is None and letter.step not in {"check", RECORD_ANSWER}


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

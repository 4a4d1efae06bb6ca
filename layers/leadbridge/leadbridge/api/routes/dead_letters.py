"""Dead-letter queues: list, redrive, discard."""

from __future__ import annotations

from typing import NotRequired, TypedDict

from leadbridge.api.requests import ApiRequest, Body, Id
from leadbridge.api.response_size import first_that_fit
from leadbridge.api.router import route
from leadbridge.api.schemas import Count, Data, StoredErrorCode
from leadbridge.domain.errors.error_codes import ErrorCode
from leadbridge.runtime.logs import count, logger
from leadbridge.services.dead_letters.queues import CurrentLetter
from leadbridge.services.dead_letters.record_answer import ObsoleteReason
from leadbridge.services.inbox.read_inbox import trouble_of


class RedriveRequest(Body):
    """One dead letter; without an id, up to a hundred."""

    dead_letter_id: Id | None = None


class DiscardRequest(Body):
    """The dead letter to discard."""

    dead_letter_id: Id


class DeadLetterView(TypedDict):
    """A dead letter; `sent_at` in Unix milliseconds. `lead_ids` are the leads of a batch of status checks.

    `group` is the key of its group in the inbox; null if the state of its delivery shows the trouble.
    """

    queue: str
    dead_letter_id: str
    group: str | None
    sent_at: int
    step: str
    reason: str
    lead_id: str | None
    lead_ids: list[str]
    partner: str | None
    message_id: str | None
    destination: str | None
    answer: Data | None
    attempt: int | None
    reason_code: StoredErrorCode | None
    reason_data: Data


class DeadLettersView(TypedDict):
    """The dead letters, oldest first. `left_out` counts those that do not fit into the response."""

    dead_letters: list[DeadLetterView]
    left_out: NotRequired[Count]


class DiscardedView(TypedDict):
    """The number of discarded dead letters."""

    discarded: Count


class KeptView(TypedDict):
    """A dead letter that stays in its queue, and the reason."""

    dead_letter_id: str
    code: ErrorCode


class ObsoleteView(TypedDict):
    """A dead letter that was removed because it is obsolete, and the reason."""

    dead_letter_id: str
    code: ObsoleteReason


class RedrivenView(TypedDict):
    """The number of redriven dead letters, those kept in the queue, and those removed because they are obsolete."""

    redriven: Count
    kept: list[KeptView]
    obsolete: list[ObsoleteView]


@route("GET", "/dead-letters")
def list_dead_letters(request: ApiRequest) -> DeadLettersView:
    """List the messages that failed permanently. Those whose lead has moved on since are deleted first."""
    dead_letters = [dead_letter_view(one) for one in request.resources.dead_letters().current()]
    fitting = first_that_fit(dead_letters)
    view: DeadLettersView = {"dead_letters": fitting}
    if len(fitting) < len(dead_letters):
        view["left_out"] = len(dead_letters) - len(fitting)
    return view


@route("POST", "/dead-letters/{queue}/redrive")
def redrive_dead_letters(request: ApiRequest, body: RedriveRequest) -> RedrivenView:
    """Redrive one dead letter of a queue, or up to a hundred."""
    queue = request.path["queue"]
    done = request.resources.dead_letters(request.operator).redrive(
        queue, None if body.dead_letter_id is None else {body.dead_letter_id}
    )
    count("DeadLettersHandled", done.redriven)
    count("DeadLettersKept", len(done.kept))
    logger.info(
        "dead letters redriven",
        queue=queue,
        redriven=done.redriven,
        kept=len(done.kept),
        obsolete=len(done.obsolete),
        operator=request.operator,
    )
    return {
        "redriven": done.redriven,
        "kept": [{"dead_letter_id": dead_letter_id, "code": code} for dead_letter_id, code in done.kept.items()],
        "obsolete": [
            {"dead_letter_id": dead_letter_id, "code": code} for dead_letter_id, code in done.obsolete.items()
        ],
    }


@route("POST", "/dead-letters/{queue}/discard")
def discard_dead_letter(request: ApiRequest, body: DiscardRequest) -> DiscardedView:
    """Discard one dead letter."""
    queue = request.path["queue"]
    discarded = request.resources.dead_letters(request.operator).discard(queue, body.dead_letter_id)
    count("DeadLettersHandled", discarded)
    logger.info("dead letters discarded", queue=queue, discarded=discarded, operator=request.operator)
    return {"discarded": discarded}


def dead_letter_view(current: CurrentLetter) -> DeadLetterView:
    """Return a dead letter without its body and receipt handle."""
    letter = current.letter
    return {
        "queue": letter.queue,
        "dead_letter_id": letter.dead_letter_id,
        "group": None if current.is_shown else trouble_of(letter).group_key,
        "sent_at": letter.sent_at,
        "step": letter.step,
        "reason": letter.reason,
        "lead_id": letter.lead_id,
        "lead_ids": list(letter.lead_ids),
        "partner": letter.partner,
        "message_id": letter.message_id,
        "destination": letter.destination,
        "answer": letter.answer,
        "attempt": letter.attempt,
        "reason_code": letter.reason_code,
        "reason_data": letter.reason_data,
    }

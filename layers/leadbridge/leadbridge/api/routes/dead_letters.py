"""The dead-letter queues: list, redrive, discard."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, NotRequired, TypedDict

from pydantic import Field

from leadbridge.api.requests import ApiRequest, Body, Id
from leadbridge.api.response_size import first_that_fit
from leadbridge.api.router import route
from leadbridge.api.schemas import Count, Data, StoredErrorCode
from leadbridge.runtime.logs import count, logger
from leadbridge.services.dead_letters import DeadLetter, SkippedDeadLetter

CODES = (
    *(
        "already_linked",
        "attempt_mismatch",
        "concurrent_change",
        "erased",
        "in_progress",
        "lead_not_found",
        "may_be_ours",
    ),
    *("missing_fields", "state_changed", "needs_confirmation", "outcome_unknown", "recorded", "replaced"),
    *("state_conflict", "superseded", "dead_letter_invalid"),
)


class RedriveRequest(Body):
    """One letter, or as many as one call takes."""

    dead_letter_id: Id | None = None


class DiscardRequest(Body):
    """The letter to discard."""

    dead_letter_id: Id


class DeadLetterView(TypedDict):
    """A dead letter; `sent_at` in Unix milliseconds."""

    queue: str
    dead_letter_id: str
    sent_at: int
    step: str
    reason: str
    lead_id: str | None
    partner: str | None
    message_id: str | None
    goes_to: str | None
    answer: Data | None
    attempt: int | None
    reason_code: StoredErrorCode | None
    reason_data: Data


class LettersView(TypedDict):
    """The dead letters, oldest first. `left_out` counts those that do not fit into the response."""

    letters: list[DeadLetterView]
    left_out: NotRequired[Count]


class LettersDiscardedView(TypedDict):
    """The number of letters that were discarded."""

    letters: Count


class LeftOverView(TypedDict):
    """A letter that was not put back, and why."""

    dead_letter_id: str
    code: Annotated[str, Field(json_schema_extra={"enum": list(CODES)})]


class LettersRedrivenView(TypedDict):
    """How many letters were put back; which stay in the queue; which were removed because they are obsolete."""

    letters: Count
    kept: list[LeftOverView]
    obsolete: list[LeftOverView]


@route("GET", "/dead-letters")
def list_letters(request: ApiRequest) -> LettersView:
    """List what failed permanently and waits for an operator."""
    letters = [letter_view(letter) for letter in request.resources.dead_letters().all()]
    fitting = first_that_fit(letters)
    view: LettersView = {"letters": fitting}
    if len(fitting) < len(letters):
        view["left_out"] = len(letters) - len(fitting)
    return view


@route("POST", "/dead-letters/{queue}/redrive")
def redrive_letters(request: ApiRequest, body: RedriveRequest) -> LettersRedrivenView:
    """Put one letter of a queue back, or up to a hundred. The answer names those that stay or are removed."""
    queue = request.path["queue"]
    done = request.resources.dead_letters(request.operator).redrive(queue, body.dead_letter_id)
    count("DeadLettersHandled", done.letters)
    count("DeadLettersKept", len(done.kept))
    logger.info(
        "letters redriven",
        queue=queue,
        letters=done.letters,
        kept=len(done.kept),
        obsolete=len(done.obsolete),
        operator=request.operator,
    )
    return {"letters": done.letters, "kept": left_over_view(done.kept), "obsolete": left_over_view(done.obsolete)}


@route("POST", "/dead-letters/{queue}/discard")
def discard_letter(request: ApiRequest, body: DiscardRequest) -> LettersDiscardedView:
    """Discard one letter."""
    queue = request.path["queue"]
    letters = request.resources.dead_letters(request.operator).discard(queue, body.dead_letter_id)
    count("DeadLettersHandled", letters)
    logger.info("letters discarded", queue=queue, letters=letters, operator=request.operator)
    return {"letters": letters}


def letter_view(letter: DeadLetter) -> DeadLetterView:
    """Return a dead letter without its body and its receipt."""
    return {
        "queue": letter.queue,
        "dead_letter_id": letter.dead_letter_id,
        "sent_at": letter.sent_at,
        "step": letter.step,
        "reason": letter.reason,
        "lead_id": letter.lead_id,
        "partner": letter.partner,
        "message_id": letter.message_id,
        "goes_to": letter.goes_to,
        "answer": letter.answer,
        "attempt": letter.attempt,
        "reason_code": letter.reason_code,
        "reason_data": letter.reason_data,
    }


def left_over_view(letters: Sequence[SkippedDeadLetter]) -> list[LeftOverView]:
    """Return the letters that were not put back."""
    return [{"dead_letter_id": letter.dead_letter_id, "code": letter.code} for letter in letters]

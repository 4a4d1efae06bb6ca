"""The one mapping of exceptions to problems."""

from __future__ import annotations

from leadbridge.api.params import invalid_query, unknown_lead, unknown_queue
from leadbridge.api.problems import Problem, busy, internal, not_ready
from leadbridge.runtime.aws_errors import is_transient
from leadbridge.runtime.logs import logger

PARTNER_RETRY_AFTER = 30  # seconds, if the partner sends no Retry-After


def problem_for(error: Exception) -> Problem:
    """Return the problem for an exception of a route. Log faults of this stack and of partners.

    A write that AWS did not accept in time (Contended) is `busy`, like all transient errors. The exceptions are
    imported here because most requests raise none.
    """
    if isinstance(error, Problem):
        return error
    from leadbridge.domain.errors.partner_errors import PartnerError
    from leadbridge.domain.errors.secret_errors import SecretMissing
    from leadbridge.domain.operator_steps import ConfirmationRequired, SubmissionInProgress, WrongState
    from leadbridge.domain.transitions import AlreadyLinked, Conflict
    from leadbridge.services.correct_lead import UnknownLead
    from leadbridge.services.dead_letters.queues import UnknownQueue
    from leadbridge.storage.erasure.eraser import LeadNotFound
    from leadbridge.storage.queries.lead_list import InvalidCursor
    from leadbridge.storage.statistics.counters import TooManyCounters

    match error:
        case InvalidCursor():
            return invalid_query("The cursor does not belong to this list.")
        case TooManyCounters():
            return invalid_query("There is too much to count. Request fewer days.")
        case LeadNotFound() | UnknownLead():
            return unknown_lead()
        case UnknownQueue():
            return unknown_queue()
        case WrongState():
            return wrong_state(str(error), needs_confirmation=isinstance(error, ConfirmationRequired))
        case SubmissionInProgress():
            detail = "A worker is processing the lead. Please try again in a minute."
            return Problem(409, "in-progress", "In progress", detail)
        case AlreadyLinked():
            detail = f"The partner's id is linked to lead {error.lead_id}. Nothing was stored."
            return Problem(409, "already-linked", "Already linked", detail, members={"lead_id": error.lead_id})
        case Conflict():
            detail = "Another request or worker changed it at the same time. Nothing was stored. Load it again."
            return Problem(409, "conflict", "Conflict", detail)
        case PartnerError():
            logger.warning("the partner could not confirm an id", reason=error.text)
            detail = "The partner is unavailable. Nothing was stored. Please try again later."
            wait = max(1, round(error.retry_after or PARTNER_RETRY_AFTER))
            return Problem(503, "partner-unavailable", "Partner unavailable", detail, retry_after=wait)
        case SecretMissing():
            logger.warning("a secret has no usable value", exc_info=error)
            return not_ready("A secret has no usable value. Please try again.")
        case _:
            logger.error("the request failed", exc_info=error)
            return busy() if is_transient(error) else internal()


def wrong_state(detail: str, *, needs_confirmation: bool = False) -> Problem:
    """Return the problem for a lead, a delivery or a message whose state does not allow the request.

    `needs_confirmation`: it allows the request with `confirm`.
    """
    if needs_confirmation:
        return Problem(409, "needs-confirmation", "Needs confirmation", detail)
    return Problem(409, "wrong-state", "Wrong state", detail)


def erased_lead() -> Problem:
    """Return the problem for a lead whose person was erased."""
    return wrong_state("The person was erased.")

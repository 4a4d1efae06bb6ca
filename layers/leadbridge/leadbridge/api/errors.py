"""Which problem an exception is answered with: the only table of this."""

from __future__ import annotations

from leadbridge.api.params import bad_query, unknown_lead, unknown_queue
from leadbridge.api.problems import Problem, busy, internal, not_ready
from leadbridge.runtime.aws_errors import is_transient
from leadbridge.runtime.logs import logger

PARTNER_RETRY_AFTER = 30  # seconds, if the partner sends no Retry-After


def problem_for(error: Exception) -> Problem:
    """Return the problem for an exception of a route. Log faults of this stack and of partners.

    The modules that raise them are imported here: most requests end without an exception.
    """
    if isinstance(error, Problem):
        return error
    from leadbridge.domain.errors.partner_errors import PartnerError
    from leadbridge.domain.errors.secret_errors import SecretMissing
    from leadbridge.domain.operator_steps import SubmissionInProgress, WrongState
    from leadbridge.domain.transitions import AlreadyLinked, Conflict
    from leadbridge.services.dead_letters import UnknownQueue
    from leadbridge.storage.erasure.eraser import LeadNotFound
    from leadbridge.storage.queries.daily_stats import TooManyLeads
    from leadbridge.storage.queries.lead_list import InvalidCursor

    match error:
        case InvalidCursor():
            return bad_query("The cursor does not belong to this list.")
        case TooManyLeads():
            return bad_query("There is too much to count. Ask for fewer days.")
        case LeadNotFound():
            return unknown_lead()
        case UnknownQueue():
            return unknown_queue()
        case WrongState():
            return wrong_state(str(error))
        case SubmissionInProgress():
            detail = "The lead is being worked on at this moment. Please try again in a minute."
            return Problem(409, "busy", "Busy", detail)
        case AlreadyLinked():
            detail = f"Lead {error.lead_id} has this at the partner already. Nothing was stored."
            return Problem(409, "already-tied", "Already tied", detail, members={"lead_id": error.lead_id})
        case Conflict():
            detail = "Somebody else has changed it meanwhile. Look at it again."
            return Problem(409, "changed-meanwhile", "Changed meanwhile", detail)
        case PartnerError():
            logger.warning("a partner's id could not be confirmed", reason=error.text)
            detail = "The partner cannot be asked about this at the moment. Nothing was stored. Please try again later."
            wait = max(1, round(error.retry_after or PARTNER_RETRY_AFTER))
            return Problem(503, "partner-unavailable", "Partner unavailable", detail, retry_after=wait)
        case SecretMissing():
            logger.warning("a secret has no usable value", exc_info=error)
            return not_ready("A secret has no usable value. Please try again.")
        case _:
            logger.error("could not answer", exc_info=error)
            return busy() if is_transient(error) else internal()


def wrong_state(detail: str) -> Problem:
    """Return the problem for a lead, a delivery or a message whose state does not allow the request."""
    return Problem(409, "wrong-state", "Wrong state", detail)


def erased_lead() -> Problem:
    """Return the problem for a lead whose person was erased."""
    return wrong_state("The person was erased.")

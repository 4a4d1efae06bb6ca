"""The operators' API settles deliveries: outcomes and errors as problem details."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from leadbridge.api.problems import FieldError, Problem
from leadbridge.api.requests import ResolveRequest
from leadbridge.domain import partner_errors
from leadbridge.domain.clock import utc_now
from leadbridge.domain.delivery import Delivery
from leadbridge.domain.lead import Lead
from leadbridge.domain.operator_steps import WrongState
from leadbridge.domain.transitions import AlreadyLinked, Conflict
from leadbridge.runtime.aws_errors import Contended
from leadbridge.runtime.budget import Budget
from leadbridge.runtime.logs import logger
from leadbridge.settings import settings
from leadbridge.storage.leads import LeadRepository

if TYPE_CHECKING:
    from leadbridge.services.resolve_delivery import Register

RETRY_AFTER = 30  # seconds, if the partner sends no Retry-After


def resolved(
    store: LeadRepository,
    register: Callable[[str], Register],
    delivery: Delivery,
    lead: Lead,
    asked: ResolveRequest,
    operator: str,
    budget: Budget,
) -> Delivery:
    """Settle, correct or withdraw; return the delivery after the change.

    `register` returns, by a partner's name, what confirms its ids. Raises Problem.
    """
    from leadbridge.services.resolve_delivery import NotKnown, Resolver, WrongKind

    configured = settings()
    resolver = Resolver(store, configured.partners, register, utc_now, configured.messages.mirror.on)
    field = "deal_id" if asked.deal_id is not None else "account_uuid"
    try:
        after = resolver.resolve(delivery, lead, asked, operator, budget)
    except WrongKind:
        error = FieldError(field, "is not what this partner has")
        raise Problem(422, "invalid-request", "Invalid request", "This partner has no such thing.", (error,)) from None
    except NotKnown:
        error = FieldError(field, "is not known to the partner")
        detail = "The partner does not know this for the lead. Nothing was stored."
        raise Problem(422, "not-known-to-partner", "Not known to the partner", detail, (error,)) from None
    except partner_errors.PartnerError as failed:
        logger.warning("could not ask", lead_id=delivery.lead_id, partner=delivery.partner, reason=failed.text)
        detail = "The partner cannot be asked about this at the moment. Nothing was stored. Please try again later."
        wait = max(1, round(failed.retry_after or RETRY_AFTER))
        raise Problem(503, "partner-unavailable", "Partner unavailable", detail, retry_after=wait) from None
    except (WrongState, Conflict, Contended) as refused:
        raise not_changed(refused) from None
    logger.info("resolved", lead_id=after.lead_id, partner=after.partner, state=after.state, operator=operator)
    return after


def not_changed(refused: WrongState | Conflict | Contended) -> Problem:
    """Return the problem that says why a delivery was not changed."""
    match refused:
        case WrongState():
            return Problem(409, "wrong-state", "Wrong state", str(refused))
        case AlreadyLinked():
            detail = f"Lead {refused.lead_id} has this at the partner already. Nothing was stored."
            return Problem(409, "already-tied", "Already tied", detail, members={"lead_id": refused.lead_id})
        case _:
            detail = "Somebody else has changed it meanwhile. Look at it again."
            return Problem(409, "changed-meanwhile", "Changed meanwhile", detail)

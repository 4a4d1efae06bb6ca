"""Retry the fetch of a lead without its dead letter."""

from __future__ import annotations

from pydantic import StrictBool

from leadbridge.api.errors import wrong_state
from leadbridge.api.lookup import find_lead
from leadbridge.api.requests import ApiRequest, Body
from leadbridge.api.router import route
from leadbridge.api.schemas import FetchView, fetch_view
from leadbridge.domain.clock import utc_now
from leadbridge.domain.fetch import FetchState, refetch
from leadbridge.domain.operator_steps import ConfirmationRequired
from leadbridge.runtime.logs import logger


class RetryRequest(Body):
    """`confirm`: retry although the partner may get the lead twice."""

    confirm: StrictBool = False


@route("POST", "/leads/{lead_id}/fetch/retry", status=202, problems=(409,))
def retry_fetch(request: ApiRequest, body: RetryRequest) -> FetchView:
    """Retry the failed fetch of a lead."""
    lead = find_lead(request, request.path["lead_id"])
    fetches = request.resources.fetches
    fetch = fetches.fetch(lead.lead_id)
    if fetch is None or fetch.state is not FetchState.FAILED:
        state = "missing" if fetch is None else fetch.state.value
        raise wrong_state(f"The fetch is {state}. Only a failed fetch can be retried.")
    if fetch.restored_at is not None and not body.confirm:
        raise ConfirmationRequired(
            "The fetch was restored, and the lead may have been delivered since. Send confirm to fetch it."
        )
    after = fetches.apply(refetch(fetch, utc_now(), request.operator))
    logger.info("fetch retried", lead_id=lead.lead_id, operator=request.operator)
    return fetch_view(after)

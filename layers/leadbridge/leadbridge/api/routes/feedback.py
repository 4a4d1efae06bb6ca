"""Send a postback to a tracker again."""

from __future__ import annotations

from pydantic import StrictBool

from leadbridge.api.lookup import find_lead
from leadbridge.api.params import unknown_postback
from leadbridge.api.requests import ApiRequest, Body
from leadbridge.api.router import route
from leadbridge.api.schemas import PostbackView, postback_view
from leadbridge.domain.clock import utc_now
from leadbridge.runtime.logs import logger


class ResendRequest(Body):
    """`confirm`: send it although the tracker has accepted it, or a newer one."""

    confirm: StrictBool = False


@route("POST", "/leads/{lead_id}/feedback/{event_id}/resend", status=202, problems=(409,))
def resend_postback(request: ApiRequest, body: ResendRequest) -> PostbackView:
    """Send a postback again that failed, was skipped or was accepted. Its event id stays the same."""
    from leadbridge.services.feedback.resend import UnknownPostback, resend_change

    lead, event_id = find_lead(request, request.path["lead_id"]), request.path["event_id"]
    postbacks = request.resources.postbacks
    try:
        change = resend_change(
            postbacks.postbacks(lead.lead_id), event_id, utc_now(), request.operator, is_confirmed=body.confirm
        )
    except UnknownPostback:
        raise unknown_postback() from None
    after = postbacks.apply(change)
    logger.info("postback resent", lead_id=lead.lead_id, event_id=event_id, operator=request.operator)
    return postback_view(after)

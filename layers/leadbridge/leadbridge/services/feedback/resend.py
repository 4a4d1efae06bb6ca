"""Send a postback again for an operator."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from leadbridge.domain.feedback.postback import Postback, PostbackChange, resend_by_operator
from leadbridge.domain.feedback.states import PostbackState
from leadbridge.domain.message import sort_for_sending
from leadbridge.domain.operator_steps import WrongState

MAX_RECHECKS = 3  # newer postbacks that check the order again; the others wait for these
CONFIRMABLE = "Confirm to send it again with the same event id."


class UnknownPostback(LookupError):
    """The lead has no postback with this event id."""


def resend_change(
    postbacks: Sequence[Postback], event_id: str, now: datetime, operator: str, *, is_confirmed: bool
) -> PostbackChange:
    """Return the change that sends a postback again. `postbacks` are all of its lead.

    Raises UnknownPostback, and WrongState while it is being sent, or if the tracker has accepted it or a newer one and
    the operator has not confirmed.
    """
    postback = next((one for one in postbacks if one.event_id == event_id), None)
    if postback is None:
        raise UnknownPostback(event_id)
    if postback.is_unsettled:
        raise WrongState("The postback is still being sent.")
    in_order = sort_for_sending(one for one in postbacks if one.group == postback.group)
    newer = in_order[in_order.index(postback) + 1 :]
    if not is_confirmed and postback.state is PostbackState.ACCEPTED:
        raise WrongState(f"The tracker has accepted the postback. {CONFIRMABLE}")
    if not is_confirmed and any(one.state is PostbackState.ACCEPTED for one in newer):
        raise WrongState(f"The tracker has accepted a newer postback. {CONFIRMABLE}")
    pending = [one for one in newer if one.state is PostbackState.PENDING]
    return resend_by_operator(postback, now, operator, pending[:MAX_RECHECKS], is_confirmed=is_confirmed)

"""Send a postback again for an operator."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from leadbridge.domain.feedback.postback import Postback, PostbackChange, resend_by_operator
from leadbridge.domain.feedback.states import PostbackState
from leadbridge.domain.message import is_about_later_version
from leadbridge.domain.operator_steps import WrongState

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
    same = [one for one in postbacks if one.group == postback.group and one.event_id != event_id]
    if not is_confirmed and postback.state is PostbackState.ACCEPTED:
        raise WrongState(f"The tracker has accepted the postback. {CONFIRMABLE}")
    if not is_confirmed and any(
        one.state is PostbackState.ACCEPTED and is_about_later_version(one, postback) for one in same
    ):
        raise WrongState(f"The tracker has accepted a newer postback. {CONFIRMABLE}")
    pending = [one for one in same if one.state is PostbackState.PENDING]
    return resend_by_operator(postback, now, operator, pending, is_confirmed=is_confirmed)

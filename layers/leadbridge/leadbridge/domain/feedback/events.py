"""The event about a postback on the bus. Only what works with feedback imports it."""

from __future__ import annotations

from leadbridge.domain.events import BusEvent, read_event
from leadbridge.domain.feedback.postback import Postback
from leadbridge.domain.feedback.states import PostbackState


class PostbackChanged(BusEvent):
    """A postback was created or changed. `retry_scheduled`: the queue already contains its next attempt."""

    detail_type = "PostbackChanged"
    lead_id: str
    event_id: str
    version: int
    state: PostbackState
    retry_scheduled: bool

    @classmethod
    def of(cls, postback: Postback) -> PostbackChanged:
        """Return the event for a postback."""
        return cls(
            lead_id=postback.lead_id,
            event_id=postback.event_id,
            version=postback.version,
            state=postback.state,
            retry_scheduled=postback.next_attempt_at is not None,
        )


def read_postback_changed(envelope: object) -> PostbackChanged:
    """Read the event in a bus envelope. Raises InvalidEvent."""
    return read_event(PostbackChanged, envelope)

"""From the table's stream to the bus: which records are announcements, and how they are published."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from leadbridge.domain.events import (
    SOURCE,
    DeliveryChanged,
    Event,
    FetchChanged,
    LeadIncomplete,
    LeadReceived,
    MessageChanged,
)
from leadbridge.runtime.aws_errors import TRANSIENT, code_of, is_transient
from leadbridge.storage import items
from leadbridge.storage.fetches import fetch_of
from leadbridge.storage.messages import message_of

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient

MAX_EVENTS_PER_CALL = 10  # events that PutEvents takes at once
NO_ANSWER = "NoAnswer"  # in place of AWS's code, where no response came


class Rejection(NamedTuple):
    """Why an event was not published: AWS's code. `of_call` means that the whole call failed, or was not made."""

    code: str
    of_call: bool = False


def event_of(record: dict[str, Any], kind_of: Callable[[str], str | None]) -> Event | None:
    """Return the event for a stream record; None where there is nothing to announce.

    `record` is a DynamoDB stream record with both images. A change of a delivery, a message, a fetch or a postback is
    announced if its version grew. `kind_of` returns a partner's kind.
    """
    image = record["dynamodb"].get("NewImage")
    if image is None:
        return None
    after = items.decode(image)
    kind = after["sk"].partition("#")[0]
    old_image = record["dynamodb"].get("OldImage")
    old = None if old_image is None else items.decode(old_image)
    if old is not None and old.get("version") == after.get("version"):
        return None
    if kind == "LEAD" and record["eventName"] == "INSERT":
        return LeadReceived.of(items.lead_of(after))
    if kind == "INCOMPLETE" and record["eventName"] == "INSERT":
        names = ("lead_id", "source", "received_at")
        return LeadIncomplete(**{name: after[name] for name in names}, problems=tuple(after["problem_codes"]))
    if kind == "MESSAGE":
        return MessageChanged.of(message_of(after))
    if kind == "FETCH":
        return FetchChanged.of(fetch_of(after))
    if kind == "FEEDBACK":
        from leadbridge.domain.feedback.events import PostbackChanged
        from leadbridge.storage.feedback.postbacks import postback_of

        return PostbackChanged.of(postback_of(after))
    if kind != "DELIVERY":
        return None
    delivery = items.delivery_of(after)
    before = None if old is None else items.delivery_of(old)
    return DeliveryChanged.of(before, delivery, kind_of(delivery.partner))


class EventPublisher:
    """The event bus of this stack."""

    def __init__(self, client: EventBridgeClient, name: str) -> None:
        self._client = client
        self._name = name

    def publish(self, events: Sequence[Event]) -> Iterator[tuple[int, Rejection]]:
        """Publish events; yield the number of each that the bus did not accept, and the reason.

        A transient error of a call ends this early, and the rest is not tried. Raises botocore's other errors.
        """
        for start in range(0, len(events), MAX_EVENTS_PER_CALL):
            chunk = events[start : start + MAX_EVENTS_PER_CALL]
            try:
                answer = self._client.put_events(
                    Entries=[
                        {
                            "Source": SOURCE,
                            "DetailType": event.detail_type,
                            "Detail": json.dumps(event.detail(), ensure_ascii=False),
                            "EventBusName": self._name,
                        }
                        for event in chunk
                    ]
                )
            except (ClientError, BotoCoreError) as error:
                if not is_transient(error):
                    raise
                code = code_of(error) if isinstance(error, ClientError) else NO_ANSWER
                yield from ((number, Rejection(code, of_call=True)) for number in range(start, len(events)))
                return
            for number, entry in enumerate(answer["Entries"], start):
                if "ErrorCode" in entry:
                    yield number, Rejection(entry["ErrorCode"])


def is_retryable(rejection: Rejection) -> bool:
    """Whether an event that was not accepted may be accepted later."""
    return rejection.of_call or rejection.code in TRANSIENT

"""Events on the bus: a new lead, an incomplete lead, and each change of a delivery, a message, a fetch or a
postback.

An event contains ids, states and versions, and no personal data. The bus may repeat and reorder events, so a consumer
reads the current item from the table. An event is outdated if the item has a later version.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from leadbridge.domain.clock import to_text
from leadbridge.domain.delivery import Delivery, State
from leadbridge.domain.fetch import Fetch, FetchState
from leadbridge.domain.lead import Lead
from leadbridge.domain.message import Message, MessageState

if TYPE_CHECKING:
    from leadbridge.domain.feedback.events import PostbackChanged

SOURCE = "leadbridge"  # the `source` of every event on the bus


class InvalidEvent(ValueError):
    """An event of an unknown type or schema version."""


class BusEvent(BaseModel):
    """Base of all events. Unknown fields are ignored, so that new fields can be added."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True, defer_build=True)
    detail_type: ClassVar[str]
    schema_version: Literal[1] = 1

    def detail(self) -> dict[str, Any]:
        """Return the event as JSON values."""
        return self.model_dump(mode="json")


class LeadReceived(BusEvent):
    """A new lead was stored."""

    detail_type = "LeadReceived"
    lead_id: str
    source: str
    received_at: str
    partners: tuple[str, ...]

    @classmethod
    def of(cls, lead: Lead) -> LeadReceived:
        """Return the event for a new lead."""
        return cls(
            lead_id=lead.lead_id, source=lead.source, received_at=to_text(lead.received_at), partners=lead.partners
        )


class LeadIncomplete(BusEvent):
    """A lead was stored that no partner can take. `problems` are fields with codes, such as `person.phone required`."""

    detail_type = "LeadIncomplete"
    lead_id: str
    source: str
    received_at: str
    problems: tuple[str, ...]


class DeliveryChanged(BusEvent):
    """A delivery was created or changed.

    `kind` is the partner's kind, by which a rule chooses the queue; None if the partner is not configured.
    `retry_scheduled`: it waits for its next attempt, and the queue already contains the message for it.
    """

    detail_type = "DeliveryChanged"
    lead_id: str
    partner: str
    kind: str | None = None
    source: str
    version: int
    state: State
    previous_state: State | None
    partner_status: str | None
    previous_partner_status: str | None
    retry_scheduled: bool

    @classmethod
    def of(cls, before: Delivery | None, after: Delivery, kind: str | None) -> DeliveryChanged:
        """Return the event for a change; `before` is None for a new delivery."""
        return cls(
            lead_id=after.lead_id,
            partner=after.partner,
            kind=kind,
            source=after.source,
            version=after.version,
            state=after.state,
            previous_state=before.state if before else None,
            partner_status=after.partner_status,
            previous_partner_status=before.partner_status if before else None,
            retry_scheduled=after.next_attempt_at is not None,
        )


class MessageChanged(BusEvent):
    """A message was created or changed. `retry_scheduled`: the queue already contains its next attempt."""

    detail_type = "MessageChanged"
    owner: str
    message_id: str
    version: int
    state: MessageState
    retry_scheduled: bool

    @classmethod
    def of(cls, message: Message) -> MessageChanged:
        """Return the event for a message."""
        return cls(
            owner=message.owner,
            message_id=message.message_id,
            version=message.version,
            state=message.state,
            retry_scheduled=message.next_attempt_at is not None,
        )


class FetchChanged(BusEvent):
    """A fetch was created or changed. `retry_scheduled`: the queue already contains its next attempt."""

    detail_type = "FetchChanged"
    lead_id: str
    source: str
    version: int
    state: FetchState
    retry_scheduled: bool

    @classmethod
    def of(cls, fetch: Fetch) -> FetchChanged:
        """Return the event for a fetch."""
        return cls(
            lead_id=fetch.lead_id,
            source=fetch.source,
            version=fetch.version,
            state=fetch.state,
            retry_scheduled=fetch.next_attempt_at is not None,
        )


type Event = LeadReceived | LeadIncomplete | DeliveryChanged | MessageChanged | FetchChanged | PostbackChanged


def envelope(event: Event) -> dict[str, Any]:
    """Return an event as a queue receives it from the bus."""
    return {"source": SOURCE, "detail-type": event.detail_type, "detail": event.detail()}


def read_delivery_changed(envelope: object) -> DeliveryChanged:
    """Read the event in a bus envelope `{"source", "detail-type", "detail", …}`. Raises InvalidEvent."""
    return read_event(DeliveryChanged, envelope)


def read_message_changed(envelope: object) -> MessageChanged:
    """Read the event in a bus envelope. Raises InvalidEvent."""
    return read_event(MessageChanged, envelope)


def read_fetch_changed(envelope: object) -> FetchChanged:
    """Read the event in a bus envelope. Raises InvalidEvent."""
    return read_event(FetchChanged, envelope)


def read_event[E: BusEvent](kind: type[E], envelope: object) -> E:
    """Read an event of one type in a bus envelope. Raises InvalidEvent."""
    if not isinstance(envelope, dict) or envelope.get("detail-type") != kind.detail_type:
        raise InvalidEvent(f"not a {kind.detail_type}")
    try:
        return kind.model_validate(envelope.get("detail"))
    except ValidationError as error:
        wrong = ", ".join(".".join(map(str, detail["loc"])) or "detail" for detail in error.errors())
        raise InvalidEvent(f"{kind.detail_type} with wrong {wrong}") from None

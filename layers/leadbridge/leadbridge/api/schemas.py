"""Response types of the API. The OpenAPI document is generated from them; `LeadView` becomes the schema `Lead`.

A type that only one route returns is in that route's module.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal, NotRequired, TypedDict

from pydantic import BaseModel, Field, GetPydanticSchema

from leadbridge.api.masking import masked_answers, masked_consent, masked_ids, masked_person
from leadbridge.api.problems import FieldErrorView, field_error_view
from leadbridge.api.response_size import bounded_journey
from leadbridge.domain.acceptance.consent import Consent
from leadbridge.domain.acceptance.ids import IDS
from leadbridge.domain.acceptance.status import LeadStatus
from leadbridge.domain.admission import WaitReason
from leadbridge.domain.clock import to_text, utc_now
from leadbridge.domain.delivery import Delivery, State
from leadbridge.domain.errors.error_codes import ErrorCode, HasError
from leadbridge.domain.feedback.states import PostbackState
from leadbridge.domain.fetch import Fetch, FetchState
from leadbridge.domain.lead import Lead, Loan, Person, Trading, field_paths
from leadbridge.domain.message import Message, MessageState
from leadbridge.domain.statuses.outcomes import DeliveryOutcome
from leadbridge.domain.timeline import Entry
from leadbridge.settings import settings
from leadbridge.storage.leads import Journey

if TYPE_CHECKING:
    from leadbridge.domain.feedback.postback import Postback


def _fields_of(model: type[BaseModel]) -> GetPydanticSchema:
    """Describe a dictionary as a dumped model of the domain. A new field of the model needs no change here."""
    return GetPydanticSchema(lambda _source, handler: handler(model))


LeadId = Annotated[str, Field(pattern="^ld_[a-z2-7]{26}$")]
Count = Annotated[int, Field(ge=0)]
Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
DayText = Annotated[str, Field(json_schema_extra={"format": "date"})]
PersonFields = Annotated[dict[str, Any], _fields_of(Person)]
LoanFields = Annotated[dict[str, Any], _fields_of(Loan)]
TradingFields = Annotated[dict[str, Any], _fields_of(Trading)]
IdFields = Annotated[dict[str, str], Field(json_schema_extra={"propertyNames": {"enum": list(IDS)}})]
ConsentFields = Annotated[dict[str, Any], _fields_of(Consent)]
Data = Annotated[Mapping[str, Any], Field(description="The facts in the text, by name.")]
# A stored code may be from another version, so it is a text.
StoredErrorCode = Annotated[str, GetPydanticSchema(lambda _source, handler: handler(ErrorCode))]
StoredOutcome = Annotated[str, GetPydanticSchema(lambda _source, handler: handler(DeliveryOutcome))]
StoredWaitReason = Annotated[str, GetPydanticSchema(lambda _source, handler: handler(WaitReason))]


class LastErrorView(TypedDict):
    """The last error of a delivery, a fetch or a message: its text, its code and its data."""

    last_error: str | None
    last_error_code: StoredErrorCode | None
    last_error_data: Data


class DeliveryView(LastErrorView):
    """A lead at one partner. Unknown values are null.

    `outcome`: what its `partner_status` means; null if the configuration does not list the status.
    `waiting_reason`: why it waits because the partner gets no leads, `waiting_until` until when, if that is known.
    `settled_at`: when an operator settled it; null if the partner confirmed it. `attention`: why an operator is needed:
    the partner rejects the status checks, or returned the same id for another lead.
    """

    state: State
    deal_id: int | None
    account_uuid: str | None
    repeat_of: str | None
    partner_status: str | None
    outcome: StoredOutcome | None
    attempts: Count
    next_attempt_at: Time | None
    waiting_reason: StoredWaitReason | None
    waiting_until: Time | None
    submitted_at: Time | None
    settled_at: Time | None
    attention: Literal["status_check_refused", "id_contested"] | None


class FetchView(LastErrorView):
    """The fetch of a lead whose form sends only its id."""

    state: FetchState
    attempts: Count
    next_attempt_at: Time | None


class LeadView(TypedDict):
    """A lead in a list. An erased lead has no personal data.

    `problems` are why no partner can take an incomplete lead; other leads have none.
    """

    lead_id: LeadId
    source: str
    received_at: Time
    person: PersonFields
    loan: LoanFields
    trading: TradingFields
    utm: dict[str, str]
    ids: IdFields
    consent: NotRequired[ConsentFields]
    warnings: list[FieldErrorView]
    problems: list[FieldErrorView]
    erased_at: NotRequired[Time]
    masked: bool
    status: LeadStatus
    fetch: NotRequired[FetchView]
    deliveries: dict[str, DeliveryView]


class TimelineEntryView(TypedDict):
    """An entry of a lead's timeline."""

    at: Time
    what: str
    partner: str | None
    detail: str | None
    data: Data


class MessageView(LastErrorView):
    """A message to the lead's person.

    `kind` is `notification` (about a status), `operator`, or `crm_note` (a note at Leeloo that is not sent to the
    person). `text` is written by an operator; it is missing if the lead is masked.
    """

    message_id: str
    kind: str
    state: MessageState
    created_at: Time
    sent_at: Time | None
    subject: str | None
    text: NotRequired[str | None]


class PostbackView(LastErrorView):
    """A postback to a tracker. `event` is `submitted` or an outcome, `status` the tracker's own name of it."""

    event_id: str
    tracker: str
    partner: str
    event: str
    status: str
    payout: str | None
    state: PostbackState
    attempts: Count
    created_at: Time
    accepted_at: Time | None
    next_attempt_at: Time | None


class LeftOutView(TypedDict):
    """The number of older timeline entries and messages that do not fit into the response."""

    timeline: Count
    messages: Count


class JourneyView(LeadView):
    """A lead with its timeline, messages and postbacks, oldest first.

    `answers` are the form's own answers. They are stored only if the lead has problems, or if a value was left out or
    changed. `newer_answers` are those of the last edit that the form's builder posted under the same id; the lead keeps
    its first content. `correctable` are the paths of the fields that an operator can correct; none of an erased lead.
    """

    answers: dict[str, str]
    newer_answers: dict[str, str]
    correctable: list[str]
    timeline: list[TimelineEntryView]
    messages: list[MessageView]
    feedback: list[PostbackView]
    left_out: NotRequired[LeftOutView]


class MessageStatusView(TypedDict):
    """The state of a message after a request."""

    message_id: str
    status: MessageState


def lead_view(journey: Journey, *, masked: bool = False) -> LeadView:
    """Return a lead with its deliveries and its fetch, without empty fields."""
    lead: Lead = journey.lead
    sections = lead.model_dump(include={"person", "loan", "trading", "consent"}, exclude_none=True)
    person, consent = sections["person"], sections["consent"]
    view: LeadView = {
        "lead_id": lead.lead_id,
        "source": lead.source,
        "received_at": to_text(lead.received_at),
        "person": masked_person(person) if masked else person,
        "loan": sections["loan"],
        "trading": sections["trading"],
        "utm": dict(lead.utm),
        "ids": masked_ids(lead.ids) if masked else dict(lead.ids),
        "warnings": [field_error_view(one) for one in lead.warnings],
        "problems": [field_error_view(one) for one in lead.problems],
        "masked": masked,
        "status": journey.status,
        "deliveries": {partner: delivery_view(delivery) for partner, delivery in journey.deliveries.items()},
    }
    if consent:
        view["consent"] = masked_consent(consent) if masked else consent
    if lead.erased_at:
        view["erased_at"] = to_text(lead.erased_at)
    if journey.fetch:
        view["fetch"] = fetch_view(journey.fetch)
    return view


def journey_view(journey: Journey, *, masked: bool = False) -> JourneyView:
    """Return a lead with its newest timeline entries and messages that fit into a response."""
    view = bounded_journey(
        lead_view(journey, masked=masked),
        {
            "answers": masked_answers(journey.lead.answers) if masked else dict(journey.lead.answers),
            "newer_answers": masked_answers(journey.lead.newer_answers) if masked else dict(journey.lead.newer_answers),
            "feedback": [postback_view(postback) for postback in journey.postbacks],
        },
        [entry_view(entry) for entry in journey.timeline],
        [message_view(message, masked=masked) for message in journey.messages],
    )
    view["correctable"] = [] if journey.lead.erased_at else list(field_paths())
    return view


def entry_view(entry: Entry) -> TimelineEntryView:
    """Return an entry of a timeline."""
    return {
        "at": to_text(entry.at),
        "what": entry.what,
        "partner": entry.partner,
        "detail": entry.detail,
        "data": entry.data,
    }


def message_view(message: Message, *, masked: bool = False) -> MessageView:
    """Return a message, without its text if `masked`."""
    error = _last_error(message)
    view: MessageView = {
        "message_id": message.message_id,
        "kind": message.group,
        "state": message.state,
        "created_at": to_text(message.created_at),
        "sent_at": _time(message.sent_at),
        "subject": message.subject,
        "last_error": error["last_error"],
        "last_error_code": error["last_error_code"],
        "last_error_data": error["last_error_data"],
    }
    if not masked:
        view["text"] = message.text
    return view


def postback_view(postback: Postback) -> PostbackView:
    """Return a postback."""
    return {
        "event_id": postback.event_id,
        "tracker": postback.tracker,
        "partner": postback.partner,
        "event": postback.event,
        "status": postback.status,
        "payout": postback.payout,
        "state": postback.state,
        "attempts": postback.attempts,
        "created_at": to_text(postback.created_at),
        "accepted_at": _time(postback.accepted_at),
        "next_attempt_at": _time(postback.next_attempt_at),
        **_last_error(postback),
    }


def message_status_view(message: Message) -> MessageStatusView:
    """Return the state of a message."""
    return {"message_id": message.message_id, "status": message.state}


def delivery_view(delivery: Delivery) -> DeliveryView:
    """Return a delivery."""
    return {
        "state": delivery.state,
        "deal_id": delivery.deal_id,
        "account_uuid": delivery.account_uuid,
        "repeat_of": delivery.repeat_of,
        "partner_status": delivery.partner_status,
        "outcome": delivery.outcome,
        "attempts": delivery.attempts,
        **_last_error(delivery),
        "next_attempt_at": _time(delivery.next_attempt_at),
        "waiting_reason": delivery.waiting_reason if delivery.waits_for_partner else None,
        "waiting_until": _time(_waiting_until(delivery)) if delivery.waits_for_partner else None,
        "submitted_at": _time(delivery.submitted_at),
        "settled_at": _time(delivery.settled_at),
        "attention": delivery.attention,
    }


def _waiting_until(delivery: Delivery) -> datetime | None:
    """Return until when a delivery waits. Only a time that has passed is computed again, by the partner's settings."""
    now = utc_now()
    if delivery.waiting_until is None or delivery.waiting_until > now:
        return delivery.waiting_until
    from leadbridge.domain.routing.intake import expected_end

    return expected_end(delivery, settings().partners.get(delivery.partner), now)


def fetch_view(fetch: Fetch) -> FetchView:
    """Return the fetch of a lead."""
    return {
        "state": fetch.state,
        "attempts": fetch.attempts,
        **_last_error(fetch),
        "next_attempt_at": _time(fetch.next_attempt_at),
    }


def _last_error(item: HasError) -> LastErrorView:
    return {
        "last_error": item.last_error,
        "last_error_code": item.last_error_code,
        "last_error_data": item.last_error_data or {},
    }


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else to_text(moment)

"""What the API answers, as models: the shapes of leadbridge.api.schemas, .letters, .figures and .problems."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from leadbridge.domain.consent import Consent
from leadbridge.domain.delivery import State
from leadbridge.domain.error_codes import ErrorCode
from leadbridge.domain.fetch import FetchState
from leadbridge.domain.lead import Loan, Person, Trading
from leadbridge.domain.message import MessageCode, MessageState

LeadId = Annotated[str, Field(pattern="^ld_[a-z2-7]{26}$")]
Count = Annotated[int, Field(ge=0)]
Data = Annotated[dict[str, Any], Field(description="The facts that the text says in words, by name.")]


class Shape(BaseModel):
    """An object that has these fields and no others."""

    model_config = ConfigDict(extra="forbid")


class Received(Shape):
    """A post that was taken; `lead_ids` are all of a post that held several."""

    lead_id: LeadId
    status: Literal["received"]
    lead_ids: list[LeadId] = []


class Repeated(Shape):
    """A post that was here before, with the state of its lead now."""

    lead_id: LeadId
    status: State
    duplicate: Literal[True]
    lead_ids: list[LeadId] = []


class NoLead(Shape):
    """A test ping, or a post that tells of something else than a lead."""

    status: Literal["test", "ignored"]


class EventKept(Shape):
    """An event of Leeloo's that is kept."""

    status: Literal["received"]
    duplicate: Literal[True] = True


class Delivery(Shape):
    """A lead at one partner.

    `settled_at`: when an operator settled it; null if the partner itself confirmed it. `attention`: why it needs a
    person. The partner refuses its status checks, or returned the same id for another lead.
    """

    state: State
    deal_id: int | None
    account_uuid: str | None
    repeat_of: str | None
    partner_status: str | None
    status_meaning: str | None
    attempts: Count
    last_error: str | None
    last_error_code: ErrorCode | None
    last_error_data: Data
    next_attempt_at: datetime | None
    submitted_at: datetime | None
    settled_at: datetime | None
    attention: Literal["status_check_refused", "id_contested"] | None


class Fetch(Shape):
    """A lead that its form only named, on its way here."""

    state: FetchState
    attempts: Count
    last_error: str | None
    last_error_code: ErrorCode | None
    last_error_data: Data
    next_attempt_at: datetime | None


class Warned(Shape):
    """What looked wrong and was accepted all the same."""

    field: str
    message: str


class Lead(Shape):
    """A lead, as the list has it. Of an erased person nothing is left."""

    lead_id: LeadId
    source: str
    received_at: datetime
    person: Person
    loan: Loan
    trading: Trading
    utm: dict[str, str]
    consent: Consent | None = None
    warnings: list[Warned]
    erased_at: datetime | None = None
    masked: bool
    status: State
    fetch: Fetch | None = None
    deliveries: dict[str, Delivery]


class TimelineEntry(Shape):
    """A line of a lead's timeline."""

    at: datetime
    what: str
    partner: str | None
    detail: str | None
    data: Data


class Message(Shape):
    """A message to the lead's person; `text` is what an operator wrote."""

    message_id: str
    kind: str
    state: MessageState
    created_at: datetime
    sent_at: datetime | None
    subject: str | None
    last_error: str | None
    last_error_code: ErrorCode | None
    last_error_data: Data
    code: MessageCode | None
    text: str | None = None


class LeftOut(Shape):
    """How many older timeline entries and messages do not fit into the response. It is missing if all fit."""

    timeline: Count
    messages: Count


class Journey(Lead):
    """All that is known of a lead, oldest entries first."""

    timeline: list[TimelineEntry]
    messages: list[Message]
    left_out: LeftOut | None = None


class Leads(Shape):
    """A page of the list, newest first; `cursor` asks for the next one."""

    leads: list[Lead]
    cursor: str | None


class Totals(Shape):
    """Counts of all the days together."""

    leads: Count
    deliveries: dict[str, Count]


class LeadsOfDay(Shape):
    """How many leads a source brought on a day."""

    day: date
    source: str
    count: Count


class DeliveriesOfDay(LeadsOfDay):
    """How many of a day's deliveries are in a state."""

    partner: str
    state: State


class Stats(BaseModel):
    """The figures, both days included."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    first: Annotated[date, Field(alias="from")]
    to: date
    totals: Totals
    leads: list[LeadsOfDay]
    counts: list[DeliveriesOfDay]


class Progress(Shape):
    """How far a pass over a list has come, in percent."""

    progress: Annotated[int, Field(ge=0, le=100)]


class Sync(Shape):
    """How far a partner's list was read: nothing is missing before `watermark`."""

    watermark: datetime
    whole_begun_at: datetime | None
    whole_ended_at: datetime | None
    passes: dict[str, Progress]


class Syncs(Shape):
    """By partner; null for a list that was never read."""

    partners: dict[str, Sync | None]


class DeadLetter(Shape):
    """A dead letter; `sent_at` in Unix milliseconds."""

    queue: str
    letter_id: str
    sent_at: int
    step: str
    reason: str
    lead_id: str | None
    partner: str | None
    message_id: str | None
    goes_to: str | None
    answer: Data | None
    attempt: int | None
    reason_code: ErrorCode | None
    reason_data: Data


class Letters(Shape):
    """What is in the dead-letter queues, oldest first. `left_out` counts those that do not fit into the response."""

    letters: list[DeadLetter]
    left_out: Count | None = None


class LettersDiscarded(Shape):
    """How many letters were discarded."""

    letters: Count


class LeftOver(Shape):
    """A letter that was not put back, and why."""

    letter_id: str
    code: Literal[
        "already_linked",
        "another_attempt",
        "changed_meanwhile",
        "erased",
        "in_progress",
        "lead_gone",
        "may_be_ours",
        "missing_fields",
        "moved_on",
        "needs_confirmation",
        "outcome_unknown",
        "recorded",
        "replaced",
        "settled_otherwise",
        "superseded",
        "unreadable",
    ]


class LettersRedriven(Shape):
    """How many letters were put back; which stay in the queue; which were removed because they are obsolete."""

    letters: Count
    kept: list[LeftOver]
    obsolete: list[LeftOver]


class MessageTaken(Shape):
    """A message that will be sent, or is skipped."""

    message_id: str
    status: MessageState


class Queued(Shape):
    """Something that will be done."""

    status: Literal["queued"]


class Health(Shape):
    """The API answers."""

    status: Literal["ok"]


class Problem(Shape):
    """RFC 9457; `errors` name fields of a lead or of a request.

    `lead_id` is the lead that has an id already, where `type` ends with `already-tied`.
    """

    type: Annotated[str, Field(pattern="^urn:leadbridge:problem:[a-z-]+$")]
    title: str
    status: Annotated[int, Field(ge=400, le=599)]
    detail: str
    errors: list[Warned] = []
    lead_id: LeadId | None = None

"""Leads: list, export, show, reveal, correct, erase."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import partial
from typing import Annotated, Any, Literal, TypedDict
from uuid import uuid4

from pydantic import BeforeValidator, Field, StrictBool, WithJsonSchema, model_validator

from leadbridge.api.errors import erased_lead
from leadbridge.api.lookup import find_journey
from leadbridge.api.params import Flag, Limit, MaskedQuery, Moment, Phone, invalid_query
from leadbridge.api.requests import ApiRequest, Body, invalid_request
from leadbridge.api.response_size import leads_that_fit
from leadbridge.api.router import route
from leadbridge.api.schemas import Count, JourneyView, LeadView, Time, journey_view, lead_view
from leadbridge.api.search import MAX_SEARCH, read_search, search_phone
from leadbridge.domain.acceptance.status import LeadStatus
from leadbridge.domain.clock import start_of_day, to_text, utc_now
from leadbridge.domain.errors.problem_keys import ProblemFilter, parse_problem
from leadbridge.domain.fields.hashes import keyed_hash
from leadbridge.domain.lead import InvalidLead
from leadbridge.domain.operator_steps import SubmissionInProgress
from leadbridge.domain.statistics.times import Stage
from leadbridge.domain.statuses.outcomes import DeliveryOutcome
from leadbridge.domain.timeline import Entry
from leadbridge.domain.transitions import Conflict
from leadbridge.runtime.logs import count, logger
from leadbridge.settings import settings
from leadbridge.settings.sections import Zone
from leadbridge.storage.queries.lead_filter import LeadFilter

MAX_FIELDS = 50  # of a section in a correction

Fields = Annotated[dict[str, Any], Field(max_length=MAX_FIELDS)]


class LeadsQuery(MaskedQuery):
    """The filters of the list."""

    status: LeadStatus | None = Field(None, description="A status.")
    outcome: DeliveryOutcome | None = Field(
        None, description="An outcome of a delivery; of the delivery with this status and partner, if they are given."
    )
    stage: Stage | None = Field(
        None, description="A stage of the funnel of `GET /stats` that a delivery has reached, as it counts them."
    )
    source: str | None = Field(None, description="A source.")
    partner: str | None = Field(None, description="A partner.")
    search: str | None = Field(
        None,
        max_length=MAX_SEARCH,
        description="A phone number in any notation, an e-mail address, a lead id, a deal number, an account id, or a "
        "name: the surname in full, alone or with beginnings of the other names.",
    )
    phone: Phone | None = Field(None, description="A phone number in any notation.")
    campaign: str | None = Field(None, max_length=256, description="A campaign, as the statistics count it.")
    problem: Annotated[ProblemFilter, BeforeValidator(parse_problem), WithJsonSchema({"type": "string"})] | None = (
        Field(
            None,
            description="A problem of an incomplete lead, or why a delivery was rejected, failed, skipped or is "
            "unknown: a field, a code, or both, such as `person.phone`, `required`, `person.phone:required`. Without a "
            "status only those are listed that need a person: incomplete, rejected, failed, unknown.",
        )
    )
    since: Moment | None = Field(
        None, description="The first day or time of reception. Days are those of the statistics."
    )
    until: Moment | None = Field(
        None, description="The last day of reception, or the time before which the leads were received."
    )
    attention: Flag = Field(
        False, description="Whether to list only leads with a delivery that has an `attention` code."
    )
    limit: Limit = Field(25, description="The number of leads on a page.")
    cursor: str | None = Field(None, description="The `cursor` of the previous page.")

    def filter(self, index_key: Callable[[], str]) -> LeadFilter:
        """Return the leads to list. `index_key` returns the key of the hashes. Raises Problem."""
        if self.search and self.phone:
            raise invalid_query("Give search or phone, not both.")
        search = None
        if self.search or self.phone:
            hashed = partial(keyed_hash, index_key())
            search = read_search(self.search, hashed) if self.search else search_phone(self.phone or "", hashed)
        return LeadFilter(
            status=self.status,
            source=self.source,
            partner=self.partner,
            search=search,
            needs_attention=self.attention,
            outcome=self.outcome,
            stage=self.stage,
            campaign=self.campaign,
            problem=self.problem,
            since=_time_of(self.since),
            until=_time_of(self.until, is_end=True),
        )


def _time_of(moment: date | None, *, is_end: bool = False) -> datetime | None:
    """Return a time as it is, and the start of a day; its end with `is_end`."""
    if moment is None or isinstance(moment, datetime):
        return moment
    return start_of_day(settings().alerts.time_zone, moment + timedelta(days=is_end))


class ExportQuery(LeadsQuery):
    """The filters of the list, and the format of its export."""

    separator: Literal["comma", "semicolon"] = Field(
        "comma", description="What separates the columns. Excel in many languages needs semicolons."
    )
    zone: Zone | None = Field(None, description="The time zone of the times, such as `Europe/Kyiv`. Default: UTC.")


class CorrectionRequest(Body):
    """The corrected fields by section. Values are parsed like those of the lead's form; null removes a value.

    `confirm`: deliver a restored lead, although it may have been delivered before.
    """

    person: Fields = Field(default_factory=dict)
    loan: Fields = Field(default_factory=dict)
    trading: Fields = Field(default_factory=dict)
    confirm: StrictBool = False

    @model_validator(mode="after")
    def _has_a_field(self) -> CorrectionRequest:
        if not (self.person or self.loan or self.trading):
            raise ValueError("give at least one field of person, loan or trading")
        return self


class LeadsView(TypedDict):
    """A page of the list, newest first. `cursor` is for the next page; null on the last one."""

    leads: list[LeadView]
    cursor: str | None


class ExportView(TypedDict):
    """A page of the list as lines of CSV. The first page begins with the line of the columns' names.

    `oldest` is when the last lead of the page was received; null if it has none.
    """

    csv: str
    leads: Count
    oldest: Time | None
    cursor: str | None


class CorrectedLeadView(JourneyView):
    """A lead after a correction. `corrected` are the paths of the fields that have changed."""

    corrected: list[str]


@route("GET", "/leads")
def list_leads(request: ApiRequest, query: LeadsQuery) -> LeadsView:
    """List leads, newest first."""
    page = request.resources.lead_list.page(query.filter(request.resources.index_key), query.limit, query.cursor)
    leads, cursor = leads_that_fit(page, lambda journey: lead_view(journey, masked=query.masked))
    logger.info("listed", leads=len(leads), operator=request.operator, masked=query.masked)
    return {"leads": leads, "cursor": cursor}


@route("GET", "/exports/leads")
def export_leads(request: ApiRequest, query: ExportQuery) -> ExportView:
    """Return leads as CSV, newest first, one line per delivery. No cell is a formula."""
    from leadbridge.api.lead_csv import LeadCsv, Separator

    counted = (source.count_by for source in settings().sources.values())
    lead_csv = LeadCsv(tuple(counted), Separator(query.separator), query.zone, query.masked)
    page = request.resources.lead_list.page(query.filter(request.resources.index_key), query.limit, query.cursor)
    leads, cursor = leads_that_fit(page, lead_csv.lines)
    logger.info("exported", leads=len(leads), operator=request.operator, masked=query.masked)
    header = "" if query.cursor else lead_csv.header()
    oldest = to_text(page.leads[len(leads) - 1].lead.received_at) if leads else None
    return {"csv": header + "".join(leads), "leads": len(leads), "oldest": oldest, "cursor": cursor}


@route("GET", "/leads/{lead_id}")
def show_lead(request: ApiRequest, query: MaskedQuery) -> JourneyView:
    """Show a lead with its deliveries, timeline and messages."""
    logger.info("shown", lead_id=request.path["lead_id"], operator=request.operator, masked=query.masked)
    return journey_view(find_journey(request), masked=query.masked)


@route("POST", "/leads/{lead_id}/reveal", problems=(409,))
def reveal_lead(request: ApiRequest) -> JourneyView:
    """Show a lead unmasked. A timeline entry names the operator."""
    lead_id = request.path["lead_id"]
    if find_journey(request).lead.erased_at is not None:
        raise erased_lead()
    entry = Entry.by_operator(utc_now(), "revealed", request.operator)
    if not request.resources.leads.note(lead_id, entry, uuid4().hex):
        raise erased_lead()
    logger.info("revealed", lead_id=lead_id, operator=request.operator)
    return journey_view(find_journey(request))


@route("PATCH", "/leads/{lead_id}", problems=(409,))
def correct_lead(request: ApiRequest, query: MaskedQuery, body: CorrectionRequest) -> CorrectedLeadView:
    """Correct fields of a lead. An incomplete lead that a partner can take now is delivered."""
    lead_id = request.path["lead_id"]
    sections = {name: getattr(body, name) for name in ("person", "loan", "trading")}
    try:
        correction = request.resources.corrector.correct(lead_id, sections, request.operator, is_confirmed=body.confirm)
    except InvalidLead as lead:
        raise invalid_request("A value is not valid; see errors. Nothing was stored.", *lead.errors) from None
    fields = [] if correction is None else correction.entry.data["fields"]
    if fields:
        count("LeadsCorrected")
        logger.info("corrected", lead_id=lead_id, operator=request.operator, fields=fields)
    return {**journey_view(find_journey(request), masked=query.masked), "corrected": fields}


@route("DELETE", "/leads/{lead_id}", status=204, problems=(409,))
def erase_lead(request: ApiRequest) -> None:
    """Erase all personal data of a lead. A tombstone remains."""
    lead_id = request.path["lead_id"]
    try:
        request.resources.eraser.erase(lead_id, request.operator, utc_now())
    except Conflict:
        raise SubmissionInProgress from None
    count("LeadsErased")
    logger.info("erased", lead_id=lead_id, operator=request.operator)

"""The inbox: what needs a person, grouped by partner or source and reason."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, NotRequired, TypedDict
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, Field, StrictBool

from leadbridge.api.errors import wrong_state
from leadbridge.api.params import PATH_PARAMETERS, MaskedQuery, unknown_group
from leadbridge.api.requests import ApiRequest, Body, invalid_request
from leadbridge.api.response_size import first_that_fit
from leadbridge.api.router import route
from leadbridge.api.routes.fetch import RetryRequest
from leadbridge.api.routes.partners import PartnerView, list_partners
from leadbridge.api.schemas import Count, LeadView, Time, lead_view
from leadbridge.domain.clock import from_text, to_text, utc_now
from leadbridge.domain.errors.error_codes import ErrorCode
from leadbridge.domain.errors.field_codes import FieldCode, FieldError, InvalidValue
from leadbridge.domain.inbox.note import parse_note
from leadbridge.domain.inbox.trouble import (
    MAX_RETRY_READ,
    GroupRetry,
    InboxGroup,
    MarkPart,
    Trouble,
    TroubleKind,
)
from leadbridge.domain.operator_steps import ConfirmationRequired
from leadbridge.runtime.budget import Budget
from leadbridge.runtime.logs import logger
from leadbridge.services.inbox.read_inbox import Inbox
from leadbridge.settings import settings

MAX_SNOOZE = timedelta(days=30)
LATE = 3600  # seconds by which the status checks of a partner are late before that needs a person
STOPPED = frozenset({"paused", "circuit_open"})  # states of a partner that gets no leads, although it could
LOOKBACK = timedelta(days=7)  # a source without leads in this time is not in use, and not reported
RESERVE = 6.0  # seconds of a retry that are kept for the response
SECONDS_PER_LEAD = 1.0  # to retry one lead


class InboxQuery(MaskedQuery):
    """One group, or all."""

    group: str | None = Field(
        None,
        pattern=f"^{PATH_PARAMETERS['group'].pattern}$",
        description="The `key` of a group. The response has its leads.",
    )


class AssigneeView(TypedDict):
    """The operator who works on a group, and since when."""

    operator: str
    at: Time


class NoteView(TypedDict):
    """A note of an operator."""

    text: str
    operator: str
    at: Time


class MarkChangeView(TypedDict):
    """A change of a group's mark."""

    at: Time
    operator: str
    what: MarkPart


class InboxGroupView(TypedDict):
    """What needs a person for the same reason.

    `kind`: `unknown` (the reply was lost), `attention` (the partner does not confirm the id), `failed`, `fetch`
    (a form's lead could not be fetched), `rejected` (fields that can be corrected), `incomplete`, `dead_letter`
    (a message, a postback, an answer or a check of a lead), `partner`, `source`, `technical` (dead letters without a
    lead). `code` is an error code, a field code, the state of a partner, `checks_late` or `stale`. `fields` are those
    that it is about.
    `count` counts deliveries, leads or dead letters. If not `is_complete`, there may be more: only the newest 200 of a
    kind are read. `retry` says whether all can be retried, and whether that needs a `confirm`. `changes` are the
    newest changes of assignee, snooze and note.
    """

    key: str
    kind: TroubleKind
    code: str | None
    fields: list[str]
    partner: str | None
    source: str | None
    queue: str | None
    count: Count
    is_complete: bool
    first_seen: Time
    last_seen: Time
    retry: GroupRetry
    assignee: AssigneeView | None
    snoozed_until: Time | None
    note: NoteView | None
    changes: list[MarkChangeView]


class InboxView(TypedDict):
    """The groups, the most urgent kind first. With the query `group`: that group alone, and its leads.

    `left_out` counts the leads that do not fit into the response.
    """

    groups: list[InboxGroupView]
    leads: NotRequired[list[LeadView]]
    left_out: NotRequired[Count]


class MarkRequest(Body):
    """What to change. `assigned`: whether the operator works on it. Null wakes a snoozed group, or deletes the note."""

    assigned: StrictBool | None = None
    snoozed_until: AwareDatetime | None = None
    note: Annotated[str, Field(max_length=2000)] | None = None


class RetryGroupRequest(RetryRequest):
    """`before`: only leads that last changed before this time are retried; at most, and without it: now.

    Repeat a request with the `before` of its first response. So one confirmation sends no lead twice, and none that
    no one has seen.
    """

    before: AwareDatetime | None = None


class NotRetriedView(TypedDict):
    """What was not retried, and the reason. `lead_id` is null for a dead letter without a lead."""

    lead_id: str | None
    code: ErrorCode


class RetriedGroupView(TypedDict):
    """The number of retried leads, and those that were not retried.

    `has_more`: there may be more leads that last changed before `before`. Repeat the request with this `before`, unless
    nothing was retried: then the rest is behind newer ones, which must be solved first.
    """

    retried: Count
    kept: list[NotRetriedView]
    has_more: bool
    before: Time


@route("GET", "/inbox")
def show_inbox(request: ApiRequest, query: InboxQuery) -> InboxView:
    """List what needs a person, grouped by partner or source and reason.

    A failed delivery counts once, also if it left dead letters. The read costs the same for any number of leads.
    """
    inbox = inbox_of(request)
    if query.group is None:
        return {"groups": [group_view(group) for group in inbox.groups()]}
    found = inbox.find(query.group)
    lead_ids = dict.fromkeys(one.lead_id for one in found.troubles if one.lead_id) if found else ()
    journeys = request.resources.lead_list.find(reversed(lead_ids))
    leads = [lead_view(journey, masked=query.masked) for journey in journeys]
    fitting = first_that_fit(leads)
    view: InboxView = {"groups": [group_view(found)] if found else [], "leads": fitting}
    if len(fitting) < len(leads):
        view["left_out"] = len(leads) - len(fitting)
    logger.info("group shown", group=query.group, leads=len(fitting), operator=request.operator, masked=query.masked)
    return view


@route("PATCH", "/inbox/{group}", problems=(409,))
def mark_group(request: ApiRequest, body: MarkRequest) -> InboxGroupView:
    """Assign a group to yourself, snooze it, or change its note. The log names the operator."""
    now, changes = utc_now(), dict[str, object]()
    if body.assigned is not None:
        changes |= {"assignee": None, "assigned_at": None}
        if body.assigned:
            changes |= {"assignee": request.operator, "assigned_at": now}
    if "snoozed_until" in body.model_fields_set:
        until = body.snoozed_until
        if until is not None and not now < until <= now + MAX_SNOOZE:
            error = FieldError("snoozed_until", FieldCode.OUT_OF_RANGE, f"must be in the next {MAX_SNOOZE.days} days")
            raise invalid_request("The time is not valid; see errors.", error)
        changes["snoozed_until"] = until
    if "note" in body.model_fields_set:
        try:
            note = parse_note(body.note or "")
        except InvalidValue as invalid:
            raise invalid_request(
                "The note is not valid; see errors.", FieldError("note", invalid.code, str(invalid))
            ) from None
        changes |= {"note": note, "noted_by": request.operator if note else None, "noted_at": now if note else None}
    if not changes:
        raise invalid_request("Give assigned, snoozed_until or note.")
    inbox = inbox_of(request)
    after = inbox.mark(find_group(request, inbox), request.operator, now, changes)
    logger.info("group marked", group=after.key, changed=sorted(body.model_fields_set), operator=request.operator)
    return group_view(after)


@route("POST", "/inbox/{group}/retry", problems=(409,))
def retry_group(request: ApiRequest, body: RetryGroupRequest) -> RetriedGroupView:
    """Retry all leads of a group, up to 200. With `confirm`, also those that a partner may get twice.

    Safe to repeat with the same `before`. Only the newest 1000 of a kind are read.
    A lead that a partner may get twice, or that lacks a field, is left as it is.
    """
    from leadbridge.services.inbox.retry_group import GroupRetrier

    now = utc_now()
    before = to_text(min(body.before or now, now))  # to the millisecond, as the times of the deliveries
    group = inbox_of(request).find(request.path["group"], limit=MAX_RETRY_READ)
    if group is None:
        return {"retried": 0, "kept": [], "has_more": False, "before": before}
    if group.retry is GroupRetry.NONE:
        raise wrong_state("The leads of this group cannot be retried together.")
    if group.retry is GroupRetry.CONFIRM and not body.confirm:
        raise ConfirmationRequired("The partner may have these leads already. Confirm to send them again.")
    resources, budget = request.resources, Budget.of(request.context, reserve=RESERVE)
    retrier = GroupRetrier(
        resources.leads,
        resources.leads.lead,
        resources.fetches,
        resources.dead_letters(request.operator).redrive,
        settings().partners,
        request.operator,
        utc_now,
    )
    done = retrier.retry(group, from_text(before), lambda: budget.allows(SECONDS_PER_LEAD), is_confirmed=body.confirm)
    logger.info("group retried", group=group.key, retried=done.retried, kept=len(done.kept), operator=request.operator)
    return {
        "retried": done.retried,
        "kept": [{"lead_id": lead_id, "code": code} for lead_id, code in done.kept],
        "has_more": done.has_more,
        "before": before,
    }


def inbox_of(request: ApiRequest) -> Inbox:
    """Return the inbox of this stack."""
    from leadbridge.storage.inbox.marks import InboxMarks
    from leadbridge.storage.inbox.troubles import TroubleReader

    table = request.resources.table
    letters = request.resources.dead_letters(request.operator)
    return Inbox(
        TroubleReader(table),
        InboxMarks(table),
        letters.current,
        lambda: [*partner_troubles(list_partners(request)["partners"]), *source_troubles(request)],
    )


def find_group(request: ApiRequest, inbox: Inbox) -> InboxGroup:
    """Return the group of the path. Raises Problem if nothing has this reason now."""
    found = inbox.find(request.path["group"])
    if found is None:
        raise unknown_group()
    return found


def partner_troubles(partners: list[PartnerView]) -> list[Trouble]:
    """Return the partners that get no leads although they could, and those whose checks are late."""
    troubles, now = list[Trouble](), utc_now()
    for partner in partners:
        name, pause, checks = partner["name"], partner["pause"], partner["checks"]
        if partner["state"] in STOPPED:
            since = partner["circuit"]["since"] if pause is None else pause["at"]
            at = from_text(since) if since else now
            troubles.append(Trouble(TroubleKind.PARTNER, at, partner["state"], partner=name))
        if checks is not None and checks["oldest_due_seconds"] > LATE:
            at = now - timedelta(seconds=checks["oldest_due_seconds"])
            troubles.append(Trouble(TroubleKind.PARTNER, at, "checks_late", partner=name))
    return troubles


def source_troubles(request: ApiRequest) -> list[Trouble]:
    """Return the sources that bring no leads any more.

    One with `stale_after` is judged by it, at the hourly check. Another one is stale if it brought leads in the last
    days, but none yesterday and today, which are days of the statistics.
    """
    from leadbridge.storage.queries.backlog import BacklogMonitor, stale_sources

    now, table = utc_now(), request.resources.table
    limits = {name: source.stale_after for name, source in settings().sources.items() if source.stale_after}
    known = BacklogMonitor(table).known_last_leads() if limits else {}
    last = {name: moment for name, moment in known.items() if name in limits}
    found = {name: last[name] for name in stale_sources(last, limits, now)}
    zone = ZoneInfo(settings().alerts.time_zone)
    today = now.astimezone(zone).date()
    recent = request.resources.stats.between(today - LOOKBACK, today)
    days: dict[str, str] = {}
    for day, source in recent.leads:
        days[source] = max(day, days.get(source, ""))
    for source, day in days.items():
        if source not in limits and day < (today - timedelta(days=1)).isoformat():
            found[source] = datetime.fromisoformat(day).replace(tzinfo=zone) + timedelta(days=1)
    return [Trouble(TroubleKind.SOURCE, at, "stale", source=source) for source, at in sorted(found.items())]


def group_view(group: InboxGroup) -> InboxGroupView:
    """Return a group with its mark."""
    first, mark = group.troubles[0], group.mark
    assignee: AssigneeView | None = None
    if mark.assignee is not None and mark.assigned_at is not None:
        assignee = {"operator": mark.assignee, "at": to_text(mark.assigned_at)}
    note: NoteView | None = None
    if mark.note is not None and mark.noted_at is not None:
        note = {"text": mark.note, "operator": mark.noted_by or "", "at": to_text(mark.noted_at)}
    return {
        "key": group.key,
        "kind": group.kind,
        "code": first.code,
        "fields": list(first.fields),
        "partner": first.partner,
        "source": first.source,
        "queue": first.queue,
        "count": len(group.troubles),
        "is_complete": group.is_complete,
        "first_seen": to_text(group.first_seen),
        "last_seen": to_text(group.last_seen),
        "retry": group.retry,
        "assignee": assignee,
        "snoozed_until": None if mark.snoozed_until is None else to_text(mark.snoozed_until),
        "note": note,
        "changes": [{"at": to_text(at), "operator": operator, "what": what} for at, operator, what in mark.changes],
    }

"""Postbacks: one for each change that a tracker learns, accepted in order, or failed with a dead letter."""

from __future__ import annotations

from collections.abc import Iterator

from leadbridge.domain.feedback.postback import SUBMITTED, Postback, event_id
from leadbridge.domain.feedback.states import PostbackState
from leadbridge.domain.message import sort_for_sending
from quality.chaos.checks.history import History
from quality.chaos.reconciliation import LeadRecord, Snapshot, check

SKIPPED_FOR = frozenset({"superseded", "wrong_deal", "erased"})  # reasons that can occur in a run


@check
def changes_have_postbacks(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """Each submission and each new outcome of a source with a tracker has one postback, and there are no others."""
    for lead_id, record in snapshot.leads.items():
        if record.lead.erased_at is not None:
            continue
        wanted = {
            event_id(lead_id, partner, version, tracker, event)
            for tracker, rules in snapshot.feedback.get(record.lead.source, {}).items()
            for partner in record.deliveries
            for version, event in _events(record, partner)
            if event in rules.on
        }
        found = [one.event_id for one in record.postbacks]
        if sorted(found) != sorted(wanted):
            yield lead_id, f"{len(found)} postbacks, {len(wanted)} changes, {len(wanted & set(found))} of both"


@check
def postbacks_are_accepted_or_failed(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """The tracker has each accepted postback once, no other; a failed one has a dead letter, unless erased."""
    letters = {one.event_id for one in snapshot.dead_letters}
    received = [one["event_id"] for one in snapshot.tracker_events]
    known: set[str] = set()
    for lead_id, record in snapshot.leads.items():
        for postback in record.postbacks:
            known.add(postback.event_id)
            is_explained = postback.event_id in letters or record.lead.erased_at is not None
            if (wrong := _wrong(postback, received, is_explained=is_explained)) is not None:
                yield lead_id, f"{postback.event} at {postback.partner} {wrong}"
    for event in snapshot.tracker_events:
        if event["event_id"] not in known and event["lead_id"] in snapshot.leads:
            yield event["lead_id"], f"the tracker has {event['event_id']}, which is not a postback of the lead"


@check
def postbacks_are_in_order(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """The tracker got the events of a delivery in the order of its versions, unless one of the lead was sent again."""
    place = {one["event_id"]: number for number, one in enumerate(snapshot.tracker_events)}
    for lead_id, record in snapshot.leads.items():
        if any(one.what == "postback_resend_requested" for one in record.timeline.values()):
            continue
        for partner in record.deliveries:
            own = sort_for_sending(one for one in record.postbacks if one.partner == partner)
            got = [place[one.event_id] for one in own if one.event_id in place]
            if got != sorted(got):
                yield lead_id, f"the tracker got its events at {partner} in the order {got}"


def _wrong(postback: Postback, received: list[str], *, is_explained: bool) -> str | None:
    match postback.state:
        case PostbackState.ACCEPTED if received.count(postback.event_id) != 1:
            return f"is accepted, and the tracker has it {received.count(postback.event_id)} times"
        case PostbackState.FAILED if not is_explained:
            return "failed without a dead letter"
        case PostbackState.SKIPPED if postback.last_error_code not in SKIPPED_FOR:
            return f"was skipped for {postback.last_error_code}"
        case PostbackState.PENDING | PostbackState.SENDING:
            return f"is {postback.state}"
    return None


def _events(record: LeadRecord, partner: str) -> Iterator[tuple[int, str]]:
    """The versions and events of a delivery's timeline."""
    outcome, has_lead = None, False
    for version, entry in sorted(History.of(record.timeline, partner).steps.items()):
        had_lead = has_lead
        match entry.what:
            case "submitted":
                has_lead = True
            case "resolved":
                has_lead, outcome = entry.data.get("outcome") != "not_created", None
            case "resolution_withdrawn" | "retry_requested":
                has_lead, outcome = False, None
            case "status_changed":
                before, outcome = outcome, entry.data.get("outcome")
                if outcome is not None and outcome != before:
                    yield version, outcome
        if has_lead and not had_lead:
            yield version, SUBMITTED

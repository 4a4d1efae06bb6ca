"""Messages and postbacks: one for each change, each sent once, in order, and no others."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from leadbridge.domain.feedback.postback import SUBMITTED, Postback, event_id
from leadbridge.domain.feedback.states import PostbackState
from leadbridge.domain.message import Message, MessageState, sort_for_sending
from quality.chaos.checks.history import History
from quality.chaos.reconciliation import Snapshot, check
from quality.chaos.records import LeadRecord

SKIPPED_FOR = frozenset({"superseded", "wrong_deal", "erased"})  # reasons that can occur in a run


@check
def status_changes_have_messages(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """Each status change after a delivery's first has a message, and there are no other messages."""
    for lead_id, record in snapshot.kept_leads():
        for partner in record.deliveries:
            changes, messages = len(record.entries("status_changed", partner=partner)), len(_to_person(record, partner))
            if messages != max(0, changes - 1):
                yield lead_id, f"{partner}: {changes} status changes, {messages} messages"


@check
def messages_are_sent_once(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """A person received each message that is `sent` once, and none that is neither `sent` nor `unknown`."""
    received: dict[str, list[str]] = defaultdict(list)
    for message in snapshot.sent_messages:
        received[message["phone"] or ""].append(message["text"])
    leads: dict[str, list[str]] = defaultdict(list)
    for lead_id, posted in snapshot.people_by_lead.items():
        leads[posted.phone].append(lead_id)
    for phone in received.keys() | leads.keys():
        records = [snapshot.leads[lead_id] for lead_id in leads[phone] if lead_id in snapshot.leads]
        names, texts = ", ".join(leads[phone]) or "no lead", received[phone]
        if any(record.is_erased for record in records):
            continue  # the messages are erased with the person
        messages = [message for record in records for message in record.messages if not message.is_crm_note]
        distinct = {(one.partner, one.partner_status, one.text, one.template_id) for one in messages}
        if len(texts) - len(set(texts)) > len(messages) - len(distinct):  # a repeated status has another message
            twice = [text for text, number in Counter(texts).items() if number > 1]
            yield names, f"received twice: {'; '.join(twice)}"
        states = Counter(message.state for message in messages)
        sent, unknown = states[MessageState.SENT], states[MessageState.UNKNOWN]
        if not sent <= len(texts) <= sent + unknown:
            yield names, f"received {len(texts)} messages; {sent} are sent and {unknown} unknown"


@check
def messages_are_in_order(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """No status message is sent after a newer one of its delivery, also if operators retry it.

    Among all deliveries of a lead, the order holds unless a message is retried.
    """
    for lead_id, record in snapshot.leads.items():
        sent = _sent_notifications(record.messages)
        lines = [[one for one in sent if one.partner == partner] for partner in {one.partner for one in sent}]
        if not record.entries("message_retry_requested"):
            lines.append(sent)
        for line in lines:
            times = [message.sent_at for message in line if message.sent_at is not None]
            if times != sorted(times):
                yield lead_id, f"its messages were sent at {', '.join(map(str, times))}"


@check
def last_message_is_newest(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """The last status message sent about a delivery is the newest of those sent, also after a redrive."""
    for lead_id, record in snapshot.leads.items():
        for partner in record.deliveries:
            sent = _sent_notifications(_to_person(record, partner))
            last = max(sent, key=lambda one: (one.sent_at or one.created_at, sent.index(one)), default=None)
            if last is not None and last != sent[-1]:
                yield lead_id, f"{partner}: {last.partner_status} was sent after {sent[-1].partner_status}"


@check
def changes_have_postbacks(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """Each submission and each new outcome of a source with a tracker has one postback, and there are no others."""
    for lead_id, record in snapshot.kept_leads():
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
    received = Counter(one["event_id"] for one in snapshot.tracker_events)
    for lead_id, record in snapshot.leads.items():
        for one in record.postbacks:
            is_explained = one.event_id in letters or record.is_erased
            if (wrong := _wrong(one, received[one.event_id], is_explained=is_explained)) is not None:
                yield lead_id, f"{one.event} at {one.partner} {wrong}"
    known = {one.event_id for record in snapshot.leads.values() for one in record.postbacks}
    for event in snapshot.tracker_events:
        if event["event_id"] not in known and event["lead_id"] in snapshot.leads:
            yield event["lead_id"], f"the tracker has {event['event_id']}, which is not a postback of the lead"


@check
def postbacks_are_in_order(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """The tracker got the events of a delivery in the order of its versions, unless one of the lead was sent again."""
    place = {one["event_id"]: number for number, one in enumerate(snapshot.tracker_events)}
    for lead_id, record, delivery in snapshot.deliveries():
        own = sort_for_sending(one for one in record.postbacks if one.partner == delivery.partner)
        got = [place[one.event_id] for one in own if one.event_id in place]
        if got != sorted(got) and not record.entries("postback_resend_requested"):
            yield lead_id, f"the tracker got its events at {delivery.partner} in the order {got}"


def _to_person(record: LeadRecord, partner: str) -> list[Message]:
    return [message for message in record.messages if message.partner == partner and not message.is_crm_note]


def _sent_notifications(messages: Sequence[Message]) -> list[Message]:
    """Those that were sent, in the order in which they should be."""
    return [one for one in sort_for_sending(messages) if one.group == "notification" and one.sent_at is not None]


def _wrong(postback: Postback, received: int, *, is_explained: bool) -> str | None:
    match postback.state:
        case PostbackState.ACCEPTED if received != 1:
            return f"is accepted, and the tracker has it {received} times"
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

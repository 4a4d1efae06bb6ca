"""Messages and postbacks: one for each change, each sent once, in order, and no others."""

from collections import Counter, defaultdict
from collections.abc import Iterator

from leadbridge.domain.delivery import Delivery
from leadbridge.domain.feedback.postback import SUBMITTED, event_id
from leadbridge.domain.feedback.states import PostbackState
from leadbridge.domain.message import MessageState, sort_for_sending
from quality.chaos.checks.registry import check, check_deliveries, check_leads
from quality.chaos.records import LeadRecord, Snapshot

SKIPPED_FOR = frozenset({"superseded", "wrong_deal", "erased"})  # reasons that can occur in a run


@check_deliveries
def status_changes_have_messages(_: Snapshot, record: LeadRecord, delivery: Delivery) -> Iterator[str]:
    """Each status change after a delivery's first has a message, and there are no other messages."""
    changes = len(record.entries("status_changed", partner=delivery.partner))
    messages = sum(one.partner == delivery.partner and not one.is_crm_note for one in record.messages)
    if messages != max(0, changes - 1) and not record.is_erased:
        yield f"{delivery.partner}: {changes} status changes, {messages} messages"


@check
def messages_are_sent_once(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """A person received each message that is `sent` once, and none that is neither `sent` nor `unknown`."""
    received: dict[str, list[str]] = defaultdict(list)
    people: dict[str, list[LeadRecord]] = defaultdict(list)
    for message in snapshot.sent_messages:
        received[message["phone"] or ""].append(message["text"])
    for record in snapshot.leads.values():
        if record.posted is not None:
            people[record.posted.phone].append(record)
    for phone in received.keys() | people.keys():
        if any(record.is_erased for record in people[phone]):
            continue  # the messages are erased with the person
        names, texts = ", ".join(record.lead_id for record in people[phone]) or "no lead", received[phone]
        messages = [one for record in people[phone] for one in record.messages if not one.is_crm_note]
        distinct = {(one.partner, one.partner_status, one.text, one.template_id) for one in messages}
        if len(texts) - len(set(texts)) > len(messages) - len(distinct):  # a repeated status has another message
            yield names, f"received twice: {'; '.join(text for text, number in Counter(texts).items() if number > 1)}"
        states = Counter(message.state for message in messages)
        sent, unknown = states[MessageState.SENT], states[MessageState.UNKNOWN]
        if not sent <= len(texts) <= sent + unknown:
            yield names, f"received {len(texts)} messages; {sent} are sent and {unknown} unknown"


@check_leads
def messages_are_in_order(_: Snapshot, record: LeadRecord) -> Iterator[str]:
    """Status messages are sent in the order of their delivery, and of their lead unless an operator retries one."""
    sent = [one for one in sort_for_sending(record.messages) if one.group == "notification" and one.sent_at is not None]
    lines = [[one for one in sent if one.partner == partner] for partner in {one.partner for one in sent}]
    if not record.entries("message_retry_requested"):
        lines.append(sent)
    for line in lines:
        times = [message.sent_at for message in line if message.sent_at is not None]
        if times != sorted(times):
            yield f"its messages were sent at {', '.join(map(str, times))}"


@check_leads
def changes_have_postbacks(snapshot: Snapshot, record: LeadRecord) -> Iterator[str]:
    """Each submission and each new outcome of a source with a tracker has one postback, and there are no others."""
    source = snapshot.sources.get(record.lead.source)
    wanted = {
        event_id(record.lead_id, partner, version, tracker, event)
        for tracker, rules in (source.feedback if source is not None else {}).items()
        for partner in record.deliveries
        for version, event in _events(record, partner)
        if event in rules.on
    }
    found = [one.event_id for one in record.postbacks]
    if sorted(found) != sorted(wanted) and not record.is_erased:
        yield f"{len(found)} postbacks, {len(wanted)} changes, {len(wanted & set(found))} of both"


@check_leads
def postbacks_are_accepted_or_failed(snapshot: Snapshot, record: LeadRecord) -> Iterator[str]:
    """The tracker has each accepted postback once, no other; a failed one has a dead letter, unless erased."""
    letters = {one.event_id for one in snapshot.dead_letters}
    received = Counter(one["event_id"] for one in snapshot.tracker_events if one["lead_id"] == record.lead_id)
    for one in record.postbacks:
        number = received.pop(one.event_id, 0)
        is_right, wrong = {
            PostbackState.ACCEPTED: (number == 1, f"is accepted, and the tracker has it {number} times"),
            PostbackState.FAILED: (one.event_id in letters or record.is_erased, "failed without a dead letter"),
            PostbackState.SKIPPED: (one.last_error_code in SKIPPED_FOR, f"was skipped for {one.last_error_code}"),
        }.get(one.state, (False, f"is {one.state}"))
        if not is_right:
            yield f"{one.event} at {one.partner} {wrong}"
    for unknown in received:
        yield f"the tracker has {unknown}, which is not a postback of the lead"


@check_deliveries
def postbacks_are_in_order(snapshot: Snapshot, record: LeadRecord, delivery: Delivery) -> Iterator[str]:
    """The tracker got the events of a delivery in the order of its versions, unless one of the lead was sent again."""
    place = {one["event_id"]: number for number, one in enumerate(snapshot.tracker_events)}
    own = sort_for_sending(one for one in record.postbacks if one.partner == delivery.partner)
    got = [place[one.event_id] for one in own if one.event_id in place]
    if got != sorted(got) and not record.entries("postback_resend_requested"):
        yield f"the tracker got its events at {delivery.partner} in the order {got}"


def _events(record: LeadRecord, partner: str) -> Iterator[tuple[int, str]]:
    """The versions and events of a delivery's timeline."""
    outcome, has_lead = None, False
    for step in record.steps(partner):
        had_lead, data = has_lead, step.entry.data
        match step.entry.what:
            case "submitted":
                has_lead = True
            case "resolved":
                has_lead, outcome = data.get("outcome") != "not_created", None
            case "resolution_withdrawn" | "retry_requested":
                has_lead, outcome = False, None
            case "status_changed":
                before, outcome = outcome, data.get("outcome")
                if outcome is not None and outcome != before:
                    yield step.version, outcome
        if has_lead and not had_lead:
            yield step.version, SUBMITTED

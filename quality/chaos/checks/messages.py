"""Messages: one for each status change, each sent once, in order, and no others."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from leadbridge.domain.message import Message, MessageState, sort_for_sending
from quality.chaos.reconciliation import LeadRecord, Snapshot, check


@check
def status_changes_have_messages(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """Each status change after a delivery's first has a message, and there are no other messages."""
    for lead_id, record in snapshot.leads.items():
        if record.lead.erased_at is not None:
            continue
        for partner in record.deliveries:
            changes = sum(one.what == "status_changed" and one.partner == partner for one in record.timeline.values())
            messages = len(_to_person(record, partner))
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
        if any(record.lead.erased_at is not None for record in records):
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
        sent = [
            one for one in sort_for_sending(record.messages) if one.group == "notification" and one.sent_at is not None
        ]
        lines = [[one for one in sent if one.partner == partner] for partner in {one.partner for one in sent}]
        if not any(entry.what == "message_retry_requested" for entry in record.timeline.values()):
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
            messages = sort_for_sending(_to_person(record, partner))
            sent = [one for one in messages if one.group == "notification" and one.sent_at is not None]
            last = max(sent, key=lambda one: (one.sent_at or one.created_at, sent.index(one)), default=None)
            if last is not None and last != sent[-1]:
                yield lead_id, f"{partner}: {last.partner_status} was sent after {sent[-1].partner_status}"


def _to_person(record: LeadRecord, partner: str) -> list[Message]:
    return [message for message in record.messages if message.partner == partner and not message.is_crm_note]

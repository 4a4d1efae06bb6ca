"""People hear of every change, of each once, in their order; and of nothing that nobody wrote."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from leadbridge.domain.message import Message, MessageState, sort_for_sending
from quality.chaos.reconciliation import Books, File, check


@check
def every_change_is_told(books: Books) -> Iterator[tuple[str, str]]:
    """Each change of a status after a delivery's first is a message, and no message is of anything else."""
    for lead_id, file in books.files.items():
        if file.lead.erased_at is not None:
            continue
        for partner in file.deliveries:
            changes = sum(one.what == "status_changed" and one.partner == partner for one in file.steps.values())
            told = len(_told(file, partner))
            if told != max(0, changes - 1):
                yield lead_id, f"{partner} changed its status {changes} times, and there are {told} messages of it"


@check
def no_message_goes_out_twice(books: Books) -> Iterator[tuple[str, str]]:
    """A person reads each message that is sent once, none that is not, and of an unknown one nobody can tell."""
    read: dict[str, list[str]] = defaultdict(list)
    for message in books.sent:
        read[message["phone"] or ""].append(message["text"])
    leads: dict[str, list[str]] = defaultdict(list)
    for lead_id, posted in books.who.items():
        leads[posted.phone].append(lead_id)
    for phone in read.keys() | leads.keys():
        files = [books.files[lead_id] for lead_id in leads[phone] if lead_id in books.files]
        names, texts = ", ".join(leads[phone]) or "nobody", read[phone]
        if any(file.lead.erased_at is not None for file in files):
            continue  # its messages are forgotten with the person
        messages = [message for file in files for message in file.messages if not message.is_crm_note]
        said = {(one.partner, one.partner_status, one.text, one.template_id) for one in messages}
        if len(texts) - len(set(texts)) > len(messages) - len(said):  # a repeated status is sent again
            twice = [text for text, number in Counter(texts).items() if number > 1]
            yield names, f"read twice: {'; '.join(twice)}"
        states = Counter(message.state for message in messages)
        least, most = states[MessageState.SENT], states[MessageState.SENT] + states[MessageState.UNKNOWN]
        if not least <= len(texts) <= most:
            yield names, f"read {len(texts)} messages of {least} that are sent and {most - least} unknown"


@check
def messages_come_in_their_order(books: Books) -> Iterator[tuple[str, str]]:
    """Of the messages about statuses, none is sent after a newer one of its delivery, whatever operators retry.

    Between the deliveries of a lead the order holds while no message is retried.
    """
    for lead_id, file in books.files.items():
        told = [
            one for one in sort_for_sending(file.messages) if one.group == "notification" and one.sent_at is not None
        ]
        lines = [[one for one in told if one.partner == partner] for partner in {one.partner for one in told}]
        if not any(entry.what == "message_retry_requested" for entry in file.steps.values()):
            lines.append(told)
        for line in lines:
            times = [message.sent_at for message in line if message.sent_at is not None]
            if times != sorted(times):
                yield lead_id, f"its messages were sent at {', '.join(map(str, times))}"


@check
def the_last_message_is_the_newest(books: Books) -> Iterator[tuple[str, str]]:
    """The last message that a person was sent about a delivery is the newest of those sent, after a redrive, too."""
    for lead_id, file in books.files.items():
        for partner in file.deliveries:
            told = [
                one
                for one in sort_for_sending(_told(file, partner))
                if one.group == "notification" and one.sent_at is not None
            ]
            last = max(told, key=lambda one: (one.sent_at or one.created_at, told.index(one)), default=None)
            if last is not None and last != told[-1]:
                yield lead_id, f"was told {last.partner_status} of {partner} after {told[-1].partner_status}"


def _told(file: File, partner: str) -> list[Message]:
    return [message for message in file.messages if message.partner == partner and not message.is_crm_note]

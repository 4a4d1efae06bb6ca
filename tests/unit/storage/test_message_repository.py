"""Messages in the table: each written once, changed by one writer at a time, kept beside their owner, oldest first."""

from dataclasses import replace
from datetime import timedelta
from itertools import batched
from typing import Any

import pytest

from leadbridge.domain import message as steps
from leadbridge.domain.errors.error_codes import ErrorCode
from leadbridge.domain.events import InvalidEvent, MessageChanged, read_message_changed
from leadbridge.domain.message import Message, MessageState, status_crm_note, status_notification
from leadbridge.domain.message_operator_steps import retry_message_by_operator
from leadbridge.domain.recipient import Contact
from leadbridge.domain.transitions import Conflict, OutOfOrder
from leadbridge.runtime import aws
from leadbridge.storage import items
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.messages import DUE_PARTITION, MessageRepository, message_item, message_of
from leadbridge.storage.stream import event_of
from leadbridge.storage.table import Table
from quality.testkit.fakes.errors import some_error
from quality.testkit.fixtures import TABLE, Time
from quality.testkit.people import NOW, lead
from quality.testkit.template import template

LEAD = lead()
HOUR = timedelta(hours=1)
NEW = status_notification(LEAD.lead_id, "leadleader", 5, "Видано", NOW)
FULL = replace(
    NEW,
    account_id="a1",
    template_id="t1",
    text="Вітаю, {name}!",
    variables={"name": "Ольга", "порожнє": ""},
    state=MessageState.SENDING,
    version=9,
    attempts=3,
    first_attempt_at=NOW,
    next_attempt_at=NOW + HOUR,
    lease_until=NOW + 2 * HOUR,
    sent_at=NOW + 3 * HOUR,
    last_error="away",
)


@pytest.fixture
def outbox(store: LeadRepository) -> MessageRepository:
    store.accept(LEAD, phone_hash=None)
    return MessageRepository(Table(aws.dynamodb(), TABLE))


def timeline(store: LeadRepository) -> list[tuple[str, str | None, str | None]]:
    journey = store.journey(LEAD.lead_id)
    assert journey is not None
    return [(entry.what, entry.partner, entry.detail) for entry in journey.timeline if entry.what != "received"]


@pytest.mark.parametrize("message", [NEW, FULL, Message("acc", "1", NOW)])
def test_a_message_is_read_as_it_was_written(outbox: MessageRepository, message: Message) -> None:
    assert outbox.add(message)
    assert outbox.messages(message.owner) == [message]
    assert message_of(items.decode(items.encode(message_item(message)))) == message


def test_what_is_added_twice_is_there_once_and_as_it_was(outbox: MessageRepository) -> None:
    assert outbox.add(NEW)
    sending = outbox.apply(steps.start_sending(NEW, NOW, HOUR))
    assert not outbox.add(NEW)
    assert outbox.messages(LEAD.lead_id) == [sending]


def test_each_line_counts_the_sends_that_it_started(outbox: MessageRepository) -> None:
    told = [status_notification(LEAD.lead_id, "leadleader", version, "s", NOW) for version in (2, 3)]
    mirror = status_crm_note(LEAD.lead_id, "leadleader", 2, "s", NOW)
    for message in (*told, mirror):
        outbox.add(message)
    read = {one.message_id: one for one in outbox.messages(LEAD.lead_id)}
    assert [one.started_sends for one in read.values()] == [0, 0, 0]
    for message in (told[0], mirror):  # the lines do not hinder each other
        outbox.apply(steps.start_sending(read[message.message_id], NOW, HOUR))
    with pytest.raises(OutOfOrder):
        outbox.apply(steps.start_sending(read[told[1].message_id], NOW, HOUR))
    again = {one.message_id: one for one in outbox.messages(LEAD.lead_id)}
    assert again[told[1].message_id].state is MessageState.PENDING
    assert {one.started_sends for one in again.values()} == {1}
    outbox.apply(steps.start_sending(again[told[1].message_id], NOW, HOUR))
    assert {one.group: one.started_sends for one in outbox.messages(LEAD.lead_id)} == {"notification": 2, "crm_note": 1}


def test_count_of_a_line_expires_and_names_nothing_of_a_person(outbox: MessageRepository) -> None:
    outbox.add(status_notification(LEAD.lead_id, "leadleader", 2, "s", NOW))
    (message,) = outbox.messages(LEAD.lead_id)
    outbox.apply(steps.start_sending(message, NOW, HOUR))
    key = items.encode({"pk": f"LEAD#{LEAD.lead_id}", "sk": "GROUP#notification"})
    item = items.decode(aws.dynamodb().get_item(TableName=TABLE, Key=key)["Item"])
    assert set(item) == {"pk", "sk", "started_sends", "expires_at"}


def test_the_slower_of_two_writers_gets_a_conflict(outbox: MessageRepository, store: LeadRepository) -> None:
    outbox.add(NEW)
    outbox.apply(steps.fail(NEW, NOW, some_error("spent")))
    with pytest.raises(Conflict):
        outbox.apply(steps.skip(NEW, NOW, "nothing is said of this", ErrorCode.NOT_CONFIGURED))
    (kept,) = outbox.messages(LEAD.lead_id)
    assert kept.state is MessageState.FAILED
    assert timeline(store) == [("message_failed", "leeloo", "Видано: spent")], "nothing is told of what was not done"


def test_a_change_to_a_message_that_is_gone_brings_nothing_back(
    outbox: MessageRepository, store: LeadRepository
) -> None:
    with pytest.raises(Conflict):
        outbox.apply(steps.skip(NEW, NOW, "the lead is gone", ErrorCode.NOT_CONFIGURED))
    assert outbox.messages(LEAD.lead_id) == []
    assert timeline(store) == []


def test_messages_come_oldest_first_and_only_their_owners(outbox: MessageRepository) -> None:
    ages = [7, 0, 3, 12, 1]
    for age in ages:
        outbox.add(status_notification(LEAD.lead_id, "leadleader", 2, "s", NOW + timedelta(seconds=age)))
        outbox.add(status_notification("ld_other", "leadleader", 2, "s", NOW + timedelta(seconds=age)))
    outbox.add(Message("acc", "1", NOW))
    found = outbox.messages(LEAD.lead_id)
    assert [(one.created_at - NOW).total_seconds() for one in found] == sorted(ages)
    assert {one.owner for one in found} == {LEAD.lead_id}


def test_more_messages_than_fit_into_a_page_are_all_read(outbox: MessageRepository) -> None:
    long = "щ" * 30_000  # 60 kB each; a page of a query holds 1 MB
    for number in range(25):
        outbox.add(replace(NEW, message_id=f"{number:03d}", text=long))
    assert [one.message_id for one in outbox.messages(LEAD.lead_id)] == [f"{number:03d}" for number in range(25)]


@pytest.mark.parametrize("aws_engine", ["memory"], indirect=True)  # moto takes seconds for so many
def test_the_newest_message_of_an_owner_who_had_very_many_is_found(outbox: MessageRepository) -> None:
    """An operator may write to one account for years, and the newest message is the one that waits."""
    settled = Message("acc", "", NOW, account_id="acc", text="x", state=MessageState.SENT)
    for numbers in batched(range(1001), 25, strict=False):
        written = [items.encode(message_item(replace(settled, message_id=f"{number:06d}"))) for number in numbers]
        aws.dynamodb().batch_write_item(RequestItems={TABLE: [{"PutRequest": {"Item": item}} for item in written]})
    assert outbox.messages("acc")[-1].message_id == "001000"


def test_an_accounts_messages_lie_beside_the_account_and_leave_no_line_in_any_lead(
    outbox: MessageRepository, store: LeadRepository
) -> None:
    hand = Message("5f0c1234", "1", NOW, account_id="5f0c1234", text="Вітаю", due_at=NOW)
    outbox.add(hand)
    outbox.apply(steps.fail(hand, NOW, some_error("spent")))
    assert message_item(hand)["pk"] == "ACCOUNT#5f0c1234"
    assert timeline(store) == []


def test_an_entry_is_written_for_each_step_that_matters_to_an_operator(
    outbox: MessageRepository, store: LeadRepository
) -> None:
    outbox.add(NEW)
    waiting = outbox.apply(steps.wait_until(NEW, NOW, NOW + HOUR))
    outbox.apply(steps.mark_sent(outbox.apply(steps.start_sending(waiting, NOW + HOUR, HOUR)), NOW + HOUR))
    assert timeline(store) == [
        ("message_delayed", "leeloo", "2026-03-01T13:00:00.000Z"),
        ("message_sent", "leeloo", "Видано"),
    ]


def test_two_messages_that_are_settled_in_one_moment_have_a_line_each(
    outbox: MessageRepository, store: LeadRepository
) -> None:
    for version in (2, 3):
        message = status_notification(LEAD.lead_id, "leadleader", version, f"s{version}", NOW)
        outbox.add(message)
        outbox.apply(steps.skip(message, NOW, "nothing is said of this", ErrorCode.NOT_CONFIGURED))
    assert [detail for _, _, detail in timeline(store)] == [
        "s2: nothing is said of this",
        "s3: nothing is said of this",
    ]


def test_what_is_settled_is_due_no_more(outbox: MessageRepository, store: LeadRepository) -> None:
    outbox.add(NEW)
    assert NEW.due_at is not None
    (due,) = store.due(DUE_PARTITION, NEW.due_at, 10)
    assert (due.owner, due.name) == (NEW.owner, NEW.message_id)
    assert list(store.due(DUE_PARTITION, NEW.due_at - timedelta(milliseconds=1), 10)) == []
    outbox.apply(steps.no_channel(NEW, NOW))
    assert list(store.due(DUE_PARTITION, NOW + 100 * HOUR, 10)) == []


@pytest.mark.parametrize(
    "contact",
    [Contact("a1", "p1", "uk"), Contact("a1"), Contact("a1", "p1", "en_US", NOW)],
)
def test_a_contact_is_read_as_it_was_remembered_however_often(outbox: MessageRepository, contact: Contact) -> None:
    assert outbox.contact(LEAD.lead_id) == Contact()
    outbox.remember(LEAD.lead_id, Contact("old", "p0", "ru", NOW - HOUR))
    for _ in range(2):
        outbox.remember(LEAD.lead_id, contact)
        assert outbox.contact(LEAD.lead_id) == contact


def test_an_invitation_does_not_replace_an_account_that_is_known(outbox: MessageRepository) -> None:
    outbox.remember(LEAD.lead_id, Contact("a1"))
    outbox.remember(LEAD.lead_id, Contact(asked_at=NOW))
    assert outbox.contact(LEAD.lead_id) == Contact("a1")


def test_one_at_a_time_makes_a_person_and_a_lost_inviter_may_have_invited(outbox: MessageRepository) -> None:
    assert outbox.claim(LEAD.lead_id, NOW, NOW + HOUR, to_invite=False)
    assert not outbox.claim(LEAD.lead_id, NOW, NOW + HOUR, to_invite=False)
    assert outbox.contact(LEAD.lead_id) == Contact()
    assert outbox.claim(LEAD.lead_id, NOW + HOUR, NOW + 2 * HOUR, to_invite=True)
    assert outbox.contact(LEAD.lead_id) == Contact(asked_at=NOW + HOUR)
    assert not outbox.claim(LEAD.lead_id, NOW + 9 * HOUR, NOW + 10 * HOUR, to_invite=True)
    outbox.forget(LEAD.lead_id)
    assert outbox.claim(LEAD.lead_id, NOW, NOW + HOUR, to_invite=True)


def test_a_message_belongs_to_the_leads_journey_and_a_contact_does_not(
    outbox: MessageRepository, store: LeadRepository, time: Time
) -> None:
    before = store.journey(LEAD.lead_id)
    assert before is not None
    outbox.add(NEW)
    outbox.remember(LEAD.lead_id, Contact("a1"))
    assert store.journey(LEAD.lead_id) == replace(before, messages=(NEW,))


def record(message: Message, event: str = "MODIFY") -> dict[str, Any]:
    """What the table's stream tells of a message."""
    return {"eventName": event, "dynamodb": {"NewImage": items.encode(message_item(message))}}


def test_a_message_is_announced_by_its_id_and_without_its_words() -> None:
    event = event_of(record(FULL, "INSERT"), str)
    assert event == MessageChanged.of(FULL)
    assert event is not None
    assert "Ольга" not in str(event.detail())
    assert "Вітаю" not in str(event.detail())
    assert read_message_changed({"detail-type": "MessageChanged", "detail": event.detail()}) == event


def test_an_erased_message_is_no_announcement() -> None:
    assert event_of({"eventName": "REMOVE", "dynamodb": {"OldImage": items.encode(message_item(NEW))}}, str) is None


@pytest.mark.parametrize("envelope", [None, {}, {"detail-type": "DeliveryChanged"}, {"detail-type": "MessageChanged"}])
def test_an_event_that_is_none_of_ours_is_refused(envelope: Any) -> None:
    with pytest.raises(InvalidEvent):
        read_message_changed(envelope)


def test_the_rule_takes_new_and_retried_messages_to_the_queue_and_no_others() -> None:
    def matches(message: Message) -> bool:
        pattern = template()["Resources"]["MessageRule"]["Properties"]["EventPattern"]
        detail = MessageChanged.of(message).detail()
        assert pattern["detail-type"] == ["MessageChanged"]
        return all(detail[name] in wanted for name, wanted in pattern["detail"].items())

    sending = steps.start_sending(NEW, NOW, HOUR).after
    waiting = steps.schedule_retry(sending, NOW, some_error("away"), HOUR).after
    assert matches(NEW)
    assert not matches(sending)
    assert not matches(waiting), "what brings it back is in the queue already"
    assert not matches(steps.wait_until(NEW, NOW, NOW + HOUR).after)
    older = replace(status_notification(LEAD.lead_id, "leadleader", 1, "s", NOW), state=MessageState.FAILED)
    retried = retry_message_by_operator(
        older, NOW, "olena", others=[replace(waiting, delivery_version=2, partner="leadleader")]
    )
    assert matches(retried.after)
    assert retried.also is not None
    assert matches(retried.also.after), "a worker may have found no older message just before"
    assert not matches(steps.mark_sent(sending, NOW).after)
    assert not matches(steps.mark_unknown(sending, NOW, some_error("lost")).after)

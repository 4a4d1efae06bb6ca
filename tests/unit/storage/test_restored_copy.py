"""What a restored copy brings back, and that nothing of it is sent a second time."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from leadbridge.domain import delivery as steps
from leadbridge.domain.accounts.account import StoredAccount
from leadbridge.domain.delivery import State
from leadbridge.domain.errors.error_codes import ErrorCode
from leadbridge.domain.events import DeliveryChanged
from leadbridge.domain.fetch import FetchState, new_fetch
from leadbridge.domain.message import MessageState, operator_message, status_notification
from leadbridge.domain.message_operator_steps import retry_message_by_operator
from leadbridge.domain.operator_steps import WrongState, retry_by_operator
from leadbridge.domain.recipient import Contact
from leadbridge.domain.statuses.status_change import record_status
from leadbridge.domain.transitions import ImpossibleTransition
from leadbridge.runtime import aws
from leadbridge.services.dead_letters.queues import DeadLetter
from leadbridge.services.dead_letters.record_answer import DeadLetterKept
from leadbridge.services.dead_letters.redrive import Redriver
from leadbridge.settings import Settings
from leadbridge.storage import items
from leadbridge.storage.accounts import AccountRepository
from leadbridge.storage.erasure.eraser import Eraser
from leadbridge.storage.feedback.postbacks import PostbackRepository
from leadbridge.storage.fetches import FetchRepository, fetch_item, fetch_of
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.leeloo_events import LeelooEvent, LeelooEventRepository
from leadbridge.storage.messages import MessageRepository, message_item, message_of
from leadbridge.storage.stream import event_of
from leadbridge.storage.table import Table
from leadbridge_cli.restored_copy import put_back, settled
from quality.testkit.fakes.errors import some_error
from quality.testkit.fixtures import TABLE
from quality.testkit.people import NOW, lead
from quality.testkit.template import resources

COPY = "the-copy"
LATER = NOW + timedelta(hours=3)


@pytest.fixture
def aws_engine() -> str:
    """Only moto has backups and restores."""
    return "moto"


@pytest.fixture
def copy(store: LeadRepository) -> str:
    """A copy of the table as it stood when one lead had just come."""
    store.accept(lead(), phone_hash=None)
    return copied()


def copied() -> str:
    """Copy the table as it is now."""
    client = aws.dynamodb()
    client.update_continuous_backups(
        TableName=TABLE, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )
    client.restore_table_to_point_in_time(SourceTableName=TABLE, TargetTableName=COPY, UseLatestRestorableTime=True)
    return COPY


def restored(*, write: bool = True, leads: list[str] | None = None) -> Any:
    return put_back(aws.dynamodb(), COPY, TABLE, leads, write=write, tell=lambda _line: None, now=LATER)


def submit(store: LeadRepository) -> None:
    """What happened after the moment to which the copy goes back."""
    delivery = store.delivery(lead().lead_id, "leadleader")
    assert delivery is not None
    started = store.apply(steps.start_attempt(delivery, NOW, timedelta(minutes=1)))
    store.apply(steps.confirm(started, NOW, 24, is_followed=False))


@pytest.mark.usefixtures("copy")
def test_a_delivery_that_waited_in_the_copy_is_unknown_and_never_due(store: LeadRepository) -> None:
    submit(store)
    assert restored() == {"put back": 2, "settled (need a decision)": 1}
    journey = store.journey(lead().lead_id)
    assert journey is not None
    delivery = journey.deliveries["leadleader"]
    assert (delivery.state, delivery.due_at, delivery.last_error_code) == (State.UNKNOWN, None, ErrorCode.RESTORED)
    assert [entry.what for entry in journey.timeline][-1] == "unknown"
    assert list(store.due("leadleader", LATER + timedelta(days=365), 10)) == []


@pytest.mark.usefixtures("copy")
def test_the_next_change_of_a_restored_delivery_is_newer_than_what_the_live_table_has(store: LeadRepository) -> None:
    """Else its messages and postbacks would count as older than those that were sent, or get the same event id."""
    submit(store)
    live = store.delivery(lead().lead_id, "leadleader")
    restored()
    after = store.delivery(lead().lead_id, "leadleader")
    assert live is not None
    assert after is not None
    assert after.version > live.version


@pytest.mark.usefixtures("copy")
def test_it_may_be_repeated(store: LeadRepository) -> None:
    assert restored() == restored()


@pytest.mark.usefixtures("copy")
def test_nothing_is_written_unless_it_is_asked_for(store: LeadRepository) -> None:
    submit(store)
    restored(write=False)
    delivery = store.delivery(lead().lead_id, "leadleader")
    assert delivery is not None
    assert delivery.state is State.SUBMITTED


@pytest.mark.usefixtures("copy")
def test_only_the_leads_that_are_named_come_back(store: LeadRepository) -> None:
    assert restored(leads=["ld_nobody"]) == {}
    assert restored(leads=[lead().lead_id])["put back"] == 2


@pytest.mark.usefixtures("copy")
def test_a_person_who_was_erased_stays_erased(store: LeadRepository) -> None:
    tombstone = items.lead_key(lead().lead_id) | {"erased_at": "2026-03-01T13:00:00Z"}
    aws.dynamodb().put_item(TableName=TABLE, Item=items.encode(tombstone))
    tie = {"pk": "ACCOUNT#matchtrade#u", "sk": "LINK", "lead_id": lead().lead_id}
    aws.dynamodb().put_item(TableName=COPY, Item=items.encode(tie))
    assert restored() == {"skipped (erased people)": 3}


def test_what_names_no_lead_of_an_erased_person_is_erased_again(store: LeadRepository) -> None:
    """Their account in the broker's list, an event that came before the lead, a message to their account at Leeloo."""
    table, outbox = aws.dynamodb(), MessageRepository(Table(aws.dynamodb(), TABLE))
    content = {"type": "ORDER", "data": {"order_id": "o1", "phone": "+380500000001"}}
    LeelooEventRepository(Table(table, TABLE), str, lambda: NOW).store(
        LeelooEvent.of(content, json.dumps(content).encode())
    )
    AccountRepository(Table(table, TABLE), "matchtrade", str).store(
        [StoredAccount("u-1", NOW, email="olena@example.com")]
    )
    text = "Добрий день"
    outbox.add(operator_message("acc-1", NOW, "x", account_id="acc-1", template_id=None, text=text, variables={}))
    store.accept(lead(), phone_hash="+380500000001", email_hash="olena@example.com")
    outbox.remember(lead().lead_id, Contact("acc-1", lead_received_at=NOW))
    copied()
    Eraser(Table(table, TABLE)).erase(lead().lead_id, "anna", NOW)
    restored()
    left = str(table.scan(TableName=TABLE)["Items"])
    assert not [word for word in ("380500000001", "olena@", "Добрий", "acc-1") if word in left]


@pytest.mark.parametrize("state", list(MessageState))
def test_message_that_may_have_been_sent_since_is_unknown_and_never_sent_again(state: MessageState) -> None:
    before = replace(status_notification(lead().lead_id, "leadleader", 3, "Погоджено", NOW), state=state)
    after = message_of(settled(message_item(before), LATER)[0])
    if state in {MessageState.PENDING, MessageState.SENDING, MessageState.FAILED}:
        assert (after.state, after.last_error_code, after.due_at) == (MessageState.UNKNOWN, ErrorCode.RESTORED, None)
        with pytest.raises(ImpossibleTransition):
            retry_message_by_operator(after, LATER, "olena")
    else:
        assert after == before


@pytest.mark.parametrize("state", [State.FAILED, State.REJECTED, State.DUPLICATE, State.UNKNOWN, State.RECEIVED])
def test_delivery_that_was_restored_is_retried_only_with_a_confirmation(state: State) -> None:
    """An operator may have retried it after the restored moment."""
    waiting = steps.new_delivery(lead().lead_id, "leadleader", "web", NOW)
    restored = items.delivery_of(settled(items.delivery_item(replace(waiting, state=state)), LATER)[0])
    assert restored.restored_at == LATER
    with pytest.raises(WrongState):
        retry_by_operator(restored, LATER, "olena", is_confirmed=False)
    again = retry_by_operator(restored, LATER, "olena", is_confirmed=True).after
    assert (again.state, again.restored_at) == (State.RECEIVED, None)


@pytest.mark.usefixtures("copy")
def test_letter_of_a_delivery_that_was_restored_is_kept(store: LeadRepository) -> None:
    found = store.delivery(lead().lead_id, "leadleader")
    assert found is not None
    gone = items.encode(items.delivery_item(steps.fail(found, NOW, some_error("spent")).after))
    aws.dynamodb().put_item(TableName=COPY, Item=gone)
    assert restored() == {"put back": 2}
    table = Table(aws.dynamodb(), TABLE)
    reviver = Redriver(
        store, MessageRepository(table), FetchRepository(table), PostbackRepository(table), {}, "olena", lambda: LATER
    )
    letter = DeadLetter("submit-leadleader", "l-1", 0, "submit", "spent", lead_id=lead().lead_id, partner="leadleader")
    with pytest.raises(DeadLetterKept) as kept:
        reviver.redrive(letter)
    assert kept.value.info.code == "needs_confirmation"
    after = store.delivery(lead().lead_id, "leadleader")
    assert after is not None
    assert after.state is State.FAILED


def test_a_status_from_before_the_backup_is_not_sent_after_a_restore(shipped_settings: Settings) -> None:
    known = steps.confirm(
        steps.start_attempt(
            steps.new_delivery(lead().lead_id, "leadleader", "web", NOW), NOW, timedelta(minutes=1)
        ).after,
        NOW,
        24,
        is_followed=True,
    ).after
    known = replace(known, partner_status="В обробці")
    delivery = items.delivery_of(settled(items.delivery_item(known), LATER)[0])
    partner = shipped_settings.partners["leadleader"]
    first = record_status(delivery, "Погоджено", partner, LATER, with_crm_note=True)
    assert {(one.state, one.last_error_code, one.due_at) for one in first.messages} == {
        (MessageState.SKIPPED, ErrorCode.RESTORED, None)
    }
    second = record_status(first.after, "Видано", partner, LATER, with_crm_note=False)
    assert [one.state for one in second.messages] == [MessageState.PENDING]


def test_a_lead_that_was_to_be_fetched_is_not_fetched_again() -> None:
    fetch = new_fetch(lead().lead_id, "meta-credit", {"leadgen_id": "1"}, NOW)
    after = fetch_of(settled(fetch_item(fetch), LATER)[0])
    assert (after.state, after.restored_at) == (FetchState.FAILED, LATER)


@pytest.mark.parametrize("state", [State.RECEIVED, State.SUBMITTING])
def test_no_rule_of_the_bus_takes_what_was_put_back(state: State) -> None:
    waiting = steps.new_delivery(lead().lead_id, "leadleader", "web", NOW)
    if state is State.SUBMITTING:
        waiting = steps.start_attempt(waiting, NOW, timedelta(minutes=1)).after
    after, _entry = settled(items.delivery_item(waiting), LATER)
    told = event_of({"eventName": "INSERT", "dynamodb": {"NewImage": items.encode(after)}}, str)
    assert isinstance(told, DeliveryChanged)
    for rule in resources("AWS::Events::Rule").values():
        assert "unknown" not in rule["Properties"]["EventPattern"]["detail"]["state"]
    assert told.state is State.UNKNOWN

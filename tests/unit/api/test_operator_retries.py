"""Fetches and messages are retried by an operator, with or without their dead letter."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from types import ModuleType
from typing import Any
from urllib.parse import quote

import pytest

from leadbridge.domain import fetch as fetch_steps
from leadbridge.domain import message as message_steps
from leadbridge.domain.fetch import Fetch, FetchState
from leadbridge.domain.lead import Lead
from leadbridge.domain.message import Message, MessageState, status_notification
from leadbridge.runtime import aws
from leadbridge.settings import Settings
from leadbridge.storage.erasure.eraser import Eraser
from leadbridge.storage.fetches import FetchRepository, fetch_item
from leadbridge.storage.items import encode
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.messages import MessageRepository
from leadbridge.storage.table import Table
from quality.testkit.fakes.errors import some_error
from quality.testkit.fixtures import TABLE, Context
from quality.testkit.people import NOW, lead

LEAD = lead()
NAMED = "ld_" + "a" * 26
FETCH, MESSAGE = "/leads/{lead_id}/fetch/retry", "/leads/{lead_id}/messages/{message_id}/retry"
DELIVERY = "/leads/{lead_id}/deliveries/{partner}/retry"
Ask = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def ask(
    store: LeadRepository, shipped_settings: Settings, function: Callable[[str], ModuleType], context: Context
) -> Ask:
    app = function("manage_leads")

    def send(resource: str, body: object = None, **place: str) -> tuple[int, dict[str, Any]]:
        event = {
            "httpMethod": "POST",
            "resource": resource,
            "pathParameters": place,
            "requestContext": {"authorizer": {"operator": "olena"}},
            "body": None if body is None else json.dumps(body),
        }
        response = app.handler(event, context)
        return response["statusCode"], json.loads(response["body"])

    return send


@pytest.fixture
def arrivals(store: LeadRepository) -> FetchRepository:
    return FetchRepository(Table(aws.dynamodb(), TABLE))


@pytest.fixture
def outbox(store: LeadRepository) -> MessageRepository:
    store.accept(LEAD, phone_hash=None)
    return MessageRepository(Table(aws.dynamodb(), TABLE))


def named(store: LeadRepository, arrivals: FetchRepository) -> Fetch:
    """A lead whose fetch failed."""
    fetch = fetch_steps.new_fetch(NAMED, "meta-credit", {"leadgen_id": "77"}, NOW)
    empty = Lead(lead_id=NAMED, source="meta-credit", received_at=NOW, partners=())
    store.accept(empty, phone_hash=None, fetch=fetch)
    return arrivals.apply(fetch_steps.fail(fetch, NOW, some_error("the token was refused")))


def failed(outbox: MessageRepository, version: int = 2) -> Message:
    message = status_notification(LEAD.lead_id, "leadleader", version, f"s{version}", NOW)
    outbox.add(message)
    return outbox.apply(message_steps.fail(message, NOW, some_error("the token was refused")))


def test_failed_fetch_is_retried_without_its_letter(ask: Ask, store: LeadRepository, arrivals: FetchRepository) -> None:
    named(store, arrivals)
    status, said = ask(FETCH, lead_id=NAMED)
    assert (status, said["state"]) == (202, "pending")
    fetch = arrivals.fetch(NAMED)
    assert fetch is not None
    assert (fetch.state, fetch.next_attempt_at, fetch.due_at is not None) == (FetchState.PENDING, None, True)
    journey = store.journey(NAMED)
    assert journey is not None
    assert (journey.timeline[-1].what, journey.timeline[-1].detail) == ("fetch_requested", "by olena")
    assert ask(FETCH, lead_id=NAMED)[0] == 409, "it is pending"


def test_fetch_that_was_restored_is_retried_only_with_a_confirmation(
    ask: Ask, store: LeadRepository, arrivals: FetchRepository
) -> None:
    """The lead may have been fetched and delivered after the restored moment."""
    failed = named(store, arrivals)
    aws.dynamodb().put_item(TableName=TABLE, Item=encode(fetch_item(replace(failed, restored_at=NOW))))
    assert ask(FETCH, lead_id=NAMED)[0] == 409
    assert ask(FETCH, {"confirm": True}, lead_id=NAMED)[0] == 202
    fetch = arrivals.fetch(NAMED)
    assert fetch is not None
    assert (fetch.state, fetch.restored_at) == (FetchState.PENDING, None)


def test_lead_without_a_fetch_has_none_to_retry(ask: Ask, outbox: MessageRepository) -> None:
    assert ask(FETCH, lead_id=LEAD.lead_id)[0] == 409
    assert ask(DELIVERY, lead_id=LEAD.lead_id, partner="meta")[0] == 404
    assert ask(DELIVERY, lead_id=LEAD.lead_id, partner="graph")[0] == 404
    assert ask(FETCH, lead_id=lead(9).lead_id)[0] == 404
    assert ask(FETCH, lead_id="ld_nobody")[0] == 404


@pytest.mark.parametrize("written", [str, lambda message_id: quote(message_id, safe="")])
def test_failed_message_is_retried_without_its_letter(
    ask: Ask, outbox: MessageRepository, written: Callable[[str], str]
) -> None:
    """The gateway may hand the id on as it came in the path, or decoded."""
    message = failed(outbox)
    status, said = ask(MESSAGE, lead_id=LEAD.lead_id, message_id=written(message.message_id))
    assert (status, said) == (202, {"message_id": message.message_id, "status": "pending"})
    after = outbox.message(LEAD.lead_id, message.message_id)
    assert after is not None
    assert (after.state, after.next_attempt_at, after.last_error) == (MessageState.PENDING, None, None)
    assert ask(MESSAGE, lead_id=LEAD.lead_id, message_id=message.message_id)[0] == 409, "it is pending"


def test_retried_message_that_a_newer_one_has_replaced_is_skipped(ask: Ask, outbox: MessageRepository) -> None:
    older, newer = failed(outbox), status_notification(LEAD.lead_id, "leadleader", 3, "s3", NOW)
    outbox.add(newer)
    sending = outbox.apply(message_steps.start_sending(newer, NOW, timedelta(minutes=1)))
    outbox.apply(message_steps.mark_unknown(sending, NOW, some_error("the reply was lost")))
    assert ask(MESSAGE, lead_id=LEAD.lead_id, message_id=older.message_id) == (
        202,
        {"message_id": older.message_id, "status": "skipped"},
    )
    assert ask(MESSAGE, lead_id=LEAD.lead_id, message_id=newer.message_id)[0] == 409, "a lost reply is never resent"


@pytest.mark.parametrize("message_id", ["", "2026#none", "x" * 300, "../x", "%"])
def test_message_that_is_not_there_is_not_retried(ask: Ask, outbox: MessageRepository, message_id: str) -> None:
    assert ask(MESSAGE, lead_id=LEAD.lead_id, message_id=message_id)[0] == 404


def test_nothing_of_an_erased_person_is_retried(
    ask: Ask, store: LeadRepository, outbox: MessageRepository, arrivals: FetchRepository
) -> None:
    message = failed(outbox)
    named(store, arrivals)
    for lead_id in (LEAD.lead_id, NAMED):
        Eraser(Table(aws.dynamodb(), TABLE)).erase(lead_id, "olena", NOW)
    assert ask(MESSAGE, lead_id=LEAD.lead_id, message_id=message.message_id)[0] == 409
    assert ask(FETCH, lead_id=NAMED)[0] == 409

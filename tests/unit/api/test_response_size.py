"""No list is longer than Lambda can return: pages end earlier with a cursor, a lead's oldest entries are left out."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from types import ModuleType
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadbridge.api.resources import Resources
from leadbridge.api.response_size import MAX_BYTES, bounded_journey, first_that_fit, payload_bytes
from leadbridge.domain.lead import MAX_UTM_LENGTH, MAX_UTM_TAGS, Lead
from leadbridge.runtime import aws
from leadbridge.services.dead_letters.queues import CurrentLetter, DeadLetter
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.leeloo_events import LeelooEvent, LeelooEventRepository
from leadbridge.storage.table import QueryPage, Table
from quality.testkit.fixtures import TABLE, Context
from quality.testkit.operator_api import Get, ids
from quality.testkit.people import NOW, lead

LAMBDA = 6_291_556  # bytes that a synchronous response may have
LONG = '"\\😀' * (MAX_UTM_LENGTH // 3)  # what takes most bytes in JSON inside of JSON


def longest_lead(number: int) -> Lead:
    """A lead with as many tags as are kept, each as long as may be."""
    tags = {f"{LONG}{tag:02d}"[-MAX_UTM_LENGTH:]: LONG for tag in range(MAX_UTM_TAGS)}
    return lead(number, received_at=NOW + timedelta(minutes=number)).model_copy(update={"utm": tags})


def returned(response: dict[str, Any]) -> int:
    """Bytes of the response as Lambda's runtime writes it."""
    return len(json.dumps(response, ensure_ascii=False).encode())


def test_a_page_of_the_longest_leads_ends_early_and_its_cursor_goes_on(
    store: LeadRepository,
    get: Get,
    function: Callable[[str], ModuleType],
    context: Context,
) -> None:
    many = [longest_lead(number) for number in range(24)]
    for one in many:
        store.accept(one, phone_hash=None)
    newest_first = [one.lead_id for one in reversed(many)]

    event = {"httpMethod": "GET", "resource": "/leads", "queryStringParameters": {"limit": "100"}}
    response = function("manage_leads").handler(event, context)
    assert 1_000_000 < returned(response) < LAMBDA
    page = json.loads(response["body"])
    assert 1 < len(page["leads"]) < len(many)
    assert page["cursor"] is not None

    assert ids(get, limit="100") == newest_first
    assert ids(get, limit="100", status="received") == newest_first
    assert ids(get, limit="7") == newest_first


@given(timeline=st.lists(st.integers(0, 200_000), max_size=60), messages=st.lists(st.integers(0, 200_000), max_size=60))
def test_of_a_leads_timeline_and_messages_the_newest_are_shown_and_the_rest_is_counted(
    timeline: list[int], messages: list[int]
) -> None:
    entries: list[Any] = [{"number": number, "detail": '"' * length} for number, length in enumerate(timeline)]
    texts: list[Any] = [{"number": number, "text": "ї" * length} for number, length in enumerate(messages)]
    lead: Any = {"lead_id": "ld_1"}
    shown = bounded_journey(lead, {}, entries, texts)
    assert payload_bytes(shown) < LAMBDA
    left_out = shown.get("left_out", {"timeline": 0, "messages": 0})
    assert shown["timeline"] == entries[left_out["timeline"] :]
    assert shown["messages"] == texts[left_out["messages"] :]
    if payload_bytes([*entries, *texts]) < MAX_BYTES // 2:
        assert "left_out" not in shown


def test_a_list_that_fits_is_whole_and_one_that_does_not_begins_with_its_first() -> None:
    values = ["a" * 1000] * 10_000
    assert first_that_fit(values[:100]) == values[:100]
    kept = first_that_fit(values)
    assert 4000 < len(kept) < 5000
    assert payload_bytes(kept) < LAMBDA


def test_dead_letters_that_do_not_fit_are_counted(
    aws_mocked: None, function: Callable[[str], ModuleType], context: Context
) -> None:
    one = DeadLetter("checks", "1", 0, "check", "ї" * 100_000)
    found = [CurrentLetter(replace(one, dead_letter_id=str(number)), is_shown=False) for number in range(80)]
    with patch.object(Resources, "dead_letters", lambda _: type("Queues", (), {"current": lambda _: found})()):
        event = {"httpMethod": "GET", "resource": "/dead-letters"}
        response = function("manage_leads").handler(event, context)
    assert returned(response) < LAMBDA
    content = json.loads(response["body"])
    assert len(content["dead_letters"]) + content["left_out"] == 80
    assert content["dead_letters"][0]["dead_letter_id"] == "0"


def test_a_leads_journey_does_not_read_the_bodies_of_leeloos_events(store: LeadRepository) -> None:
    one = lead(1)
    store.accept(one, phone_hash="a-hash")
    body = json.dumps({"type": "ORDER", "data": {"phone": one.person.phone}}).encode()
    inbox = LeelooEventRepository(store._table, lambda _: "a-hash", lambda: NOW)
    assert inbox.store(LeelooEvent.of(json.loads(body), body)) == (True, one.lead_id)
    read: list[dict[str, Any]] = []

    class Noting(Table):
        def page(self, *args: Any, **more: Any) -> QueryPage:
            found = super().page(*args, **more)
            read.extend(found.items)
            return found

    journey = LeadRepository(Noting(aws.dynamodb(), TABLE)).journey(one.lead_id)
    assert journey is not None
    assert all("body" not in values for values in read)
    assert "LEAD" in {values["sk"] for values in read}
    assert "leeloo_order" in [entry.what for entry in journey.timeline]


@pytest.mark.parametrize("value", ["", '"', "\\", "ї", "😀", "\n", {"a": ['"']}])
def test_bytes_are_counted_as_lambda_writes_them(value: object) -> None:
    assert payload_bytes(value) == returned({"b": json.dumps(value, ensure_ascii=False)}) - len('{"b": }')

"""Errors and timeline entries are read by their codes and data. Their wording can change without any effect."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from leadbridge.api.schemas import entry_view, journey_view
from leadbridge.domain import delivery as steps
from leadbridge.domain import fetch as fetches
from leadbridge.domain import message as messages
from leadbridge.domain import operator_steps as operators
from leadbridge.domain.errors.error_codes import ErrorCode, ErrorInfo, last_error, parse_error_code
from leadbridge.domain.errors.partner_errors import Misconfigured, PartnerError, RateLimited, Unavailable
from leadbridge.domain.message import status_notification
from leadbridge.domain.routing.fallback import NextOn, open_next
from leadbridge.domain.timeline import Entry
from leadbridge.partners.graph.answers import lead_in
from leadbridge.partners.http import Answer, rejection_error
from leadbridge.partners.leadleader.answers import deal_id_in, status_in, tokens_in
from leadbridge.partners.leeloo.answers import reply_in
from leadbridge.partners.matchtrade.answers import account_uuid_in, grant_in, page_in
from leadbridge.services.dead_letters.queues import parse_dead_letter
from leadbridge.services.dead_letters.redrive import NOTED_CODES
from leadbridge.storage import items
from leadbridge.storage.fetches import fetch_item, fetch_of
from leadbridge.storage.leads import Journey
from leadbridge.storage.messages import message_item, message_of
from leadbridge_cli.output import entry_details, error_meaning
from quality.testkit.people import NOW, lead
from tools.openapi import document

LEAD = lead()
MINUTE = timedelta(minutes=1)
SELDOM = ErrorInfo(ErrorCode.FIELDS_REJECTED, "the partner refused it", {"http_status": 400, "fields": ["phone"]})


def answer(status: int, body: object = None, **headers: str) -> Answer:
    return Answer(status, headers, b"" if body is None else json.dumps(body).encode())


def test_each_code_has_a_meaning_that_the_api_documents() -> None:
    described = document()["components"]["schemas"]["ErrorCode"]
    for code in ErrorCode:
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", code.value)
        assert code.meaning.endswith(".")
        assert f"`{code}`: {code.meaning}" in described["description"]
        assert error_meaning(code.value) == code.meaning
    assert set(described["enum"]) == {code.value for code in ErrorCode}
    assert set(ErrorCode) >= NOTED_CODES
    assert (parse_error_code("of_another_version"), error_meaning("of_another_version")) == (None, None)


D = {"c": "d"}
TOKEN_REFUSED = {"error": "invalid_client"}
SHAPE = {"status": "x", "message": "x"}
RAISED: list[tuple[Callable[[], object], ErrorCode, dict[str, Any]]] = [
    (lambda: tokens_in(answer(200, {"error": "Пароль невірний"})), ErrorCode.PASSWORD_WRONG, {"fields": ["password"]}),
    (
        lambda: tokens_in(answer(200, {"error": "Такого користувача не існує"})),
        ErrorCode.LOGIN_UNKNOWN,
        {"fields": ["email"]},
    ),
    (lambda: tokens_in(answer(200, {})), ErrorCode.RESPONSE_INVALID, {"http_status": 200}),
    (
        lambda: deal_id_in(answer(400, {"clientInfo": {"stateCode": ["?"]}})),
        ErrorCode.TAX_NUMBER_INVALID,
        {"http_status": 400, "fields": ["tax_number"]},
    ),
    (
        lambda: deal_id_in(answer(400, {"clientInfo": {"PIB": ["?"], "summa": ["?"]}})),
        ErrorCode.FIELDS_REJECTED,
        {"http_status": 400, "fields": ["amount", "full_name"]},
    ),
    (lambda: deal_id_in(answer(400, {"error": "?"})), ErrorCode.REJECTED, {"http_status": 400}),
    (lambda: deal_id_in(answer(403)), ErrorCode.PROXY_PAGE, {"http_status": 403}),
    (lambda: deal_id_in(answer(200)), ErrorCode.RESPONSE_AMBIGUOUS, {"http_status": 200}),
    (lambda: deal_id_in(answer(401)), ErrorCode.TOKEN_REFUSED, {"http_status": 401}),
    (
        lambda: status_in(answer(429, None, **{"retry-after": "7"})),
        ErrorCode.RATE_LIMITED,
        {"http_status": 429, "retry_after": 7},
    ),
    (lambda: grant_in(answer(401, TOKEN_REFUSED)), ErrorCode.CREDENTIALS_REFUSED, {"http_status": 401}),
    (lambda: account_uuid_in(answer(409, SHAPE)), ErrorCode.ACCOUNT_EXISTS, {"http_status": 409}),
    (lambda: account_uuid_in(answer(403, SHAPE)), ErrorCode.FORBIDDEN, {"http_status": 403}),
    (lambda: page_in(answer(200, {})), ErrorCode.RESPONSE_INVALID, {"http_status": 200}),
    (
        lambda: reply_in(answer(404, {"status": 0}), "find", Unavailable),
        ErrorCode.NOT_FOUND,
        {"http_status": 404},
    ),
    (
        lambda: lead_in(answer(400, {"error": {"code": 190, "error_subcode": 460}}), "1"),
        ErrorCode.CREDENTIALS_REFUSED,
        {"http_status": 400, "graph_code": 190, "graph_subcode": 460},
    ),
]


@pytest.mark.parametrize(("call", "code", "data"), RAISED, ids=[f"{n}-{one[1]}" for n, one in enumerate(RAISED)])
def test_what_a_partner_answers_becomes_a_code_and_data(
    call: Callable[[], object], code: ErrorCode, data: dict[str, Any]
) -> None:
    with pytest.raises(PartnerError) as raised:
        call()
    assert (raised.value.code, raised.value.data) == (code, data)
    assert raised.value.info == ErrorInfo(code, raised.value.text, data)


def test_an_error_keeps_its_code_as_another_kind_of_error() -> None:
    error = RateLimited("leeloo", "find", "slow down", data={"http_status": 429}, retry_after=6.5)
    other = Unavailable.of(error)
    assert (other.code, other.data, other.retry_after) == (error.code, {"http_status": 429, "retry_after": 7}, 6.5)
    assert Misconfigured("leeloo", "find", "x").code is ErrorCode.MISCONFIGURED
    assert rejection_error("leeloo", "find", answer(422)).code is ErrorCode.REJECTED


def test_the_same_error_is_known_by_its_code_and_data() -> None:
    waiting = steps.new_delivery(LEAD.lead_id, "leadleader", "web", NOW)
    failed = steps.schedule_retry(waiting, NOW, SELDOM, MINUTE).after
    assert replace(SELDOM, text="in other words").equals_last_of(failed)
    assert not replace(SELDOM, data={"http_status": 400}).equals_last_of(failed)
    assert not replace(SELDOM, code=ErrorCode.REJECTED).equals_last_of(failed)
    assert not SELDOM.equals_last_of(waiting)
    assert ErrorInfo(ErrorCode.REJECTED, "x").equals_last_of(
        steps.fail(waiting, NOW, ErrorInfo(ErrorCode.REJECTED, "y")).after
    )


def test_what_is_stored_of_an_error_is_read_as_it_was_written() -> None:
    delivery = steps.fail(steps.new_delivery(LEAD.lead_id, "leadleader", "web", NOW), NOW, SELDOM)
    message = messages.fail(status_notification(LEAD.lead_id, "leadleader", 4, "Видано", NOW), NOW, SELDOM)
    fetch = fetches.fail(fetches.new_fetch(LEAD.lead_id, "web", {}, NOW), NOW, SELDOM)
    read = (
        items.delivery_of(items.decode(items.encode(items.delivery_item(delivery.after)))),
        message_of(items.decode(items.encode(message_item(message.after)))),
        fetch_of(items.decode(items.encode(fetch_item(fetch.after)))),
    )
    for one in read:
        assert {name: getattr(one, name) for name in last_error(SELDOM)} == last_error(SELDOM)
    stored = items.delivery_item(replace(delivery.after, history=(delivery.entry,)))
    [entry] = items.history_of(items.delivery_of(items.decode(items.encode(stored)))).values()
    assert entry == items.entry_of(items.decode(items.encode(items.history_item(LEAD.lead_id, delivery.entry))))
    assert (entry.detail, entry.data) == (SELDOM.text, {"error_code": "fields_rejected", **SELDOM.data})
    json.dumps([dict(entry_view(entry)), *(one.last_error_data for one in read)])


def changes(error: ErrorInfo) -> Iterator[steps.Change]:
    """What can be done to a delivery, one after the other."""
    change = steps.start_attempt(steps.new_delivery(LEAD.lead_id, "leadleader", "web", NOW), NOW, MINUTE)
    yield change
    yield (change := steps.schedule_retry(change.after, NOW, error, MINUTE))
    yield (change := steps.start_attempt(change.after, NOW, MINUTE))
    yield (change := steps.mark_unknown(change.after, NOW, error))
    yield (change := operators.resolve_found(change.after, NOW, "olena", 24, is_followed=True))
    yield (change := operators.resolve_found(change.after, NOW, "olena", 25, is_followed=True))
    yield operators.contest_resolution(change.after, NOW, "ld_other")
    yield (change := operators.withdraw_resolution(change.after, NOW, "olena", can_be_looked_up=False))
    yield (change := operators.resolve_not_found(change.after, NOW, "olena"))
    yield (change := operators.retry_by_operator(change.after, NOW, "olena", is_confirmed=False))
    yield (change := steps.start_attempt(change.after, NOW, MINUTE))
    yield open_next(steps.reject(change.after, NOW, error), "matchtrade", NextOn.REJECTED)


def test_the_data_of_an_entry_says_what_its_text_says() -> None:
    said = {"error_code": "fields_rejected", **SELDOM.data}
    by = {"operator": "olena"}
    assert [(change.what, dict(change.data)) for change in changes(SELDOM)] == [
        ("submitting", {"attempt": 1}),
        ("attempt_failed", {"attempt": 1, **said}),
        ("submitting", {"attempt": 2}),
        ("unknown", said),
        ("resolved", {"deal_id": 24, **by}),
        ("resolved", {"deal_id": 25, "previous": {"deal_id": 24}, **by}),
        ("contested", {"deal_id": 25, "lead_id": "ld_other"}),
        ("resolution_withdrawn", {"deal_id": 25, **by}),
        ("resolved", {"outcome": "not_created", **by}),
        ("retry_requested", by),
        ("submitting", {"attempt": 3}),
        ("rejected", {**said, "next_partner": "matchtrade"}),
    ]


def without_texts(value: Any) -> Any:
    match value:
        case Mapping():
            return {name: without_texts(one) for name, one in value.items() if name not in {"last_error", "detail"}}
        case list() | tuple():
            return [without_texts(one) for one in value]
        case _:
            return value


def shown(error: ErrorInfo) -> dict[str, Any]:
    """A lead as the API shows it, with a delivery, a message and a fetch that all failed."""
    every = list(changes(error))
    failed = messages.fail(status_notification(LEAD.lead_id, "leadleader", 4, "Видано", NOW), NOW, error)
    ended = fetches.fail(fetches.new_fetch(LEAD.lead_id, "web", {}, NOW), NOW, error)
    entries = [Entry(one.at, one.what, "leadleader", one.detail, one.data) for one in every]
    entries.append(Entry(NOW, failed.what or "", "leeloo", failed.detail, failed.data))
    entries.append(Entry(NOW, ended.what or "", None, ended.detail, ended.data))
    journey = Journey(LEAD, {"leadleader": every[-1].after}, tuple(entries), ended.after, (failed.after,))
    return dict(journey_view(journey))


@pytest.mark.parametrize("code", list(ErrorCode))
def test_another_wording_changes_nothing_but_the_text(code: ErrorCode) -> None:
    """The console and the CLI get everything else by codes and data."""
    told = shown(ErrorInfo(code, "the partner refused it, by olena", {"http_status": 400}))
    reworded = shown(ErrorInfo(code, "attempt 7", {"http_status": 400}))
    assert told != reworded
    assert without_texts(told) == without_texts(reworded)
    assert [entry_details(entry) for entry in told["timeline"]] == [
        entry_details(entry) for entry in reworded["timeline"]
    ]
    assert code.meaning in str(entry_details(told["timeline"][1]))


def test_the_command_shows_the_text_where_there_is_no_code_that_it_has() -> None:
    assert entry_details({"detail": "as it is", "data": {}}) == "as it is"
    assert entry_details({"detail": "as it is"}) == "as it is"
    assert entry_details({"detail": "as it is", "data": {"error_code": "of_another_version"}}) == "as it is"
    assert (
        entry_details({"detail": "attempt 2", "data": {"attempt": 2, "operator": "olena"}})
        == "attempt 2, operator olena"
    )


@pytest.mark.parametrize(
    ("told", "code", "data"),
    [
        ({**SELDOM.dead_letter}, ErrorCode.FIELDS_REJECTED, dict(SELDOM.data)),
        ({"reason": "spent"}, None, {}),
        ({"reason": "spent", "reason_code": "of_another_version", "reason_data": ["x"]}, None, {}),
        (
            {"reason": "x", "reason_code": "erased", "reason_data": {"a": 1.5, "b": [1], "c": "d"}},
            ErrorCode.ERASED,
            {"c": "d"},
        ),
        ({"reason": "x", "reason_data": {"a": "x" * 2000}}, None, {}),
    ],
)
def test_a_dead_letter_carries_the_code(told: dict[str, Any], code: ErrorCode | None, data: dict[str, Any]) -> None:
    body = json.dumps({"lead_id": LEAD.lead_id, "partner": "leadleader", "step": "submit", **told})
    message = {"MessageId": "1", "Attributes": {"SentTimestamp": "0"}, "ReceiptHandle": "r", "Body": body}
    letter = parse_dead_letter("submit-leadleader", message)
    assert (letter.reason, letter.reason_code, letter.reason_data) == (told["reason"], code, data)

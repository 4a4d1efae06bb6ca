"""What each of Leeloo's answers means to a read and to a send, and that nothing of the partner's words gets through."""

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadbridge.domain.errors.partner_errors import (
    PartnerError,
    RateLimited,
    Rejected,
    Unauthorized,
    Unavailable,
    Unknown,
)
from leadbridge.partners.http import Answer
from leadbridge.partners.leeloo.answers import NotFound, Reply, reply_in
from leeloo_api.models import Channel, Order, PersonDetails, TunnelDetails, TunnelStats
from quality.testkit.rubbish import json_values

RATE_LIMIT = b"Too many requests, please try again later."
NO_TOKEN = {"status": 0, "error": {"fields": {"authToken": "REQUIRED"}, "code": "FORMAT_ERROR"}}
REFUSAL = {
    "status": 0,
    "error": {"fields": {"phone": "Ольга 050", "SSN": "1"}, "code": "FORMAT_ERROR"},
}

type Meaning = type[PartnerError] | None
type Lost = type[Unavailable | Unknown]


def answer(status: int, content: object = b"", **headers: str) -> Answer:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


def meaning(given: Answer, lost: Lost) -> Meaning:
    try:
        reply_in(given, "an_operation", lost, {"phone"})
    except PartnerError as error:
        return type(error)
    return None


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(answer(200, {"status": 1, "data": {}}), None, id="success"),
        pytest.param(answer(201, {"status": 1}), None, id="201"),
        pytest.param(answer(200, RATE_LIMIT), RateLimited, id="the text at 200"),
        pytest.param(answer(503, RATE_LIMIT + b"\n"), RateLimited, id="the text at 503"),
        pytest.param(answer(403, b'"' + RATE_LIMIT + b'"'), RateLimited, id="the text as JSON"),
        pytest.param(answer(429, {"status": 0}), RateLimited, id="429"),
        pytest.param(answer(503, b"", retry_after="3"), RateLimited, id="503 with Retry-After"),
        pytest.param(answer(401), Unauthorized, id="401"),
        pytest.param(answer(200, NO_TOKEN), Unauthorized, id="a token refused at 200"),
        pytest.param(answer(400, NO_TOKEN), Unauthorized, id="a token refused at 400"),
        pytest.param(answer(500, NO_TOKEN), Unauthorized, id="a token refused at 500"),
        pytest.param(answer(200, REFUSAL), Rejected, id="a refusal at 200"),
        pytest.param(answer(422, REFUSAL), Rejected, id="a refusal at 422"),
        pytest.param(answer(403, b"<html>"), Unavailable, id="403 as HTML"),
        pytest.param(answer(404, {"status": 0, "error": {"code": "x"}}), NotFound, id="404"),
        pytest.param(answer(404, b"<html>Cannot GET"), Unavailable, id="404 of another server"),
    ],
)
def test_what_can_be_known_is_the_same_for_reads_and_sends(given: Answer, expected: Meaning) -> None:
    assert meaning(given, Unavailable) is expected
    assert meaning(given, Unknown) is expected


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(answer(200), id="empty"),
        pytest.param(answer(200, b"<html>"), id="HTML"),
        pytest.param(answer(200, [1]), id="a list"),
        pytest.param(answer(200, {"data": {}}), id="no status"),
        pytest.param(answer(200, {"status": True}), id="status true"),
        pytest.param(answer(200, {"status": "1"}), id="status as text"),
        pytest.param(answer(200, {"status": 2}), id="status 2"),
        pytest.param(answer(200, b'{"status": 1e99999999999999999999}'), id="a number beyond all bounds"),
        pytest.param(answer(302, {"status": 1}), id="redirect"),
        pytest.param(answer(500, {"status": 1}), id="success at 500"),
        pytest.param(answer(500, REFUSAL), id="a refusal at 500"),
        pytest.param(answer(503), id="503"),
    ],
)
def test_an_unclear_result_is_lost(given: Answer) -> None:
    assert meaning(given, Unavailable) is Unavailable
    assert meaning(given, Unknown) is Unknown


def test_a_rate_limit_says_how_long_to_wait() -> None:
    with pytest.raises(RateLimited) as caught:
        reply_in(answer(200, RATE_LIMIT, retry_after="7"), "people_list", Unavailable)
    assert caught.value.retry_after == 7


def test_words_about_requests_in_a_success_are_no_rate_limit() -> None:
    given = answer(200, {"status": 1, "data": [{"id": "1", "text": RATE_LIMIT.decode()}]})
    assert meaning(given, Unknown) is None


def test_a_refusal_names_our_fields_and_nothing_else() -> None:
    with pytest.raises(Rejected) as caught:
        reply_in(answer(400, REFUSAL), "person_create", Unknown, {"phone", "email"})
    assert caught.value.text == "the partner rejected the request (HTTP 400: phone)"


FIELDS = (
    "id status data error fields code meta included linked users orders name tags accounts account_id from links price"
    " contactedUsers leadgentools created_at createdAt last_message_time subscribers total_sale custom_fields utm_marks"
)
SHAPED: st.SearchStrategy[Any] = st.recursive(
    json_values() | st.sampled_from(["NOT_DEFINED", "2026-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS.split()), inner, min_size=1, max_size=8)
    ),
    max_leaves=20,
)


BODIES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 2) | st.text(max_size=9) | st.sampled_from(FIELDS.split()),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS.split()), inner, min_size=1, max_size=6)
    ),
)


@given(status=st.integers(200, 599), body=st.binary() | BODIES.map(lambda value: json.dumps(value).encode()))
def test_no_answer_is_beyond_understanding(status: int, body: bytes) -> None:
    for lost in (Unavailable, Unknown):
        found = meaning(Answer(status, {}, body), lost)
        assert found is None or issubclass(found, PartnerError)


@given(data=SHAPED, included=SHAPED)
def test_no_success_is_beyond_reading(data: Any, included: Any) -> None:
    reply = Reply("read", data, {}, {}, Unavailable)
    readings: list[Callable[[], object]] = [
        lambda: reply.one(PersonDetails, users=included, orders=included),
        lambda: reply.one(TunnelDetails, leadgentools=included),
        lambda: reply.many(Channel),
        lambda: reply.many(TunnelStats),
        lambda: reply.many(Order, "orders"),
    ]
    for read in readings:
        with suppress(Unavailable):
            read()

"""A 4xx that is not the partner's own is never its refusal, whichever partner and call it concerns."""

import json
from collections.abc import Callable
from http.client import responses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadbridge.domain.errors.partner_errors import (
    Misconfigured,
    PartnerError,
    RateLimited,
    Rejected,
    Unauthorized,
    Unavailable,
    Unknown,
)
from leadbridge.partners.graph.answers import lead_in
from leadbridge.partners.http import TIMEOUT_STATUSES, Answer
from leadbridge.partners.leadleader.answers import deal_id_in, status_in, tokens_in
from leadbridge.partners.leeloo.answers import reply_in
from leadbridge.partners.matchtrade.answers import account_uuid_in, grant_in, page_in

PAGE = b"<html><body>nginx</body></html>"
CHALLENGE = b"<!DOCTYPE html><html><title>Just a moment...</title></html>"
FOREIGN_BODIES = [PAGE, CHALLENGE, b"", b"Forbidden", b'{"message": "Forbidden"}', b"[]", b'"no"', b"\xff\x00", b"{"]

SENDING: dict[str, Callable[[Answer], object]] = {
    "leadleader create": deal_id_in,
    "matchtrade create": account_uuid_in,
    "leeloo send": lambda answer: reply_in(answer, "send_message", Unknown, {"text"}),
}
READING: dict[str, Callable[[Answer], object]] = {
    "leadleader authorize": tokens_in,
    "leadleader status": status_in,
    "matchtrade token": grant_in,
    "leeloo find": lambda answer: reply_in(answer, "find", Unavailable),
}
CLIENT_ERRORS = st.integers(400, 499).filter(lambda status: status != 429)
BODIES = st.sampled_from(FOREIGN_BODIES)


def error_of(read: Callable[[Answer], object], status: int, body: bytes) -> PartnerError:
    kind = "text/html" if body.lstrip().startswith(b"<") else "application/json"
    with pytest.raises(PartnerError) as raised:
        read(Answer(status, {"content-type": kind}, body))
    return raised.value


@given(st.sampled_from(list(SENDING | READING)), CLIENT_ERRORS, BODIES)
def test_it_is_no_refusal_and_is_counted_as_blocked(call: str, status: int, body: bytes) -> None:
    error = error_of((SENDING | READING)[call], status, body)
    assert not isinstance(error, Rejected | Misconfigured)
    assert error.is_intercepted or (status == 401 and call.startswith("matchtrade"))  # its client handles a 401


@given(CLIENT_ERRORS, BODIES)
def test_a_matchtrade_list_is_read_again(status: int, body: bytes) -> None:
    if body == b"[]":
        return
    assert isinstance(error_of(page_in, status, body), Unavailable)


@given(st.sampled_from(["leadleader create", "leeloo send"]), CLIENT_ERRORS, BODIES)
def test_a_request_that_a_proxy_stopped_waiting_for_is_unknown(call: str, status: int, body: bytes) -> None:
    error = error_of(SENDING[call], status, body)
    assert isinstance(error, Unknown) is (status in TIMEOUT_STATUSES)
    assert isinstance(error, Unavailable | Unauthorized) is (status not in TIMEOUT_STATUSES)


@given(CLIENT_ERRORS.filter(lambda status: status != 401), BODIES)
def test_an_account_is_looked_up_before_it_is_created_again(status: int, body: bytes) -> None:
    assert isinstance(error_of(account_uuid_in, status, body), Unknown)


@given(st.sampled_from(list(READING)), CLIENT_ERRORS, BODIES)
def test_what_creates_nothing_is_repeated(call: str, status: int, body: bytes) -> None:
    assert isinstance(error_of(READING[call], status, body), Unavailable | Unauthorized)


@given(st.sampled_from(list(SENDING | READING)), BODIES)
def test_429_is_always_a_rate_limit(call: str, body: bytes) -> None:
    assert isinstance(error_of((SENDING | READING)[call], 429, body), RateLimited)


@given(CLIENT_ERRORS, st.sampled_from([PAGE, CHALLENGE, b"", b"Forbidden"]))
def test_graph_is_asked_again(status: int, body: bytes) -> None:
    error = error_of(lambda answer: lead_in(answer, "1"), status, body)
    assert (type(error), error.is_intercepted) == (Unavailable, True)


@pytest.mark.parametrize("status", [403, 404, 405, 421, 423, 451])
def test_the_name_of_a_status_is_no_refusal_of_lead_leaders(status: int) -> None:
    body = json.dumps({"error": responses[status]}).encode()
    for call in ("leadleader create", "leadleader status", "leadleader authorize"):
        error = error_of((SENDING | READING)[call], status, body)
        assert (type(error), error.is_intercepted) == (Unavailable, True)


def test_an_error_of_another_kind_is_still_one_of_a_proxy() -> None:
    lost = error_of(deal_id_in, 408, PAGE)
    assert Unavailable.of(lost).is_intercepted


@pytest.mark.parametrize(
    ("call", "body"),
    [
        ("leadleader create", b'{"detail": "no", "code": "token_not_valid"}'),
        ("leeloo send", b'{"status": 0, "error": {"fields": {"authToken": "INVALID"}}}'),
    ],
)
def test_a_token_that_the_partner_itself_refuses_is_not_blocked(call: str, body: bytes) -> None:
    error = error_of(SENDING[call], 401, body)
    assert (type(error), error.is_intercepted) == (Unauthorized, False)

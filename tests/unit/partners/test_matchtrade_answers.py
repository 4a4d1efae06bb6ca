"""What each of Match-Trade's answers means, and that none of its words comes out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import simplejson
from hypothesis import given
from hypothesis import strategies as st

from leadbridge.domain.errors.partner_errors import (
    Duplicate,
    Misconfigured,
    PartnerError,
    RateLimited,
    Rejected,
    Unavailable,
    Unknown,
)
from leadbridge.partners.http import Answer
from leadbridge.partners.matchtrade.answers import account_uuid_in, grant_in, page_in
from quality.testkit.partners.matchtrade import answer
from quality.testkit.rubbish import json_values

NO_OFFER = "Entity not found: [status 404 reading OfferClient#findOne(UUID)]"
INVALID = "Register Account Model is not valid"


def error(status: int, message: object) -> Answer:
    body = {"status": status, "timestamp": 1, "message": message, "printableMessage": message}
    return answer(status, body)


@pytest.mark.parametrize(
    ("given_", "uuid"),
    [
        (answer(200, {"uuid": "u-1"}), "u-1"),
        (answer(201, {"account": {"uuid": " u-1 "}}), "u-1"),
        (answer(200, {"uuid": None, "account": {"uuid": "u-2"}}), "u-2"),
        (answer(202, {}), None),
        (answer(200, [1]), None),
        (answer(200, {"uuid": 7, "account": 7}), None),
        (answer(200, {"uuid": "x" * 2000}), None),
        (Answer(204, {}, b""), None),
        (Answer(200, {}, b"created"), None),
    ],
)
def test_any_2xx_is_an_account(given_: Answer, uuid: str | None) -> None:
    assert account_uuid_in(given_) == uuid


@pytest.mark.parametrize(
    ("given_", "meaning"),
    [
        (error(400, "could not execute batch; SQL [insert into account (…)]"), Rejected),
        (error(404, NO_OFFER), Misconfigured),
        (error(409, "Account [test@abc12.com:0] already exists"), Duplicate),
        (error(500, INVALID), Rejected),
        (error(500, f" {INVALID}: phone "), Rejected),
        (error(500, INVALID.upper()), Unknown),
        (error(500, [INVALID]), Unknown),
        (Answer(200, {"content-type": "text/html; charset=utf-8"}, b"ok"), Unknown),
        (Answer(409, {}, b"\n <!DOCTYPE html>"), Unknown),
        (Answer(302, {}, b""), Unknown),
        (Answer(429, {}, b"<html>"), RateLimited),
    ],
)
def test_every_answer_to_a_create_has_its_meaning(given_: Answer, meaning: type[PartnerError]) -> None:
    with pytest.raises(PartnerError) as caught:
        account_uuid_in(given_)
    assert type(caught.value) is meaning


@given(
    status=st.integers(100, 599),
    body=st.dictionaries(st.sampled_from(["message", "error", "access_token", "expires_in", "uuid"]), json_values()),
    reading=st.sampled_from([grant_in, account_uuid_in, page_in]),
)
def test_any_answer_has_a_meaning(status: int, body: dict[str, Any], reading: Callable[[Answer], object]) -> None:
    try:
        raw = simplejson.dumps(body, use_decimal=True, allow_nan=True).encode(errors="surrogatepass")
    except (ValueError, ArithmeticError):
        return
    try:
        reading(Answer(status, {}, raw))
    except PartnerError as found:
        assert str(status) in found.text  # noqa: PT017


@given(st.text(min_size=4).filter(lambda text: text.strip()))
def test_no_word_of_the_partners_comes_out(message: str) -> None:
    marked = f"§{message}§"
    for status in (400, 401, 403, 404, 409, 418, 500, 503):
        body = {"message": marked, "printableMessage": marked, "error": marked, "error_description": marked}
        for reading in (grant_in, account_uuid_in, page_in):
            with pytest.raises(PartnerError) as caught:
                reading(answer(status, body))
            assert "§" not in str(caught.value)


@pytest.mark.parametrize(
    ("body", "pages", "total"),
    [
        ({"content": []}, None, None),
        ({"content": [], "totalPages": 3, "totalElements": 7}, 3, 7),
        ({"content": [], "totalPages": "3", "totalElements": -1}, None, None),
        ([], None, None),
    ],
)
def test_the_totals_of_a_page_may_be_missing(body: object, pages: int | None, total: int | None) -> None:
    found = page_in(answer(200, body))
    assert (found.rows, found.total_pages, found.total_rows) == ([], pages, total)


@pytest.mark.parametrize("body", [{}, {"content": None}, {"content": {}}, "content", None, 7])
def test_an_answer_without_rows_is_not_an_empty_list(body: object) -> None:
    with pytest.raises(Unavailable, match="contains no accounts"):
        page_in(answer(200, body))

"""What Graph's answers mean, by its documented codes; none of its words come through."""

import json
from typing import Any

import pytest
from hypothesis import given

from leadbridge.domain.errors.partner_errors import Misconfigured, PartnerError, RateLimited, Unavailable
from leadbridge.partners.graph.answers import lead_in
from leadbridge.partners.graph.client import GraphCredentials
from leadbridge.partners.http import Answer
from quality.testkit.rubbish import json_values

LEAD = {"id": "77", "field_data": [{"name": "full_name", "values": ["Прикладенко"]}]}
WORDS = "Прикладенко просить передзвонити"


def meaning(status: int, content: Any, **headers: str) -> PartnerError:
    body = content.encode() if isinstance(content, str) else json.dumps(content).encode()
    with pytest.raises(PartnerError) as raised:
        lead_in(Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, body), "77")
    assert "Прикладенко" not in str(raised.value)
    return raised.value


def refusal(code: object, subcode: object = None) -> dict[str, Any]:
    error = {"message": WORDS, "type": WORDS, "code": code, "error_user_msg": WORDS, "fbtrace_id": WORDS}
    return {"error": error if subcode is None else {**error, "error_subcode": subcode}}


def test_the_lead_is_taken_unchanged() -> None:
    assert lead_in(Answer(200, {}, json.dumps(LEAD).encode()), "77") == LEAD


@pytest.mark.parametrize(
    ("status", "code", "subcode", "kind", "text"),
    [
        (400, 4, None, RateLimited, "too many calls (HTTP 400, code 4)"),
        (400, 17, 2446079, RateLimited, "too many calls (HTTP 400, code 17, subcode 2446079)"),
        (403, 32, None, RateLimited, "too many calls (HTTP 403, code 32)"),
        (400, 613, None, RateLimited, "too many calls (HTTP 400, code 613)"),
        (400, 341, None, RateLimited, "too many calls (HTTP 400, code 341)"),
        (400, 80005, None, RateLimited, "too many calls (HTTP 400, code 80005)"),
        (500, 1, None, Unavailable, "Graph could not answer (HTTP 500, code 1)"),
        (400, 2, None, Unavailable, "Graph could not answer (HTTP 400, code 2)"),
        (400, 190, 463, Misconfigured, "Graph rejected the access token (HTTP 400, code 190, subcode 463)"),
        (401, 190, None, Misconfigured, "Graph rejected the access token (HTTP 401, code 190)"),
        (400, 102, None, Misconfigured, "Graph rejected the access token (HTTP 400, code 102)"),
        (400, 10, None, Misconfigured, "the access token has no permission to read leads (HTTP 400, code 10)"),
        (403, 200, None, Misconfigured, "the access token has no permission to read leads (HTTP 403, code 200)"),
        (400, 299, None, Misconfigured, "the access token has no permission to read leads (HTTP 400, code 299)"),
        (
            400,
            100,
            33,
            Misconfigured,
            "the lead does not exist or is not visible to us (HTTP 400, code 100, subcode 33)",
        ),
        (400, 100, None, Misconfigured, "Graph rejected the request (HTTP 400, code 100)"),
        (400, 2635, None, Misconfigured, "Graph rejected the request (HTTP 400, code 2635)"),
        (404, WORDS, WORDS, Misconfigured, "Graph rejected the request (HTTP 404)"),
        (200, 190, None, Misconfigured, "Graph rejected the access token (HTTP 200, code 190)"),
    ],
)
def test_a_refusal_is_known_by_its_code(
    status: int, code: object, subcode: object, kind: type[PartnerError], text: str
) -> None:
    error = meaning(status, refusal(code, subcode))
    assert (type(error), error.text) == (kind, text)


@pytest.mark.parametrize(
    "content",
    [
        {**LEAD, "id": "78"},
        {"id": "77"},
        {"id": "77", "field_data": {}},
        {"field_data": []},
        [],
        "",
        "<html>",
    ],
)
def test_what_is_not_the_lead_is_asked_for_again(content: Any) -> None:
    assert type(meaning(200, content)) is Unavailable


@pytest.mark.parametrize("status", [400, 401, 403, 404, 407, 413])
@pytest.mark.parametrize("content", ["", "<html>", "Forbidden", []])
def test_a_proxys_page_says_nothing_about_the_token_or_the_lead(status: int, content: Any) -> None:
    error = meaning(status, content)
    assert (type(error), error.is_intercepted) == (Unavailable, True)


def test_a_rate_limit_of_http_says_how_long() -> None:
    assert meaning(429, "", retry_after="60").retry_after == 60
    assert type(meaning(503, "", retry_after="60")) is RateLimited
    assert type(meaning(503, "")) is Unavailable


@given(json_values())
def test_any_answer_at_all_has_a_meaning(value: Any) -> None:
    for content in (value, {"error": value}, {"error": {"code": value, "error_subcode": value}}):
        try:
            body = json.dumps(content, default=str).encode()
        except (ValueError, TypeError):
            continue
        for status in (200, 302, 400, 500):
            with pytest.raises(PartnerError):
                lead_in(Answer(status, {}, body), "77")


GOOD = {"access_token": "EAAt", "secrets": ["new", "old"]}


def test_without_an_address_graph_is_where_it_is_documented() -> None:
    credentials = GraphCredentials.of(GOOD)
    assert credentials.graph_url == "https://graph.facebook.com/v26.0"
    assert credentials.app_secret == "new"
    assert "EAAt" not in repr(credentials)


def test_the_proof_is_the_tokens_hmac_under_the_apps_secret() -> None:
    """The HMAC-SHA256 of RFC 4231, test case 2."""
    proof = GraphCredentials("what do ya want for nothing?", "Jefe", "").app_secret_proof
    assert proof == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"access_token": None}, "access_token"),
        ({"access_token": "two words"}, "access_token"),
        ({"access_token": "line\nbreak"}, "access_token"),
        ({"access_token": "токен"}, "access_token"),
        ({"secrets": []}, "secrets"),
        ({"secrets": "new"}, "secrets"),
        ({"graph_url": 1}, "graph_url"),
        ({"access_token": 1, "secrets": [1]}, "access_token, secrets"),
    ],
)
def test_an_unusable_entry_is_named_by_its_keys_and_no_value(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(Misconfigured) as raised:
        GraphCredentials.of(GOOD | changes)
    assert raised.value.text == f"the source's secret lacks a usable {named}"

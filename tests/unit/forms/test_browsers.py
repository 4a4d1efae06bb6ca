"""Pages that post by themselves, through the real handler: origins, preflights, the honeypot, where a visitor goes."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadbridge.api.browsers import Visitor
from leadbridge.api.problems import Problem, answer
from leadbridge.runtime.logs import logger
from leadbridge.settings import Source
from quality.testkit.forms.receiver import Endpoint, configured, opened, proven, sample, secrets_of, with_headers
from quality.testkit.rubbish import any_text

TOO_MANY_FIELDS = "&".join(["a=1"] * 1001)
SITE = "https://groshi.example.com"
OTHER = "https://www.example.org"
THANKS, AGAIN = "https://groshi.example.com/thanks.html", "https://groshi.example.com/again?from=form#top"
NAVIGATION = {
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Sec_Fetch_Mode": "navigate",
}
CORS = {"Access-Control-Allow-Origin", "Vary"}
NO_PORT = "http://127.0.0.1:*"


def source(**changed: Any) -> Source:
    """The source of the page, as a site owner has it."""
    shipped = configured().sources["plain-credit"].model_dump()
    own = {"origins": (SITE, OTHER), "honeypot": "website", "thank_you": THANKS, "try_again": AGAIN}
    return Source.model_validate({**shipped, "partners": ["leadleader"], **own, **changed})


@pytest.fixture
def endpoint(request: pytest.FixtureRequest) -> Iterator[Endpoint]:
    """The handler with that source, changed as the test says, beside one that has none of it."""
    changed = getattr(request, "param", {})
    settings = configured()
    sources = {**settings.sources, "plain-credit": source(**changed), "bare": bare()}
    with opened(settings.model_copy(update={"sources": sources})) as endpoint:
        yield endpoint


def bare() -> Source:
    """A source without any of it."""
    return source(origins=(SITE,)).model_copy(
        update={"origins": (), "honeypot": None, "thank_you": None, "try_again": None}
    )


def post(**headers: str | None) -> dict[str, Any]:
    """The sample of a page's post, proven; its origin is the site."""
    return with_headers(proven(sample("plain_urlencoded")), **headers)


def with_body(event: dict[str, Any], body: str) -> dict[str, Any]:
    return {**event, "body": body}


def to(source_name: str, event: dict[str, Any]) -> dict[str, Any]:
    """The event at another source, which has its own secret."""
    token = {"token": secrets_of(source_name)[0]}
    return {**event, "pathParameters": {"source": source_name}, "queryStringParameters": token}


def test_an_allowed_pages_script_may_read_the_answer_whatever_it_is(endpoint: Endpoint) -> None:
    answers = [
        endpoint.respond(post()),
        endpoint.respond(post()),
        endpoint.respond(with_body(post(), "your-name=x")),
        endpoint.respond(with_body(post(), TOO_MANY_FIELDS)),
        endpoint.respond(post(content_type="text/html")),
        endpoint.respond(with_body(post(), "я" * 200_000)),
        endpoint.respond({**post(), "queryStringParameters": None}),
    ]
    assert [one["statusCode"] for one in answers] == [202, 200, 422, 400, 415, 413, 401]
    for one in answers:
        assert (one["headers"]["Access-Control-Allow-Origin"], one["headers"]["Vary"]) == (SITE, "Origin")


def test_a_failure_of_ours_can_be_read_too(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logger, "exception", lambda *_: None)
    monkeypatch.setattr(type(endpoint.store), "accept", lambda *_, **__: 1 / 0)
    response = endpoint.respond(post())
    assert (response["statusCode"], response["headers"]["Access-Control-Allow-Origin"]) == (500, SITE)


@pytest.mark.parametrize("name", ["Origin", "origin", "ORIGIN"])
def test_each_origin_gets_its_own_name_however_the_header_is_spelt(endpoint: Endpoint, name: str) -> None:
    event = post(origin=None)
    response = endpoint.respond({**event, "headers": {**event["headers"], name: OTHER}})
    assert response["headers"]["Access-Control-Allow-Origin"] == OTHER


HOSTILE = [
    *("null", "", "*", "https://example.com", "http://groshi.example.com", "https://groshi.example.com/"),
    *("https://groshi.example.com.evil.example", "https://evil.example/https://groshi.example.com"),
    *("https://groshi.example.com:443", "https://groshi.example.com:8443", "HTTPS://GROSHI.EXAMPLE.COM"),
    *(f"{SITE}, {SITE}", f"{SITE} {OTHER}", f" {SITE}", f"{SITE}\n", f"{SITE}\r\nX: y", "file://", "data:", "\ud800"),
    *("https://groshi.example.co", "https://groshi-example.com", "https://xgroshi.example.com"),
    *("http://127.0.0.1:*", "http://127.0.0.1:80", "http://localhost:1"),
]


@pytest.mark.parametrize("origin", HOSTILE)
def test_another_pages_post_is_refused_and_not_stored(endpoint: Endpoint, origin: str) -> None:
    response = endpoint.respond(post(origin=origin, **NAVIGATION))
    assert response["statusCode"] == 403
    assert json.loads(response["body"])["type"] == "urn:leadbridge:problem:origin-not-allowed"
    assert not CORS & response["headers"].keys()
    assert endpoint.store.leads == {}


@pytest.mark.parametrize("origin", [None, SITE])
def test_a_server_which_has_no_origin_may_post(endpoint: Endpoint, origin: str | None) -> None:
    response = endpoint.respond(post(origin=origin))
    assert response["statusCode"] == 202
    assert bool(CORS & response["headers"].keys()) is (origin is not None)


@pytest.mark.parametrize("origin", [SITE, "https://anybody.example", "null", None])
def test_a_source_that_lists_no_origins_takes_all_and_lets_no_script_read(
    endpoint: Endpoint, origin: str | None
) -> None:
    response = endpoint.respond(to("bare", post(origin=origin, **NAVIGATION)))
    assert response["statusCode"] == 202
    assert json.loads(response["body"])["status"] == "received"
    assert not CORS & response["headers"].keys()


def preflight(origin: str | None, name: str = "plain-credit") -> dict[str, Any]:
    event = with_headers(sample("plain_preflight"), origin=origin)
    return {**event, "pathParameters": {"source": name}}


def test_an_allowed_page_may_ask_before_it_posts(endpoint: Endpoint) -> None:
    response = endpoint.respond(preflight(OTHER))
    assert (response["statusCode"], response["body"]) == (204, "")
    assert response["headers"] == {
        "Access-Control-Allow-Origin": OTHER,
        "Access-Control-Allow-Methods": "POST",
        "Access-Control-Allow-Headers": "Content-Type, X-Webhook-Token",
        "Access-Control-Max-Age": "3600",
        "Vary": "Origin",
    }


@pytest.mark.parametrize("origin", [*HOSTILE, None])
def test_another_page_that_asks_is_refused(endpoint: Endpoint, origin: str | None) -> None:
    response = endpoint.respond(preflight(origin))
    assert response["statusCode"] == 403
    assert response["headers"]["Content-Type"] == "application/problem+json"
    assert not CORS & response["headers"].keys()


def test_a_source_without_origins_accepts_no_browser(endpoint: Endpoint) -> None:
    assert endpoint.respond(preflight(SITE, "bare"))["statusCode"] == 403
    assert endpoint.respond(preflight(SITE, "nobody"))["statusCode"] == 404


@pytest.mark.parametrize("field", ["website", "WebSite", " website "])
def test_a_honeypot_post_gets_the_answer_of_a_lead_and_nothing_is_stored(
    endpoint: Endpoint, field: str, capsys: pytest.CaptureFixture[str]
) -> None:
    real = endpoint.respond(post())
    endpoint.store.leads.clear()
    caught = endpoint.respond(with_body(post(), f"{post()['body']}&{field}=https%3A%2F%2Fspam.example"))
    assert endpoint.store.leads == {}
    assert (caught["statusCode"], caught["headers"]) == (real["statusCode"], real["headers"])
    said, of_a_lead = json.loads(caught["body"]), json.loads(real["body"])
    assert (said.keys(), said["status"], len(said["lead_id"])) == (of_a_lead.keys(), "received", len("ld_") + 26)
    out = capsys.readouterr().out
    assert "HoneypotPosts" in out
    assert "spam.example" not in out


@pytest.mark.parametrize("answer", [200, 202])
def test_the_second_answer_to_a_caught_post_is_that_to_a_lead(answer: int) -> None:
    settings = configured()
    source = settings.sources["plain-credit"].model_copy(update={"answer": answer})
    with opened(settings.model_copy(update={"sources": {"plain-credit": source}})) as endpoint:
        spam = with_body(post(), f"{post()['body']}&website=x")
        real, caught = ([endpoint.respond(proven(event)) for _ in range(2)] for event in (post(), spam))
        for of_a_lead, of_spam in zip(real, caught, strict=True):
            ids = [json.loads(response["body"])["lead_id"] for response in (of_a_lead, of_spam)]
            assert {**of_spam, "body": of_spam["body"].replace(ids[1], ids[0])} == of_a_lead
        assert (real[1]["statusCode"], json.loads(caught[1]["body"])["duplicate"]) == (200, True)
        assert json.loads(caught[0]["body"])["lead_id"] == json.loads(caught[1]["body"])["lead_id"]
        assert len(endpoint.store.leads) == 1


def test_what_is_caught_needs_to_be_no_lead_but_must_be_proven(endpoint: Endpoint) -> None:
    assert endpoint.respond(with_body(post(), "website=x"))["statusCode"] == 202
    assert endpoint.respond({**with_body(post(), "website=x"), "queryStringParameters": None})["statusCode"] == 401
    assert endpoint.respond(with_body(post(), "website=+%09&your-name=x"))["statusCode"] == 422
    assert endpoint.respond(to("bare", with_body(post(), f"{post()['body']}&website=x")))["statusCode"] == 202
    assert len(endpoint.store.leads) == 1


def test_a_visitor_without_javascript_is_thanked_however_often_they_post(endpoint: Endpoint) -> None:
    first, again = (endpoint.respond(post(**NAVIGATION)) for _ in range(2))
    caught = endpoint.respond(with_body(post(**NAVIGATION), f"{post()['body']}&website=x"))
    assert len(endpoint.store.leads) == 1
    for response in (first, again, caught):
        assert (response["statusCode"], response["headers"]["Location"], response["body"]) == (303, THANKS, "")
        assert response["headers"]["Access-Control-Allow-Origin"] == SITE


@pytest.mark.parametrize(
    ("event", "question"),
    [
        (with_body(post(), "your-name=x&your-phone=12"), {"fields": "person.phone,"}),
        (with_body(post(), TOO_MANY_FIELDS), {"problem": "unreadable"}),
        (post(content_type="text/html"), {"problem": "unsupported-type"}),
        ({**post(), "queryStringParameters": None}, {"problem": "not-authentic"}),
        (with_body(post(), "я" * 200_000), {"problem": "too-large"}),
    ],
)
def test_a_visitor_without_javascript_is_asked_to_try_again(
    endpoint: Endpoint, event: dict[str, Any], question: dict[str, str]
) -> None:
    response = endpoint.respond(with_headers(event, **NAVIGATION))
    assert (response["statusCode"], response["body"]) == (303, "")
    location = urlsplit(response["headers"]["Location"])
    assert (location.scheme, location.netloc, location.path) == ("https", "groshi.example.com", "/again")
    assert location.fragment == "top"
    asked = parse_qs(location.query)
    assert asked.pop("from") == ["form"]
    assert asked.keys() == question.keys()
    for name, begins in question.items():
        assert asked[name][0].startswith(begins)


def test_the_names_of_wrong_fields_are_all_that_is_reported(endpoint: Endpoint) -> None:
    body = "your-name=Ольга&your-phone=12&amount=багато&term=6&your-tax-number=3055006677&your-activity=x"
    location = endpoint.respond(with_body(post(**NAVIGATION), body))["headers"]["Location"]
    assert location == "https://groshi.example.com/again?from=form&fields=person.phone,loan.amount#top"


@pytest.mark.parametrize(
    "headers",
    [
        {"Accept": "*/*", "Sec_Fetch_Mode": "cors"},
        {"Accept": "text/html", "Sec_Fetch_Mode": "cors"},
        {"Accept": "text/html", "X_Requested_With": "XMLHttpRequest"},
        {"Accept": "application/json", "Sec_Fetch_Mode": "navigate"},
        {"Accept": "text/htmlx"},
        {"Accept": None},
    ],
)
def test_a_script_and_a_server_are_answered_json(endpoint: Endpoint, headers: dict[str, str | None]) -> None:
    assert endpoint.respond(post(**headers))["statusCode"] == 202


def test_an_older_browser_is_known_by_what_it_takes(endpoint: Endpoint) -> None:
    assert endpoint.respond(post(accept="application/xml, TEXT/HTML;q=0.9"))["statusCode"] == 303


@pytest.mark.parametrize("endpoint", [{"try_again": None}], indirect=True)
def test_each_page_is_there_only_if_it_is_configured(endpoint: Endpoint) -> None:
    assert endpoint.respond(with_body(post(**NAVIGATION), "a=b"))["statusCode"] == 422
    assert endpoint.respond(post(**NAVIGATION))["statusCode"] == 303


def test_a_forwarded_or_named_page_is_nothing_to_go_by(endpoint: Endpoint) -> None:
    event = post(host="evil.example", referer="https://evil.example/", x_forwarded_host="evil.example", **NAVIGATION)
    parameters = {**event["queryStringParameters"], "thank_you": "https://evil.example", "next": "//evil.example"}
    event = with_body({**event, "queryStringParameters": parameters}, f"{event['body']}&thank_you=https://evil.example")
    assert endpoint.respond(event)["headers"]["Location"] == THANKS


LOCAL = {
    "origins": (NO_PORT, "http://localhost:*", SITE),
    "thank_you": f"{NO_PORT}/thanks.html",
    "try_again": f"{NO_PORT}/again.html",
}


@pytest.mark.parametrize("endpoint", [LOCAL], indirect=True)
def test_on_ones_own_machine_the_page_is_on_any_port(endpoint: Endpoint) -> None:
    thanked = endpoint.respond(post(origin="http://localhost:8123", **NAVIGATION))
    assert thanked["headers"]["Location"] == "http://127.0.0.1:8123/thanks.html"
    asked = endpoint.respond(with_body(post(origin="http://127.0.0.1:65000", **NAVIGATION), "your-name="))
    assert asked["headers"]["Location"].startswith("http://127.0.0.1:65000/again.html?fields=person.full_name,")
    assert endpoint.respond(post(origin=SITE, **NAVIGATION))["statusCode"] == 200
    assert endpoint.respond(post(origin=None, **NAVIGATION))["statusCode"] == 200


@pytest.mark.parametrize("endpoint", [LOCAL], indirect=True)
@pytest.mark.parametrize(
    "origin",
    [
        *("http://127.0.0.1", "http://127.0.0.1:", "http://127.0.0.1:0", "http://127.0.0.1:x", "http://127.0.0.1:*"),
        *("http://127.0.0.1:8.evil", "http://127.0.0.1.evil:8", "http://127.0.0.1:8@evil", "http://evil:8", "null"),
        *("http://127.0.0.1:8\n", "http://127.0.0.1:123456", "https://127.0.0.1:8"),
    ],
)
def test_any_port_is_a_port_and_nothing_else(endpoint: Endpoint, origin: str) -> None:
    assert endpoint.respond(post(origin=origin, **NAVIGATION))["statusCode"] == 403


names = st.sampled_from(["Origin", "origin", "Accept", "Sec-Fetch-Mode", "X-Requested-With", "Host", "Referer"])
values = st.sampled_from([*HOSTILE, SITE, "text/html", "navigate", "http://127.0.0.1:8080"]) | any_text(40)


@given(headers=st.dictionaries(names, values, max_size=5))
def test_whatever_the_headers_say_the_way_leads_to_the_configured_pages(headers: dict[str, str]) -> None:
    own_machine = ("http://127.0.0.1:", "http://localhost:")
    for own, page, again in (
        (source(), THANKS, "https://groshi.example.com/again?"),
        (source(**LOCAL), own_machine[0], own_machine[0]),
    ):
        visitor = Visitor.of({"headers": headers}, own)
        thanked, asked = visitor.accepted(answer(200, {})), visitor.rejected(Problem(400, "bad", "Bad", "Bad."))
        assert thanked["headers"].get("Location", page).startswith(page)
        assert asked["headers"].get("Location", again).startswith(again)
        for response in (thanked, asked):
            told = response["headers"].get("Access-Control-Allow-Origin", SITE)
            assert told in {SITE, OTHER} or (own.thank_you != THANKS and told.startswith(own_machine))
